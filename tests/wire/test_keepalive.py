"""A server that hangs up on clients who do not answer its pings: whoever reads answers, and who comes back later misses nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong

from daytona import DaytonaConfig
from tests.conftest import open_client
from tests.wire.canned_websocket import Canned
from tests.wire.raw_server import Peer, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

PIECES = [b"\1\1\1one\n", b"two\n", b"three\n"]


class Pinging(Canned):
    """Sends a log piece by piece, and a ping after each piece; who does not answer it in time is hung up on."""

    def __init__(self, pieces: list[bytes], patience: float) -> None:
        running = ("200 OK", b'{"id": "c", "command": "x"}')
        super().__init__([], {"GET /process/session/s/command/c": running})
        self.hung_up = 0
        self._pieces = pieces
        self._patience = patience

    def _play(self, peer: Peer) -> None:
        machine = Connection(ConnectionType.SERVER)
        peer._connection.settimeout(self._patience)
        for piece in self._pieces:
            peer.send(machine.send(BytesMessage(data=piece)) + machine.send(Ping(payload=b"?")))
            if not _answered(peer, machine):
                self.hung_up += 1
                return
        peer.send(machine.send(CloseConnection(code=1000)))


def _answered(peer: Peer, machine: Connection) -> bool:
    while True:
        if any(isinstance(event, Pong) for event in machine.events()):
            return True
        try:
            machine.receive_data(peer._connection.recv(4096))
        except TimeoutError:
            return False


async def _follow(face: str, server: Pinging, pause: Callable[[], None]) -> bytes:
    """Return a whole log, read with a *pause* after its first piece."""
    with RawServer(server) as raw:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=raw.url)) as daytona:
            seen = b""
            sandbox: Any = await daytona.get("sb-1")
            async for event in sandbox.process.stream_session_command_logs("s", "c"):
                if not seen:
                    pause()
                seen += event.data
    return seen


async def test_a_reader_answers_pings(face: str) -> None:
    server = Pinging(PIECES, patience=20)
    assert await _follow(face, server, lambda: None) == b"one\ntwo\nthree\n"
    assert server.hung_up == 0


async def test_a_program_that_was_busy_misses_nothing(face: str) -> None:
    server = Pinging(PIECES, patience=0.2)  # the program is busy for longer than that
    assert await _follow(face, server, lambda: time.sleep(0.5)) == b"one\ntwo\nthree\n"
    assert server.hung_up == 1
