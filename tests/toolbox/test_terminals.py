"""Terminals: 18.5 of the catalogue."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.toolbox.conftest import URL
from tests.toolbox.raw import DROPPED, Closed, RefusedError, WebSocket, dropping, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.answers import Answer
    from tests.toolbox.raw import Toolbox

PTY = "/process/pty"
INFO = {"id", "cwd", "envs", "cols", "rows", "createdAt", "active", "lazyStart"}
CONNECTED = {"type": "control", "status": "connected"}
EXIT_CONTROL = "X-Daytona-Pty-Exit-Control"


class Terminal:
    """One terminal, started with its first client, so that nothing it says is lost."""

    def __init__(self, toolbox: Toolbox, name: str, **options: Any) -> None:
        self.toolbox = toolbox
        self.path = f"{PTY}/{name}"
        answer = toolbox.post(PTY, {"id": name, "lazyStart": True, **options})
        assert (answer.status, answer.json) == (201, {"sessionId": name})

    def connect(self, *offers: str) -> WebSocket:
        socket = self.toolbox.websocket(f"{self.path}/connect", *offers)
        assert socket.receive_json() == CONNECTED
        return socket

    def resize(self, cols: int, rows: int) -> Answer:
        return self.toolbox.post(f"{self.path}/resize", {"cols": cols, "rows": rows})


@pytest.fixture
def terminal(toolbox: Toolbox, unique: str) -> Iterator[Terminal]:
    made = Terminal(toolbox, unique)
    yield made
    toolbox.delete(made.path)


# -- REST -------------------------------------------------------------------------------------------------------------


@pytest.mark.case(49)
def test_the_life_of_a_terminal(toolbox: Toolbox, unique: str) -> None:
    options = {"id": unique, "cwd": "/tmp", "envs": {"A": "1"}, "cols": 100, "rows": 30}
    created = toolbox.post(PTY, options)
    assert (created.status, created.json) == (201, {"sessionId": unique})
    info = toolbox.get(f"{PTY}/{unique}").json
    assert info.keys() == INFO
    assert info.items() >= {"id": unique, "cwd": "/tmp", "cols": 100, "rows": 30, "active": True}.items()
    assert info["envs"] == {"A": "1", "TERM": "xterm-256color"}
    assert info in toolbox.get(PTY).json["sessions"]
    assert refuses(toolbox.post(PTY, options), 409, "CONFLICT", ours=toolbox.ours)
    deleted = toolbox.delete(f"{PTY}/{unique}")
    assert (deleted.status, deleted.json) == (200, {"message": "PTY session deleted"})
    assert refuses(toolbox.delete(f"{PTY}/{unique}"), 404, ours=toolbox.ours)
    assert refuses(toolbox.get(f"{PTY}/{unique}"), 404, ours=toolbox.ours)


@pytest.mark.case(49)
@pytest.mark.parametrize(
    ("options", "status"),
    [({"id": ""}, 400), ({"cols": 1001}, 400), ({"rows": 65536}, 400), ({"cols": -1}, 400), ({"cwd": "/no/such"}, 500)],
)  # fmt: skip
def test_a_terminal_that_cannot_be(
    toolbox: Toolbox, unique: str, options: dict[str, Any], status: int
) -> None:
    assert refuses(toolbox.post(PTY, {"id": unique, **options}), status, ours=toolbox.ours)
    assert toolbox.get(f"{PTY}/{unique}").status == 404


@pytest.mark.ours("refuse what no process can be given")
@pytest.mark.parametrize("options", [{"cwd": "a\0b"}, {"envs": {"A": "\0"}}, {"envs": {"A=B": ""}}])
@pytest.mark.parametrize("lazy", [True, False])
def test_bytes_that_no_process_can_be_given(
    toolbox: Toolbox, unique: str, options: dict[str, Any], lazy: bool
) -> None:
    assert refuses(toolbox.post(PTY, {"id": unique, "lazyStart": lazy, **options}), 400)
    assert toolbox.get(f"{PTY}/{unique}").status == 404


# -- Input, output, size ----------------------------------------------------------------------------------------------


@pytest.mark.case(50)
def test_what_is_typed_is_echoed_and_the_size_is_the_one_asked_for(toolbox: Toolbox, unique: str) -> None:
    terminal = Terminal(toolbox, unique, cols=101, rows=31)
    with dropping(terminal.connect()) as client:
        client.send("stty size\n")
        client.until(rb"stty size\r\n(.|\s)*31 101\r\n")
        resized = terminal.resize(132, 43)
        assert (resized.status, resized.json["cols"], resized.json["rows"]) == (200, 132, 43)
        client.send(b"stty size\n")
        client.until(rb"43 132\r\n")
        assert refuses(terminal.resize(1001, 1), 400, ours=toolbox.ours)
        assert refuses(toolbox.post(f"{terminal.path}/resize", {}), 400, ours=toolbox.ours)
    assert toolbox.delete(terminal.path).status == 200
    assert refuses(terminal.resize(80, 24), 410, ours=toolbox.ours)


@pytest.mark.case(50)
def test_a_connection_that_is_no_websocket_is_refused(terminal: Terminal, toolbox: Toolbox) -> None:
    for path in (f"{terminal.path}/connect", f"{PTY}/create-connect?id=x"):
        answer = toolbox.request("GET", path)
        assert (answer.status, answer.headers["sec-websocket-version"], answer.body) == (
            400,
            "13",
            b"Bad Request",
        )


@pytest.mark.case(55)
def test_a_message_that_is_too_long_ends_its_client_and_not_the_terminal(
    terminal: Terminal, toolbox: Toolbox
) -> None:
    with dropping(terminal.connect()) as client:
        client.send(b"#" * (64 * 1024 + 1))
        assert client.rest()[1].code == 1009
    assert toolbox.get(terminal.path).json["active"]


@pytest.mark.ours("answer pings while the program does not read")
def test_pings_are_answered_while_nobody_reads_what_was_typed(terminal: Terminal, folder: str) -> None:
    terminal.toolbox.run("mkfifo go", cwd=folder)
    with dropping(terminal.connect()) as client:
        client.send(f"stty raw -echo; echo re''ady; read go < {folder}/go; head -c 300000 | wc -c; exit\n")
        client.until(b"ready")
        for _ in range(10):
            client.send(b"x" * 30_000)
        client.ping()
        terminal.toolbox.run(f"echo > {folder}/go")
        client.until(b"300000")
        assert client.rest()[1].code == 1000


def test_pings_are_answered_while_the_terminal_is_silent(terminal: Terminal) -> None:
    with dropping(terminal.connect()) as client:
        client.send("stty -echo; echo re''ady; cat > /dev/null\n")
        client.until(b"ready")
        client.ping()


# -- The end ----------------------------------------------------------------------------------------------------------


@pytest.mark.case(51)
@pytest.mark.parametrize(
    ("typed", "code", "end"),
    [
        ("exit 0", 1000, {"exitCode": 0}),
        ("exit 7", 1011, {"exitCode": 7, "exitReason": "non-zero exit"}),
        ("exit 130", 1011, {"exitCode": 130, "exitReason": "Ctrl+C"}),
        ("exit 143", 1011, {"exitCode": 143, "exitReason": "SIGTERM"}),
        ("exit 200", 1011, {"exitCode": 200, "exitReason": "signal 72"}),
        ("kill -9 $$", 1011, {"exitCode": -1, "exitReason": "non-zero exit"}),
    ],
)
def test_the_close_frame_says_how_the_program_ended(
    terminal: Terminal, toolbox: Toolbox, typed: str, code: int, end: dict[str, Any]
) -> None:
    with dropping(terminal.connect()) as client:
        client.send(f"{typed}\n")
        closed = client.rest()[1]
    assert (closed.code, closed.json) == (code, end)
    with dropping(toolbox.websocket(f"{terminal.path}/connect")) as late:
        error = late.receive_json()
        assert (error["type"], error["status"]) == ("control", "error")
        assert error["error"].startswith("Failed to connect to PTY session: ")
        assert late.receive() == DROPPED
    assert toolbox.get(terminal.path).status == 404


@pytest.mark.case(51, 52)
def test_a_terminal_that_is_deleted_ends_all_it_started(
    terminal: Terminal, toolbox: Toolbox, unique: str
) -> None:
    with dropping(terminal.connect()) as client:
        client.send(f"(exec -a {unique} sleep 600) & disown; echo re''ady\n")
        client.until(b"ready")
        assert toolbox.delete(terminal.path).status == 200
        closed = client.rest()[1]
    assert (closed.code, closed.json) == (1011, {"exitCode": 137, "exitReason": "SIGKILL"})
    toolbox.until(f"pgrep -fc '^{unique}'", "0")
    toolbox.until("ps -A -o stat= | grep -c Z", "0")


# -- Several clients --------------------------------------------------------------------------------------------------


@pytest.mark.case(53)
def test_a_terminal_outlives_its_clients_who_all_see_its_output(terminal: Terminal) -> None:
    with dropping(terminal.connect()) as first, dropping(terminal.connect()) as second:
        first.send("echo o''ne\n")
        first.until(b"one")
        second.until(b"one")
        first.close()
        second.send("echo tw''o\n")
        second.until(b"two")
    with dropping(terminal.connect()) as third:
        third.send("echo thr''ee; exit\n")
        third.until(b"three")
        assert third.rest()[1] == Closed(1000, '{"exitCode":0}')


COUNT = 1_000_000 if URL else 400_000
"""More lines than the buffers on the way to a client hold; a proxy has more of them."""
FLOOD = f"stty -echo; clear; seq 1 {COUNT}; echo do''ne\n"
NUMBERS = [b"%d" % number for number in range(1, COUNT + 1)]


def numbers_in(output: bytes) -> list[bytes]:
    return output[output.index(b"1\r\n2\r\n") :].split()[: len(NUMBERS)]


@pytest.mark.ours("wait for the only client as long as it takes")
def test_nothing_is_lost_while_the_only_client_does_not_read(terminal: Terminal, toolbox: Toolbox) -> None:
    with dropping(terminal.connect()) as client:
        client.send(FLOOD)
        # More than every buffer on the way can hold: the program stands still, longer than a slow client among others
        # would be waited for, and other calls are answered meanwhile.
        toolbox.until("pgrep -x seq > /dev/null; echo $?", "0")
        toolbox.run("sleep 3")
        assert toolbox.run("pgrep -x seq > /dev/null; echo $?") == "0\n"
        assert numbers_in(client.until(b"done")) == NUMBERS


def test_a_client_who_comes_does_not_wait_for_ever_for_one_who_does_not_read(terminal: Terminal) -> None:
    with dropping(terminal.connect()) as slow, dropping(terminal.connect()) as quick:
        quick.send(FLOOD)
        assert numbers_in(quick.until(b"done")) == NUMBERS
        assert slow.rest()[1] == Closed(1008, "slow consumer")


def test_a_client_who_leaves_holds_nobody_up(terminal: Terminal, toolbox: Toolbox) -> None:
    with dropping(terminal.connect()) as client:
        client.send(FLOOD)
        toolbox.until("pgrep -x seq > /dev/null; echo $?", "0")
    toolbox.until("pgrep -x seq > /dev/null; echo $?", "1")
    with dropping(terminal.connect()) as client:
        client.send("echo st''ill here; exit\n")
        client.until(b"still here")
        assert client.rest()[1] == Closed(1000, '{"exitCode":0}')


# -- Lazy terminals, and those made on connecting ---------------------------------------------------------------------


@pytest.mark.case(54)
def test_a_lazy_terminal_starts_with_its_first_client(toolbox: Toolbox, unique: str) -> None:
    terminal = Terminal(toolbox, unique, cwd="/tmp", envs={"A": "lazy"}, cols=99, rows=33)
    assert not toolbox.get(terminal.path).json["active"]
    assert refuses(terminal.resize(80, 24), 500, ours=toolbox.ours)
    with dropping(terminal.connect()) as client:
        client.send('echo "$A:$PWD:$TERM"; stty size; exit\n')
        client.until(rb"lazy:/tmp:xterm-256color\r\n33 99\r\n")
        assert client.rest()[1].code == 1000


@pytest.mark.case(54)
def test_a_lazy_terminal_that_cannot_start_says_so(toolbox: Toolbox, unique: str) -> None:
    terminal = Terminal(toolbox, unique, cwd="/no/such")
    with dropping(toolbox.websocket(f"{terminal.path}/connect")) as client:
        assert client.receive_json()["status"] == "error"
        assert client.receive() == DROPPED
    toolbox.delete(terminal.path)


def create_connect(toolbox: Toolbox, *offers: str, **query: str) -> WebSocket:
    return toolbox.websocket(f"{PTY}/create-connect?{urlencode(query)}", *offers)


@pytest.mark.case(56)
@pytest.mark.ours("know create-connect")
def test_a_terminal_is_made_by_connecting_to_it(toolbox: Toolbox, unique: str) -> None:
    envs = base64.urlsafe_b64encode(json.dumps({"A": "é?>"}).encode()).decode().rstrip("=")
    offers = (f"X-Daytona-Pty-Envs~{envs}", EXIT_CONTROL)
    with dropping(create_connect(toolbox, *offers, id=unique, cols="90", rows="20", cwd="/tmp")) as client:
        assert client.subprotocol in offers
        assert client.receive_json() == CONNECTED
        with pytest.raises(RefusedError) as caught:
            create_connect(toolbox, id=unique)
        assert caught.value.status == 409
        client.send('echo "$A:$PWD"; stty size; exit 3\n')
        client.until("é\\?>:/tmp\r\n20 90\r\n".encode())
        messages, closed = client.rest()
    end = {"exitCode": 3, "exitReason": "non-zero exit"}
    (control,) = [json.loads(message) for message in messages if isinstance(message, str)]
    assert control == {"type": "control", "status": "exited", **end}
    assert (closed.code, closed.json) == (1011, end)


@pytest.mark.case(56)
@pytest.mark.ours("know create-connect")
@pytest.mark.parametrize(
    ("query", "offers"),
    [
        ({}, ()),
        ({"cols": "1001"}, ()),
        ({"cols": "x"}, ()),
        ({"cols": "9" * 5000}, ()),
        ({"cwd": "\0"}, ()),
        ({}, ("X-Daytona-Pty-Envs~!",)),
        ({}, ("X-Daytona-Pty-Envs~W10",)),
    ],
)
def test_what_cannot_be_made_is_refused_before_it_is_a_websocket(
    toolbox: Toolbox, unique: str, query: dict[str, str], offers: tuple[str, ...]
) -> None:
    named = {"id": unique} if query or offers else {}
    with pytest.raises(RefusedError) as caught:
        create_connect(toolbox, *offers, **named, **query)
    assert caught.value.status == 400
    assert toolbox.get(f"{PTY}/{unique}").status == 404
