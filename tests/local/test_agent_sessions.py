"""Sessions as the agent serves them, asked over plain HTTP: the shapes and the states."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.agent.sessions import until_disconnected
from daytona_plugins.local.web import Request, Response, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tests.local.conftest import Agent, Answer


class Session:
    """One session of the shared agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.id = f"s-{uuid.uuid4().hex[:8]}"
        self.path = f"/process/session/{self.id}"
        assert agent.post("/process/session", {"sessionId": self.id}).status == 201

    def exec(self, command: str, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
        return self.agent.request("POST", f"{self.path}/exec", {"command": command, **fields}, headers)

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
            if "exitCode" in (shown := self.agent.get(command).json):
                return int(shown["exitCode"])
            time.sleep(0.02)  # asks again; the test gives up by itself only after 20 s
        raise AssertionError(f"{command} does not end")

    def logs(self, command: str) -> dict[str, str]:
        return self.agent.get(f"{command}/logs").json


@pytest.fixture
def session(agent: Agent) -> Iterator[Session]:
    made = Session(agent)
    yield made
    agent.delete(made.path)


# -- Sessions ---------------------------------------------------------------------------------------------------------


def test_the_life_of_a_session(agent: Agent, session: Session) -> None:
    assert agent.post("/process/session", {"sessionId": session.id}).status == 409
    assert agent.get(session.path).json == {"sessionId": session.id, "commands": []}
    assert session.id in [each["sessionId"] for each in agent.get("/process/session").json]
    deleted = agent.delete(session.path)
    assert (deleted.status, deleted.body) == (204, b"")
    for answer in (agent.get(session.path), agent.delete(session.path), session.exec("true")):
        assert answer.status == 404
        assert answer.json["message"] == "not found: session not found"
        assert answer.json["code"] == "NOT_FOUND"


@pytest.mark.parametrize("name", ["entrypoint", "", "a/b", "../../x", "..", ".", "a\0b", "a\nb", "x" * 256])
def test_names_that_are_no_plain_names_are_refused(agent: Agent, name: str) -> None:
    assert agent.post("/process/session", {"sessionId": name}).status == 400


def test_a_name_with_blanks_and_quotes_works(agent: Agent) -> None:
    name = 'it\'s my "session" $(date) ü'
    assert agent.post("/process/session", {"sessionId": name}).status == 201
    path = "/process/session/it%27s%20my%20%22session%22%20%24%28date%29%20%C3%BC"
    assert agent.post(f"{path}/exec", {"command": "echo hi"}).json["stdout"] == "hi\n"
    assert agent.delete(path).status == 204


def test_there_is_no_entrypoint(agent: Agent) -> None:
    assert agent.get("/process/session/entrypoint").status == 404
    assert agent.get("/process/session/entrypoint/logs").status == 404
    assert agent.delete("/process/session/entrypoint").status == 400
    assert agent.post("/process/session/entrypoint/exec", {"command": "true"}).status == 400
    assert agent.post("/process/session/entrypoint/command/c/input", {"data": "x"}).status == 400


# -- Commands ---------------------------------------------------------------------------------------------------------


def test_a_command_that_is_waited_for_has_five_keys(session: Session) -> None:
    result = session.run("echo out; echo err >&2; (exit 7)")
    assert set(result) == {"cmdId", "output", "stdout", "stderr", "exitCode"}
    assert (result["stdout"], result["stderr"], result["exitCode"]) == ("out\n", "err\n", 7)
    assert "\1\1\1out\n" in result["output"]
    assert "\2\2\2err\n" in result["output"]


@pytest.mark.parametrize("command", ["", "   ", "\n", None])
def test_a_blank_command_is_refused(session: Session, command: str | None) -> None:
    assert session.exec(command).status == 400  # type: ignore[arg-type]  # that is the point


def test_directory_variables_functions_and_options_stay(session: Session) -> None:
    session.run("cd /tmp; X='a b'; f() { echo \"f:$1\"; }; set -- one two")
    assert session.run('pwd; echo "$X"; f 1; echo $#')["stdout"] == "/tmp\na b\nf:1\n2\n"


def test_heredocs_and_several_lines_work(session: Session) -> None:
    assert session.run("cat <<'END'\n$HOME\nEND\nif true; then\n  echo yes\nfi")["stdout"] == "$HOME\nyes\n"


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


def test_a_last_line_gets_its_line_end(session: Session) -> None:
    assert session.run("printf x; printf y >&2") | {"cmdId": "", "output": ""} == {
        "cmdId": "", "output": "", "stdout": "x\n", "stderr": "y\n", "exitCode": 0
    }  # fmt: skip


def test_output_that_looks_like_a_marker_comes_back_as_it_was(session: Session) -> None:
    assert session.run(r"printf 'x\001\001\001y\002\002\002z\n'")["stdout"] == "x\1\1\1y\2\2\2z\n"


def test_a_user_function_called_echo_does_not_matter(session: Session) -> None:
    session.run("echo() { command printf 'mine: %s\\n' \"$*\"; }")
    assert session.run("echo hi; (exit 3)") | {"cmdId": "", "output": ""} == {
        "cmdId": "", "output": "", "stdout": "mine: hi\n", "stderr": "", "exitCode": 3
    }  # fmt: skip


def test_a_command_that_is_not_waited_for(session: Session, agent: Agent) -> None:
    answer = session.exec("echo begin; read line; echo end; (exit 5)", runAsync=True)
    assert answer.status == 202
    assert {**answer.json, "cmdId": ""} == {
        "cmdId": "", "output": None, "stdout": None, "stderr": None, "exitCode": None
    }  # fmt: skip
    command = f"{session.path}/command/{answer.json['cmdId']}"
    assert "exitCode" not in agent.get(command).json
    while not session.logs(command)["stdout"]:
        pass  # an echo may come before what the command prints
    assert agent.post(f"{command}/input", {"data": "x"}).status == 204
    assert session.wait(command) == 5
    assert session.logs(command)["stdout"] == "begin\nx\nend\n"


def test_commands_run_one_after_another_in_the_order_of_their_list(session: Session, agent: Agent) -> None:
    first = session.start("sleep 0.3; echo $((n += 1))")
    second = session.start("echo $((n += 1))")
    assert session.wait(second) == 0
    assert (session.logs(first)["stdout"], session.logs(second)["stdout"]) == ("1\n", "2\n")
    listed = agent.get(session.path).json["commands"]
    assert [f"{session.path}/command/{each['id']}" for each in listed] == [first, second]


def test_a_background_child_with_redirected_output_does_not_hold_the_command(session: Session) -> None:
    started = time.monotonic()
    assert session.run("sleep 30 > /dev/null 2>&1 & echo hi")["stdout"] == "hi\n"
    assert time.monotonic() - started < 20  # else it waited for the child


# -- Input ------------------------------------------------------------------------------------------------------------


def test_a_command_that_is_waited_for_finds_the_end_of_its_input(session: Session) -> None:
    assert session.run("cat; echo done")["stdout"] == "done\n"


def test_input_is_echoed_before_the_answer_to_it(session: Session, agent: Agent) -> None:
    for quiet, shown in ((False, "one\ngot one\n"), (True, "got one\n")):
        command = session.start("read a; echo got $a", suppressInputEcho=quiet)
        assert agent.post(f"{command}/input", {"data": "one"}).status == 204
        session.wait(command)
        assert session.logs(command)["stdout"] == shown


def test_input_for_a_queued_command_waits_for_it(session: Session, agent: Agent) -> None:
    session.start("sleep 0.3")
    command = session.start("read a; echo got $a", suppressInputEcho=True)
    assert agent.post(f"{command}/input", {"data": "early\n"}).status == 204
    assert session.wait(command) == 0
    assert session.logs(command)["stdout"] == "got early\n"


def test_more_input_than_a_pipe_holds_arrives(session: Session, agent: Agent) -> None:
    command = session.start("sleep 0.1; head -c 300000 | wc -c", suppressInputEcho=True)
    assert agent.post(f"{command}/input", {"data": "x" * 300_000}).status == 204
    assert session.wait(command) == 0
    assert session.logs(command)["stdout"] == "300000\n"


def test_input_that_cannot_be_given(session: Session, agent: Agent) -> None:
    command = session.start("true")
    session.wait(command)
    assert agent.post(f"{command}/input", {"data": ""}).status == 400
    assert agent.post(f"{session.path}/command/nope/input", {"data": "x"}).status == 404
    answer = agent.post(f"{command}/input", {"data": "x"})
    assert (answer.status, answer.json["code"]) == (410, "COMMAND_ALREADY_COMPLETED")
    assert answer.json["message"] == "gone: command has already completed with exit code 0"


# -- The end of a shell -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status"),
    [("echo before; exit 3", 3), ("echo before; exec sh -c 'exit 4'", 4), ("echo before; set -e; false", 1),
     ("echo before; kill -9 $$", 137), ("sleep 60 & echo before; exit 6", 6)],
)  # fmt: skip
def test_a_command_that_ends_the_shell_has_an_exit_code(session: Session, command: str, status: int) -> None:
    result = session.run(command)
    assert (result["stdout"], result["exitCode"]) == ("before\n", status)
    answer = session.exec("echo again")
    assert (answer.status, answer.json["code"]) == (410, "SESSION_ENDED")


def test_commands_queued_behind_the_end_of_the_shell_do_not_run(session: Session) -> None:
    session.start("sleep 0.2; exit 3")
    queued = session.start("echo never")
    answer = session.exec("echo never")
    assert (answer.status, answer.json["code"]) == (410, "SESSION_ENDED")
    assert session.wait(queued) == -1
    assert session.logs(queued)["stdout"] == ""
    assert "ended before" in session.logs(queued)["stderr"]


def test_deleting_fails_what_is_waited_for_and_kills_all_descendants(session: Session, agent: Agent) -> None:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(session.exec, "setsid sleep 987 & sleep 988 & echo x; sleep 989")
        while not session.agent.run("pgrep -f 'sleep 98[7]' || true"):
            pass
        assert agent.delete(session.path).status == 204
        answer = waiting.result(30)
    assert (answer.status, answer.json["code"]) == (410, "SESSION_ENDED")
    assert agent.run("pgrep -f 'sleep 98[789]' || echo none") == "none\n"
    assert "Z" not in agent.run("ps -eo stat= || cat /proc/[0-9]*/stat | cut -d' ' -f3").split()
    assert agent.run(f"ls ~/.daytona/sessions | grep {session.id} || echo none") == "none\n"


# -- Forms of logs ----------------------------------------------------------------------------------------------------


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
    session: Session, agent: Agent, headers: dict[str, str], kind: str, body: bytes | None
) -> None:
    command = f"{session.path}/command/{session.run('echo out')['cmdId']}"
    answer = agent.request("GET", f"{command}/logs", headers=headers)
    assert answer.headers["content-type"].startswith(kind)
    if body is None:
        assert answer.json == {"output": "\1\1\1out\n", "stdout": "out\n", "stderr": ""}
    else:
        assert answer.body == body
    result = session.exec("echo out", headers=headers).json
    assert result["output"] == (body.decode() if body is not None else "\1\1\1out\n")
    assert result["stdout"] == (None if body is not None else "out\n")


def test_an_empty_log(session: Session, agent: Agent) -> None:
    command = session.start("sleep 0.1")
    assert session.logs(command) == {"output": "", "stdout": "", "stderr": ""}
    assert agent.get(f"{session.path}/command/nope/logs").status == 404


def test_following_over_http_gives_merged_text_to_the_end(session: Session, agent: Agent) -> None:
    command = session.start("echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three")
    answer = agent.get(f"{command}/logs", follow="true")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.body == b"one\ntwo\nthree\n"


@pytest.mark.faces("asyncio")
async def test_a_follower_that_goes_is_noticed_while_the_log_is_silent() -> None:
    given_up = asyncio.Event()

    async def silent() -> AsyncGenerator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async def app(request: Request) -> Response:
        return Response(200, [], until_disconnected(request, silent()))

    listener = socket.create_server(("127.0.0.1", 0))
    server = await serve(listener, app)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (await reader.readuntil(b"one")).startswith(b"HTTP/1.1 200")
    assert not given_up.is_set()
    writer.close()
    async with asyncio.timeout(20):
        await given_up.wait()
    await server.close()
