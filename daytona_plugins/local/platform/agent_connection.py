"""HTTP to a sandbox's agent over its Unix socket, and a place where idle connections wait for the next request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

READ_SIZE = 256 * 1024

# Well below the time after which an agent hangs up on an idle connection, so the two never cross.
_FRESH = 30.0
_KEPT = 8


class AgentGoneError(Exception):
    """The agent could not be reached, or hung up in the middle of an answer."""


class AgentConnection:
    """One connection; `send_head` to the end of `receive_body` is one exchange."""

    def __init__(self, socket_path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.socket_path = socket_path
        self.idle_since = 0.0
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.CLIENT)

    async def send_head(self, method: str, target: str, headers: Iterable[tuple[str, str]]) -> None:
        """Send the first part of a request."""
        lines = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
        await self._send(h11.Request(method=method, target=target.encode("latin-1"), headers=lines))

    async def send_body(self, data: bytes) -> None:
        """Send a piece of the body, waiting while the agent is slow."""
        await self._send(h11.Data(data=data))

    async def end_request(self) -> None:
        """Say that the request is complete."""
        await self._send(h11.EndOfMessage())

    async def receive_head(self) -> tuple[int, list[tuple[str, str]]]:
        """Return status and headers of the answer; 101 means that bytes may follow in both directions."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == 101
            ):
                return event.status_code, [
                    (name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers
                ]

    async def receive_body(self) -> bytes:
        """Return the next piece of the answer, or nothing at its end."""
        while self._h11.their_state is h11.SEND_BODY:
            event = await self._next_event()
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
        return b""

    async def send_raw(self, data: bytes) -> None:
        """Send bytes after an upgrade."""
        self._writer.write(data)
        await self._writer.drain()

    async def receive_raw(self) -> bytes:
        """Return bytes after an upgrade, or nothing at the end."""
        early, _ = self._h11.trailing_data
        if early:
            self._h11 = h11.Connection(h11.CLIENT)
            return early
        return await self._reader.read(READ_SIZE)

    def renew(self) -> bool:
        """Make ready for another exchange, if that is possible on this connection."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return not self._reader.at_eof()

    @property
    def is_open(self) -> bool:
        """Whether the agent has not hung up."""
        return not self._reader.at_eof()

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._writer.close()

    async def _send(self, event: h11.Event) -> None:
        try:
            self._writer.write(self._h11.send(event) or b"")
            await self._writer.drain()
        except ConnectionError as error:
            raise AgentGoneError(str(error)) from error

    async def _next_event(self) -> h11.Event:
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                self._h11.receive_data(await self._reader.read(READ_SIZE))
        except (ConnectionError, h11.RemoteProtocolError) as error:
            raise AgentGoneError(str(error)) from error
        if not isinstance(event, h11.Event) or isinstance(event, h11.ConnectionClosed):
            raise AgentGoneError("the agent hung up")
        return event


class AgentPool:
    """Connections to the agents of all sandboxes that wait for their next request."""

    def __init__(self) -> None:
        self._idle: dict[Path, list[AgentConnection]] = {}

    async def connect(self, socket_path: Path) -> AgentConnection:
        """Return a connection to the agent behind *socket_path*.

        Raises:
            AgentGoneError: Nobody listens there.
        """
        return self._take(socket_path) or await self._open(socket_path)

    def put_back(self, connection: AgentConnection) -> None:
        """Keep a connection whose exchange is over, or close it when it cannot be used again."""
        waiting = self._idle.setdefault(connection.socket_path, [])
        if len(waiting) < _KEPT and connection.renew():
            connection.idle_since = asyncio.get_running_loop().time()
            waiting.append(connection)
        else:
            connection.close()

    def forget(self, socket_path: Path) -> None:
        """Close what waits for an agent that is going away."""
        for connection in self._idle.pop(socket_path, []):
            connection.close()

    def close(self) -> None:
        """Close everything that waits."""
        for socket_path in list(self._idle):
            self.forget(socket_path)

    def _take(self, socket_path: Path) -> AgentConnection | None:
        waiting = self._idle.get(socket_path, [])
        oldest = asyncio.get_running_loop().time() - _FRESH
        while waiting:
            connection = waiting.pop()
            if connection.is_open and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    async def _open(self, socket_path: Path) -> AgentConnection:
        try:
            reader, writer = await asyncio.open_unix_connection(str(socket_path), limit=READ_SIZE)
        except OSError as error:
            raise AgentGoneError(f"{socket_path}: {error}") from error
        return AgentConnection(socket_path, reader, writer)
