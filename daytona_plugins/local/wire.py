"""The bytes of one connection, without what asyncio's streams do beside: a request is read in one wake-up.

wire = Wire()                                   # the protocol of a transport
data = await wire.read()                        # nothing at the end
wire.write(b"...")
await wire.drain()
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

READ_SIZE: Final = 256 * 1024
"""What may wait to be read before the peer has to wait; so much is received at once where much comes."""
SMALL: Final = 16 * 1024
"""So much is received at once before that is known."""


class Wire(asyncio.BufferedProtocol):
    """One connection; one task at a time reads, any number may write. *connected* is called when it is there."""

    def __init__(self, connected: Callable[[Wire], None] | None = None) -> None:
        self._connected = connected
        self._loop = asyncio.get_running_loop()
        # To receive into room that is there already takes no call to the kernel for memory, at each request.
        self._room = memoryview(bytearray(SMALL))
        self._received: list[bytes] = []
        self._size = 0
        self._arrival = _Bell(self._loop)
        self._vacancy = _Bell(self._loop)
        self._full = self._held = self._ended = self._lost = False
        self._failure: Exception | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    # -- What asyncio calls -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        if self._connected is not None:
            self._connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what arrives."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Keep what has arrived for who reads next."""
        self._received.append(bytes(self._room[:nbytes]))
        self._size += nbytes
        if nbytes == SMALL == len(self._room):
            self._room = memoryview(bytearray(READ_SIZE))
        if self._size > READ_SIZE and not self._held:
            self._held = True
            self._transport.pause_reading()
        self._arrival.ring()

    def eof_received(self) -> bool:
        """Note the end; the other direction stays open."""
        self._ended = True
        self._arrival.ring()
        return True

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._full = True

    def resume_writing(self) -> None:
        """Let them go on."""
        self._full = False
        self._vacancy.ring()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait any more."""
        self._ended = self._lost = True
        self._failure = exc
        if self._timer is not None:
            self._timer.cancel()
        self._arrival.ring()
        self._vacancy.ring()

    # -- What its owner calls -----------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """Return what has arrived, or nothing at the end.

        Raises:
            ConnectionError: The connection broke.
        """
        while not self._received:
            if self._failure is not None:
                raise ConnectionResetError("the connection was lost") from self._failure
            if self._ended:
                return b""
            await self._arrival.wait()
        data = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        self._received.clear()
        self._size = 0
        if self._held:
            self._held = False
            if not self._lost:
                self._transport.resume_reading()
        return data

    def write(self, *pieces: bytes) -> None:
        """Send, or keep for sending: `drain` waits while too much is kept. To a peer that is gone nothing is sent."""
        if (
            not self._lost
        ):  # not `writelines`, which in some versions of Python never says that the peer is slow
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    async def drain(self) -> None:
        """Return when the peer has taken enough.

        Raises:
            ConnectionError: It has gone.
        """
        while self._full and not self._lost:
            await self._vacancy.wait()
        if self._lost:
            raise ConnectionResetError("the connection was lost") from self._failure

    def write_eof(self) -> None:
        """Say that nothing more will be sent; the peer may go on sending."""
        if not self._lost:
            self._transport.write_eof()

    def close(self) -> None:
        """Hang up when all has been sent; may be called twice."""
        self._transport.close()

    @property
    def is_quiet(self) -> bool:
        """Whether the connection is open in both directions, and nothing has arrived that nobody has read."""
        return not (self._ended or self._received or self._transport.is_closing())

    def limit(self, seconds: float | None) -> None:
        """Break the connection in so many seconds, unless another limit is set by then; None takes it away."""
        self._deadline = None if seconds is None else self._loop.time() + seconds
        if self._deadline is not None and (self._timer is None or self._deadline < self._timer.when()):
            self._look_at(self._deadline)

    def _look_at(self, moment: float) -> None:
        """To set a timer anew for each request would cost more than to look, now and then, whether it is time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._deadline > self._loop.time():
            self._look_at(self._deadline)
        else:
            self._transport.abort()


class _Bell:
    """Some wait for it, and others ring it; whoever waits looks for himself at what has happened."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        waiting = self._loop.create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        finally:
            self._waiting.remove(waiting)

    def ring(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
