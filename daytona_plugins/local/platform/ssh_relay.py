"""One channel of an SSH connection, and the connection to the agent that serves it.

asyncssh calls, the agent's side is awaited: what the client sends is queued, and its channel is paused while the agent has
not taken it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from daytona_plugins.local.forwarding import PeerGoneError
from daytona_plugins.local.frames import CREDIT, UPGRADE
from daytona_plugins.local.platform.agent_connection import AgentConnection, AgentPool
from daytona_plugins.local.tasks import beside

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


class Host(Protocol):
    """A sandbox that somebody has logged in to."""

    @property
    def socket_path(self) -> Path:
        """Where its agent listens.

        Raises:
            PeerGoneError: It is not running; the text says so to whoever logs in.
        """
        ...

    def used(self) -> AbstractContextManager[None]:
        """Keep it in use for as long as the block runs."""
        ...


class Channel(Protocol):
    """A channel of asyncssh, as far as it is used here."""

    def write(self, data: bytes, datatype: int | None = None) -> None:
        """Queue bytes for the client."""
        ...

    def pause_reading(self) -> None:
        """Call `data_received` no more."""
        ...

    def resume_reading(self) -> None:
        """Call it again."""
        ...


async def open_channel(host: Host, path: str) -> AgentConnection:
    """Return a connection on which the agent serves a channel.

    Raises:
        PeerGoneError: The sandbox is not running, or its agent refuses.
    """
    connection = await AgentPool().connect(host.socket_path)
    try:
        await connection.send_head("GET", f"/channel/{path}", [("Host", "agent"), *UPGRADE])
        await connection.end_request()
        status, _headers = await connection.receive_head()
        if status != 101:
            raise PeerGoneError(f"the agent of the sandbox answered {status}")
    except BaseException:
        connection.close()
        raise
    return connection


class Relay:
    """Both directions of a channel, and what holds each of them back while its other end is slow."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._untaken = 0
        self._writable = asyncio.Event()
        self._writable.set()

    def put(self, data: bytes, *, credit: int = 0) -> None:
        """Queue *data* for the agent; *credit* bytes of it have to be taken before much more may come."""
        self._queue.put_nowait(data)
        self._untaken += credit
        if self._untaken >= CREDIT:
            self._channel.pause_reading()

    def taken(self, size: int) -> None:
        """Note that the agent has taken some bytes."""
        before, self._untaken = self._untaken, self._untaken - size
        if before >= CREDIT > self._untaken:
            self._channel.resume_reading()

    async def next(self) -> bytes:
        """Return what is to be sent to the agent next."""
        return await self._queue.get()

    def hold(self) -> None:
        """Note that the client is slow to read."""
        self._writable.clear()

    def go_on(self) -> None:
        """Note that it reads again."""
        self._writable.set()

    async def write(self, data: bytes, datatype: int | None = None) -> None:
        """Give *data* to the client, waiting while it is slow."""
        self._channel.write(data, datatype)
        await self._writable.wait()

    async def pass_bytes(self, connection: AgentConnection) -> None:
        """Pass bytes as they are, until the agent has no more."""
        async with beside(self._send_bytes(connection)):
            while data := await connection.receive_raw():
                await self.write(data)

    async def _send_bytes(self, connection: AgentConnection) -> None:
        with contextlib.suppress(ConnectionError):  # the other direction notices as well
            while data := await self.next():
                await connection.send_raw(data)
                self.taken(len(data))
            connection.end_raw()
