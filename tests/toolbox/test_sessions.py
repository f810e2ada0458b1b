"""Sessions: 18.4 of the catalogue."""

from __future__ import annotations

import concurrent.futures
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.toolbox.raw import Closed, RefusedError, dropping, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox


class Session:
    """One session."""

    def __init__(self, toolbox: Toolbox, name: str = "") -> None:
        self.toolbox = toolbox
        self.id = name or f"s-{uuid.uuid4().hex[:8]}"
        self.path = f"/process/session/{self.id}"
        assert toolbox.post("/process/session", {"sessionId": self.id}).status == 201

    def exec(self, command: str, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
        return self.toolbox.request("POST", f"{self.path}/exec", {"command": command, **fields}, headers)

    def run(self, command: str) -> dict[str, Any]:
        answer = self.exec(command)
        assert answer.status == 200, answer
        return answer.json

    def start(self, command: str, **fields: Any) -> str:
        """Return the path of a command that is not waited for."""
        answer = self.exec(command, runAsync=True, **fields)
        assert answer.status == 202, answer
        return f"{self.path}/command/{answer.json['cmdId']}"

    def wait(self, command: str) -> int:
        """Return a command's exit code when it has one."""
        for _ in range(1000):
            if "exitCode" in (shown := self.toolbox.get(command).json):
                return int(shown["exitCode"])
            time.sleep(0.02)  # asks again; the test gives up by itself only after 20 s
        raise AssertionError(f"{command} does not end")

    def logs(self, command: str) -> dict[str, str]:
        return self.toolbox.get(f"{command}/logs").json


@pytest.fixture
def session(toolbox: Toolbox) -> Iterator[Session]:
    made = Session(toolbox)
    yield made
    toolbox.delete(made.path)


# -- Sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.case(35)
def test_the_life_of_a_session(toolbox: Toolbox, session: Session) -> None:
    assert toolbox.post("/process/session", {"sessionId": session.id}).status == 409
    assert toolbox.get(session.path).json == {"sessionId": session.id, "commands": []}
    assert session.id in [each["sessionId"] for each in toolbox.get("/process/session").json]
    deleted = toolbox.delete(session.path)
    assert (deleted.status, deleted.body) == (204, b"")
    for answer in (toolbox.get(session.path), toolbox.delete(session.path)):
        assert refuses(answer, 404, ours=toolbox.ours)


@pytest.mark.case(35)
@pytest.mark.ours("answer 404 where v0.190 has 500")
def test_a_session_that_is_gone_is_not_found(toolbox: Toolbox, session: Session) -> None:
    toolbox.delete(session.path)
    for answer in (toolbox.get(session.path), toolbox.delete(session.path), session.exec("true")):
        assert refuses(answer, 404, "NOT_FOUND")
        assert answer.json["message"] == "not found: session not found"


@pytest.mark.case(35)
@pytest.mark.ours("refuse names that are paths")
@pytest.mark.parametrize("name", ["entrypoint", "", "a/b", "../../x", "..", ".", "a\0b", "a\nb", "x" * 256])
def test_names_that_are_no_plain_names_are_refused(toolbox: Toolbox, name: str) -> None:
    assert toolbox.post("/process/session", {"sessionId": name}).status == 400


def test_a_name_with_blanks_and_quotes_works(toolbox: Toolbox) -> None:
    name = 'it\'s my "session" $(date) ü'
    assert toolbox.post("/process/session", {"sessionId": name}).status == 201
    path = "/process/session/it%27s%20my%20%22session%22%20%24%28date%29%20%C3%BC"
    assert toolbox.post(f"{path}/exec", {"command": "echo hi"}).json["stdout"] == "hi\n"
    assert toolbox.delete(path).status == 204


@pytest.mark.case(35, 41, 48)
def test_there_is_no_entrypoint(toolbox: Toolbox) -> None:
    assert toolbox.get("/process/session/entrypoint").status == 404
    assert toolbox.get("/process/session/entrypoint/logs").status == 404
    assert toolbox.delete("/process/session/entrypoint").status == 400
    assert toolbox.post("/process/session/entrypoint/exec", {"command": "true"}).status == 400
    assert toolbox.post("/process/session/entrypoint/command/c/input", {"data": "x"}).status == 400


# -- Commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.case(36)
def test_a_command_that_is_waited_for_has_five_keys(session: Session) -> None:
    result = session.run("echo out; echo err >&2; (exit 7)")
    assert set(result) == {"cmdId", "output", "stdout", "stderr", "exitCode"}
    assert (result["stdout"], result["stderr"], result["exitCode"]) == ("out\n", "err\n", 7)
    assert "\1\1\1out\n" in result["output"]
    assert "\2\2\2err\n" in result["output"]


@pytest.mark.case(36)
@pytest.mark.parametrize("command", ["", "   ", "\n", None])
def test_a_blank_command_is_refused(session: Session, command: str | None) -> None:
    assert session.exec(command).status == 400  # type: ignore[arg-type]  # that is the point


@pytest.mark.case(37)
def test_directory_variables_functions_and_options_stay(session: Session) -> None:
    session.run("cd /tmp; X='a b'; f() { echo \"f:$1\"; }; set -- one two")
    assert session.run('pwd; echo "$X"; f 1; echo $#')["stdout"] == "/tmp\na b\nf:1\n2\n"


@pytest.mark.case(37)
def test_heredocs_and_several_lines_work(session: Session) -> None:
    assert session.run("cat <<'END'\n$HOME\nEND\nif true; then\n  echo yes\nfi")["stdout"] == "$HOME\nyes\n"


@pytest.mark.case(37)
@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("return 5", 5),
        ("if then", 2),
        ("nosuchcommand", 127),
        ("sh -c 'kill -9 $$'", 137),
        ("f() { false; }; f", 1),
    ],
)
def test_a_status_and_the_session_goes_on(session: Session, command: str, status: int) -> None:
    assert session.run(command)["exitCode"] == status
    assert session.run("echo still here")["stdout"] == "still here\n"


def test_the_text_of_messages_names_the_command_file(session: Session) -> None:
    assert "cmd.sh: line 1: nosuchcommand: command not found" in session.run("nosuchcommand")["stderr"]


@pytest.mark.case(39)
def test_a_last_line_gets_its_line_end(session: Session) -> None:
    assert session.run("printf x; printf y >&2") | {"cmdId": "", "output": ""} == {
        "cmdId": "", "output": "", "stdout": "x\n", "stderr": "y\n", "exitCode": 0
    }  # fmt: skip


@pytest.mark.ours("tell markers from output")
def test_output_that_looks_like_a_marker_comes_back_as_it_was(session: Session) -> None:
    assert session.run(r"printf 'x\001\001\001y\002\002\002z\n'")["stdout"] == "x\1\1\1y\2\2\2z\n"


def test_a_user_function_called_echo_does_not_matter(session: Session) -> None:
    session.run("echo() { command printf 'mine: %s\\n' \"$*\"; }")
    assert session.run("echo hi; (exit 3)") | {"cmdId": "", "output": ""} == {
        "cmdId": "", "output": "", "stdout": "mine: hi\n", "stderr": "", "exitCode": 3
    }  # fmt: skip


@pytest.mark.case(38)
def test_a_command_that_is_not_waited_for(session: Session, toolbox: Toolbox) -> None:
    answer = session.exec("echo begin; read line; echo end; (exit 5)", runAsync=True)
    assert answer.status == 202
    assert {**answer.json, "cmdId": ""} == {
        "cmdId": "", "output": None, "stdout": None, "stderr": None, "exitCode": None
    }  # fmt: skip
    command = f"{session.path}/command/{answer.json['cmdId']}"
    assert "exitCode" not in toolbox.get(command).json
    while not session.logs(command)["stdout"]:
        pass  # an echo may come before what the command prints
    assert toolbox.post(f"{command}/input", {"data": "x"}).status == 204
    assert session.wait(command) == 5
    assert session.logs(command)["stdout"] == "begin\nx\nend\n"


@pytest.mark.case(46)
def test_commands_run_one_after_another_in_the_order_of_their_list(
    session: Session, toolbox: Toolbox
) -> None:
    first = session.start("sleep 0.3; echo $((n += 1))")
    second = session.start("echo $((n += 1))")
    assert session.wait(second) == 0
    assert (session.logs(first)["stdout"], session.logs(second)["stdout"]) == ("1\n", "2\n")
    listed = toolbox.get(session.path).json["commands"]
    assert [f"{session.path}/command/{each['id']}" for each in listed] == [first, second]


def test_a_background_child_with_redirected_output_does_not_hold_the_command(session: Session) -> None:
    started = time.monotonic()
    assert session.run("sleep 30 > /dev/null 2>&1 & echo hi")["stdout"] == "hi\n"
    assert time.monotonic() - started < 20  # else it waited for the child


# -- Input ------------------------------------------------------------------------------------------------------------


@pytest.mark.case(40)
def test_a_command_that_is_waited_for_finds_the_end_of_its_input(session: Session) -> None:
    assert session.run("cat; echo done")["stdout"] == "done\n"


@pytest.mark.case(40)
def test_input_is_echoed_before_the_answer_to_it(session: Session, toolbox: Toolbox) -> None:
    for quiet, shown in ((False, "one\ngot one\n"), (True, "got one\n")):
        command = session.start("read a; echo got $a", suppressInputEcho=quiet)
        assert toolbox.post(f"{command}/input", {"data": "one"}).status == 204
        session.wait(command)
        assert session.logs(command)["stdout"] == shown


@pytest.mark.ours("keep input for queued commands")
def test_input_for_a_queued_command_waits_for_it(session: Session, toolbox: Toolbox) -> None:
    session.start("sleep 0.3")
    command = session.start("read a; echo got $a", suppressInputEcho=True)
    assert toolbox.post(f"{command}/input", {"data": "early\n"}).status == 204
    assert session.wait(command) == 0
    assert session.logs(command)["stdout"] == "got early\n"


@pytest.mark.ours("keep input for queued commands")
def test_more_input_than_a_pipe_holds_arrives(session: Session, toolbox: Toolbox) -> None:
    command = session.start("sleep 0.1; head -c 300000 | wc -c", suppressInputEcho=True)
    assert toolbox.post(f"{command}/input", {"data": "x" * 300_000}).status == 204
    assert session.wait(command) == 0
    assert session.logs(command)["stdout"] == "300000\n"


@pytest.mark.case(41)
def test_input_that_cannot_be_given(session: Session, toolbox: Toolbox) -> None:
    command = session.start("true")
    session.wait(command)
    assert toolbox.post(f"{command}/input", {"data": ""}).status == 400
    assert toolbox.post(f"{session.path}/command/nope/input", {"data": "x"}).status == 404
    answer = toolbox.post(f"{command}/input", {"data": "x"})
    assert refuses(answer, 410, "COMMAND_ALREADY_COMPLETED", ours=toolbox.ours)


# -- The end of a shell -----------------------------------------------------------------------------------------------


@pytest.mark.case(42)
@pytest.mark.ours("notice the end of a shell")
@pytest.mark.parametrize(
    ("command", "status"),
    [("echo before; exit 3", 3), ("echo before; exec sh -c 'exit 4'", 4), ("echo before; set -e; false", 1),
     ("echo before; kill -9 $$", 137), ("sleep 60 & echo before; exit 6", 6)],
)  # fmt: skip
def test_a_command_that_ends_the_shell_has_an_exit_code(
    toolbox: Toolbox, session: Session, command: str, status: int
) -> None:
    result = session.run(command)
    assert (result["stdout"], result["exitCode"]) == ("before\n", status)
    answer = session.exec("echo again")
    assert refuses(answer, 410, "SESSION_ENDED", ours=toolbox.ours)


@pytest.mark.case(42)
@pytest.mark.ours("notice the end of a shell")
def test_commands_queued_behind_the_end_of_the_shell_do_not_run(toolbox: Toolbox, session: Session) -> None:
    session.start("sleep 0.2; exit 3")
    queued = session.start("echo never")
    answer = session.exec("echo never")
    assert refuses(answer, 410, "SESSION_ENDED", ours=toolbox.ours)
    assert session.wait(queued) == -1
    assert session.logs(queued)["stdout"] == ""
    assert "ended before" in session.logs(queued)["stderr"]


@pytest.mark.case(43)
@pytest.mark.ours("answer 410 to those who wait")
def test_deleting_fails_what_is_waited_for_and_kills_all_descendants(
    session: Session, toolbox: Toolbox
) -> None:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(session.exec, "setsid sleep 987 & sleep 988 & echo x; sleep 989")
        while not session.toolbox.run("pgrep -f 'sleep 98[7]' || true"):
            pass
        assert toolbox.delete(session.path).status == 204
        answer = waiting.result(30)
    assert refuses(answer, 410, "SESSION_ENDED", ours=toolbox.ours)
    assert toolbox.run("pgrep -f 'sleep 98[789]' || echo none") == "none\n"
    assert "Z" not in toolbox.run("ps -eo stat= || cat /proc/[0-9]*/stat | cut -d' ' -f3").split()
    assert toolbox.run(f"ls ~/.daytona/sessions | grep {session.id} || echo none") == "none\n"


# -- Forms of logs ----------------------------------------------------------------------------------------------------


@pytest.mark.case(36)
@pytest.mark.parametrize(
    ("headers", "kind", "body"),
    [
        ({"X-Daytona-SDK-Version": ""}, "text/plain", b"out\n"),
        ({"X-Daytona-SDK-Version": "", "X-Daytona-Split-Output": "true"}, "text/plain", b"\1\1\1out\n"),
        ({"X-Daytona-SDK-Version": "0.26.9"}, "text/plain", b"out\n"),
        ({"X-Daytona-SDK-Version": "0.27.0"}, "text/plain", b"\1\1\1out\n"),
        ({"X-Daytona-SDK-Version": "0.166.9"}, "text/plain", b"\1\1\1out\n"),
        ({"X-Daytona-SDK-Version": "0.167.0rc1"}, "text/plain", b"\1\1\1out\n"),
        ({"X-Daytona-SDK-Version": "nonsense"}, "text/plain", b"\1\1\1out\n"),
        ({"X-Daytona-SDK-Version": "0.167.0"}, "application/json", None),
        ({"X-Daytona-SDK-Version": "v0.0.0-dev"}, "application/json", None),
    ],
)
def test_what_a_log_looks_like_depends_on_the_client(
    session: Session, toolbox: Toolbox, headers: dict[str, str], kind: str, body: bytes | None
) -> None:
    command = f"{session.path}/command/{session.run('echo out')['cmdId']}"
    answer = toolbox.request("GET", f"{command}/logs", headers=headers)
    assert answer.headers["content-type"].startswith(kind)
    if body is None:
        assert answer.json == {"output": "\1\1\1out\n", "stdout": "out\n", "stderr": ""}
    else:
        assert answer.body == body
    result = session.exec("echo out", headers=headers).json
    assert result["output"] == (body.decode() if body is not None else "\1\1\1out\n")
    assert result["stdout"] == (None if body is not None else "out\n")


def test_an_empty_log(session: Session, toolbox: Toolbox) -> None:
    command = session.start("sleep 0.1")
    assert session.logs(command) == {"output": "", "stdout": "", "stderr": ""}
    assert toolbox.get(f"{session.path}/command/nope/logs").status == 404


@pytest.mark.case(45)
@pytest.mark.ours("follow over HTTP without a runner")
def test_following_over_http_gives_merged_text_to_the_end(session: Session, toolbox: Toolbox) -> None:
    command = session.start("echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three")
    answer = toolbox.get(f"{command}/logs", follow="true")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.body == b"one\ntwo\nthree\n"


# -- The end of a session ---------------------------------------------------------------------------------------------


@pytest.mark.case(43)
def test_a_session_whose_program_will_not_end_is_killed_after_a_while(
    session: Session, toolbox: Toolbox, unique: str
) -> None:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        command = f"bash -c 'trap \"\" TERM HUP; exec -a {unique} sleep 600'; echo never"
        waiting = threads.submit(session.exec, command)
        toolbox.until(f"pgrep -fc '^{unique}'", "1")
        deleting = threads.submit(toolbox.delete, session.path)
        answer = waiting.result(30)
        assert answer.status == 410 or not toolbox.ours
        assert b"never" not in answer.body
        if toolbox.ours:
            toolbox.until(f"ls ~/.daytona/sessions | grep -c {session.id}", "0")
            # The name is free at once, and nobody takes the new session's files away with the old one's.
            again = Session(toolbox, session.id)
            kept = again.start("echo kept")
            assert again.wait(kept) == 0
        assert deleting.result(30).status == 204
    assert toolbox.run(f"pgrep -fc '^{unique}' || true") == "0\n"
    if toolbox.ours:
        assert again.logs(kept)["stdout"] == "kept\n"


@pytest.mark.case(43)
def test_a_session_whose_program_ends_when_asked_is_gone_at_once(session: Session, toolbox: Toolbox) -> None:
    command = session.start("sleep 600")
    with dropping(toolbox.websocket(f"{command}/logs?follow=true")) as log:
        assert toolbox.delete(session.path).status == 204
        assert log.rest() == ([], Closed(1000))


# -- Logs as WebSockets -----------------------------------------------------------------------------------------------


def followed(toolbox: Toolbox, command: str, **options: Any) -> tuple[bytes, Closed]:
    """Return all of a log, and how it ended."""
    with dropping(toolbox.websocket(f"{command}/logs?follow=true", **options)) as log:
        messages, end = log.rest()
    assert all(isinstance(message, bytes) for message in messages)
    return b"".join(message for message in messages if isinstance(message, bytes)), end


@pytest.mark.case(44)
def test_a_follower_gets_every_byte_once_and_the_end(session: Session, toolbox: Toolbox) -> None:
    command = session.start("for i in $(seq 2000); do echo out $i; done; echo err >&2; read last; echo $last")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        early = threads.submit(followed, toolbox, command)
        assert toolbox.post(f"{command}/input", {"data": "é"}).status == 204
        log, end = early.result(60)
    assert end == Closed(1000)
    out, err = demultiplexed(log)
    assert out.decode().splitlines()[-2:] in (["out 2000", "é"], ["é", "é"])
    assert [line for line in out.decode().splitlines() if line != "é"] == [f"out {i}" for i in range(1, 2001)]
    assert err == b"err\n"
    assert session.wait(command) == 0
    assert followed(toolbox, command) == (log, Closed(1000))


def demultiplexed(log: bytes) -> tuple[bytes, bytes]:
    """Return both streams of a log in which every line has its marker, as the real daemon writes it."""
    pieces = log.replace(b"\1\1\1", b"\0\1").replace(b"\2\2\2", b"\0\2").split(b"\0")[1:]
    return tuple(b"".join(piece[1:] for piece in pieces if piece[:1] == mark) for mark in (b"\1", b"\2"))  # type: ignore[return-value]  # two marks


@pytest.mark.case(44)
def test_what_a_follower_sees_depends_on_its_version(session: Session, toolbox: Toolbox) -> None:
    command = f"{session.path}/command/{session.run('echo out')['cmdId']}"
    assert followed(toolbox, command, headers={}) == (b"out\n", Closed(1000))
    with dropping(
        toolbox.websocket(f"{command}/logs?follow=true", "X-Daytona-SDK-Version~0.200.0", headers={})
    ) as log:
        assert log.subprotocol == "X-Daytona-SDK-Version~0.200.0"
        assert log.rest() == ([b"\1\1\1out\n"], Closed(1000))


@pytest.mark.case(44)
def test_a_log_that_nobody_follows_is_sent_as_it_is_now(session: Session, toolbox: Toolbox) -> None:
    command = session.start("echo out; sleep 600")
    while not session.logs(command)["stdout"]:
        pass
    with dropping(toolbox.websocket(f"{command}/logs")) as log:
        messages, end = log.rest()
    assert end == Closed(1000)
    assert b"".join(messages) == b"\1\1\1out\n" or not toolbox.ours  # type: ignore[arg-type]  # the real daemon loses it at times


@pytest.mark.case(44)
def test_an_unknown_log_is_refused_before_it_is_a_websocket(session: Session, toolbox: Toolbox) -> None:
    for path in (f"{session.path}/command/nope/logs", "/process/session/nope/command/nope/logs"):
        with pytest.raises(RefusedError) as caught:
            toolbox.websocket(f"{path}?follow=true")
        assert caught.value.status == 404


def test_pings_are_answered_while_a_log_is_silent(session: Session, toolbox: Toolbox) -> None:
    command = session.start("sleep 600")
    with dropping(toolbox.websocket(f"{command}/logs?follow=true")) as log:
        log.ping()
        log.ping()


# -- The entrypoint ---------------------------------------------------------------------------------------------------


@pytest.mark.case(48)
@pytest.mark.ours("be started with an entrypoint by this test")
def test_the_entrypoint_is_a_session_that_nobody_else_uses(toolbox_with_entrypoint: Toolbox) -> None:
    toolbox, path = toolbox_with_entrypoint, "/process/session/entrypoint"
    session = toolbox.get(path).json
    (command,) = session["commands"]
    assert (session["sessionId"], command["id"]) == ("entrypoint", "entrypoint_command")
    assert command["command"] == "'sh' '-c' 'echo started; echo odd >&2; sleep 3600'"
    assert "exitCode" not in command
    toolbox.until("pgrep -fc 'sleep 360[0]'", "2")  # the shell that the program is written in names it too
    expected = {"stdout": "started\n", "stderr": "odd\n"}
    logs = toolbox.get(f"{path}/logs").json
    assert {name: logs[name] for name in expected} == expected
    assert toolbox.get(f"{path}/command/entrypoint_command/logs").json == logs
    with dropping(toolbox.websocket(f"{path}/logs?follow=true")) as log:
        seen = b""
        while len(seen) < len(logs["output"]):
            message = log.receive()
            assert isinstance(message, bytes)
            seen += message
    assert seen.decode() == logs["output"]
    assert toolbox.get("/process/session").json == []
    assert refuses(toolbox.delete(path), 400)
    assert refuses(toolbox.post(f"{path}/exec", {"command": "true"}), 400)
    assert refuses(toolbox.post(f"{path}/command/entrypoint_command/input", {"data": "x"}), 400)
