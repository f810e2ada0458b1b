"""The asyncio driver: sockets straight on the loop.

A connection registers its socket with the loop once and reads eagerly, and the callback that has read goes on with the task
that waits: an exchange costs the loop one turn. asyncio's own transports do the same and more; what they add here is a second object per connection that
cannot be closed once its loop is, which is just when a client that outlives its loop has to let go of it.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from ._deadline import now, without_deadline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from contextvars import Context

    from ..protocols.pool import Origin

__all__ = ["AsyncioDriver", "LoopStream"]

T = TypeVar("T")

_Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_Found: TypeAlias = tuple[int, int, int, str, _Address]
"""What `getaddrinfo` returns: family, kind, protocol, canonical name, address."""

READ_SIZE: Final = 64 * 1024
"""How much is read at once, until a read is full: then as much as the reader asks for."""
READS_A_TURN: Final = 4
"""How many full reads may follow each other before the loop gets a turn."""
HIGH_WATER: Final = 1024 * 1024
"""Bytes that are read ahead before the loop stops asking: from here on the peer has to wait."""


class _Waiter(asyncio.Future[None]):
    """A future that one task awaits, and that can go on with it at once.

    asyncio lets the task go on in the next turn of the loop, and a turn takes as long as all else in an exchange.
    """

    __slots__ = ("_task",)

    def add_done_callback(self, act: Callable[[Any], object], *, context: Context | None = None) -> None:
        """Note how the task goes on."""
        assert context is not None, "only a task awaits this"
        self._task = act, context
        super().add_done_callback(act, context=context)

    def go_on(self) -> None:
        """Resolve it, and let its task go on now: in a callback of the loop, where no other task is running."""
        if not self.done():
            act, context = self._task
            self.remove_done_callback(act)
            self.set_result(None)
            context.run(act, self)


class LoopStream:
    """A connected socket, watched by the running loop."""

    __slots__ = (
        "_ahead",
        "_alarm",
        "_alarm_at",
        "_closed",
        "_ended",
        "_error",
        "_expiry",
        "_in_a_row",
        "_loop",
        "_patience",
        "_pieces",
        "_poll",
        "_reading",
        "_size",
        "_socket",
        "_taker",
        "_waiter",
        "_wanted",
        "_writer",
    )

    def __init__(self, connected: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = connected
        self._loop = loop
        self._pieces: deque[bytes] = deque()
        self._ahead = 0
        self._size = self._wanted = READ_SIZE
        self._in_a_row = 0
        self._waiter: _Waiter | None = None
        self._taker: tuple[Callable[[bytes], bool], Context] | None = None
        self._patience: float | None = None
        self._writer: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = self._expiry = inf
        self._ended = False
        self._closed = False
        self._error: OSError | None = None
        self._reading = True
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)
        loop.add_reader(connected, self._on_readable)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least one byte; `b""` when the peer has closed."""
        self._wanted = max(max_bytes, READ_SIZE)
        if self._size > READ_SIZE and not self._pieces and self._may_go_on():
            self._in_a_row += 1
            self._receive()
        if not self._pieces and not self._ended:
            self._in_a_row = 0
            await self._arrival(timeout)
        if self._pieces:
            return self._take(max_bytes)
        if self._error is not None:
            raise self._error
        return b""

    async def pour(self, take: Callable[[bytes], bool], timeout: float | None = None) -> None:
        """Call *take* with what arrives, and with `b""` when the peer has closed, until it returns False.

        That is done in the callback that has read it, in the context of the caller, but in none of its tasks: to go on
        with a task takes as long as to take in a keystroke. It must not raise.

        Raises:
            TimeoutError: Nothing has arrived for *timeout* seconds.
        """
        taker = take, copy_context()
        while True:
            while self._pieces:
                if not take(self._take(HIGH_WATER)):
                    return
            if self._error is not None:
                raise self._error
            if self._ended:
                take(b"")
                return
            self._taker, self._patience = taker, timeout
            try:
                await self._arrival(timeout)
                if not self._is_pouring():
                    return
            finally:
                self._taker = None

    def _is_pouring(self) -> bool:
        """Return whether who takes wants more."""
        return self._taker is not None

    def _may_go_on(self) -> bool:
        """Return whether to read on after a full read, rather than to give the loop its turn."""
        return self._in_a_row < READS_A_TURN and not self._ended

    def _take(self, max_bytes: int) -> bytes:
        data = self._pieces.popleft()
        if len(data) > max_bytes:
            self._pieces.appendleft(data[max_bytes:])
            data = data[:max_bytes]
        self._ahead -= len(data)
        if not self._reading and not self._ended and self._ahead < HIGH_WATER:
            self._reading = True
            self._loop.add_reader(self._socket, self._on_readable)
        return data

    def _on_readable(self) -> None:
        enough = self._receive() if self._taker is None else self._pour_out(*self._taker)
        if self._waiter is not None and (enough or self._ended):
            self._waiter.go_on()

    def _pour_out(self, take: Callable[[bytes], bool], context: Context) -> bool:
        """Hand over what has arrived, none of which is kept; return whether who takes has had enough."""
        if not (data := self._from_socket()):
            return False
        if not context.run(take, data):
            self._taker = None
            return True
        if self._patience is not None:
            self._expiry = now() + self._patience
        return False

    def _receive(self) -> bool:
        """Keep what has arrived; return whether there is anything."""
        if data := self._from_socket():
            self._pieces.append(data)
            self._ahead += len(data)
            if self._ahead >= HIGH_WATER:
                self._stop_reading()
        return bool(self._pieces)

    def _from_socket(self) -> bytes:
        """Return what has arrived; nothing when there is nothing yet, or never will be."""
        try:
            data = self._socket.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            self._error, data = error, b""
        if data:
            self._size = self._wanted if len(data) >= READ_SIZE else READ_SIZE
        else:
            self._ended = True
            self._stop_reading()
        return data

    def _stop_reading(self) -> None:
        self._reading = False
        self._loop.remove_reader(self._socket)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        sent = self.try_write(buffer)
        if sent == len(buffer):
            return
        view = memoryview(buffer)[sent:]
        async with asyncio.timeout(timeout):
            while view:
                await self._writable()
                view = view[self.try_write(view) :]

    def try_write(self, buffer: bytes | memoryview) -> int:
        """Send what fits into the socket's own buffer; return how many bytes that was."""
        if self._closed:
            raise OSError("the connection is closed")
        try:
            return self._socket.send(buffer)
        except (BlockingIOError, InterruptedError):
            return 0

    async def _writable(self) -> None:
        # Not loop.sock_sendall: a socket that is closed under it is never writable, and nobody would wake it.
        writer = self._writer = self._loop.create_future()
        self._loop.add_writer(self._socket, _resolve, writer)
        try:
            await writer
        finally:
            self._writer = None
            if not self._closed:
                self._loop.remove_writer(self._socket)

    def _arrival(self, timeout: float | None) -> _Waiter:
        """Return what is resolved when something arrives, or has not for so long."""
        self._expiry = inf if timeout is None else now() + timeout
        if self._expiry < self._alarm_at:
            self._set_alarm()
        self._waiter = _Waiter(loop=self._loop)
        return self._waiter

    def _set_alarm(self) -> None:
        """Be called when the wait has taken too long.

        Hardly any wait does, so an alarm stays when the wait is over, for the next one: setting it anew for each takes
        longer than to find out now and then that it came too early.
        """
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = self._expiry
        self._alarm = self._loop.call_later(self._expiry - now(), self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm, self._alarm_at = None, inf
        if self._waiter is None or self._waiter.done():
            return
        if now() >= self._expiry:
            self._waiter.set_exception(TimeoutError("no answer in time"))
        elif self._expiry < inf:
            self._set_alarm()

    def is_stale(self) -> bool:
        """Return whether anything has arrived: an idle server has nothing to say but goodbye."""
        # The loop may not have come round to looking.
        return self._ended or self._closed or bool(self._pieces) or bool(self._poll.poll(0))

    def close(self) -> None:
        """Close at once, also when the loop is closed already; from another thread as soon as the loop gets to it."""
        if not self._closed:
            _in_loop(self._loop, self._close)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = self._ended = True
        if not self._loop.is_closed():
            self._leave_loop()
        self._socket.close()

    def _leave_loop(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._socket)
        if self._writer is not None:
            self._loop.remove_writer(self._socket)
        if self._alarm is not None:
            self._alarm.cancel()
        _resolve(self._waiter)
        _resolve(self._writer)


def _in_loop(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Do *act*: now, or in the loop's thread if that is another one."""
    if loop.is_running() and not _is_here(loop):
        with suppress(RuntimeError):  # it was closed just now
            loop.call_soon_threadsafe(act)
            return
    act()


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _resolve(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


class _LoopGate:
    """A future that is resolved once."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def open(self) -> None:
        """Let the waiter through."""
        _in_loop(self._future.get_loop(), partial(_resolve, self._future))

    async def wait(self, timeout: float | None) -> None:
        """Wait until the gate is open, or raise `TimeoutError`."""
        async with asyncio.timeout(timeout):
            await self._future


class _LoopTask:
    """A task of the running loop."""

    def __init__(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = asyncio.get_running_loop().create_task(act(), context=without_deadline())

    async def wait(self, timeout: float | None = None) -> bool:
        """Return whether it has ended, waiting up to *timeout* seconds for it."""
        if not self._task.done():
            await asyncio.wait({self._task}, timeout=timeout)
        return self._task.done()

    async def stop(self) -> None:
        """Cancel it and wait until it has ended; from within it this does nothing."""
        # A task of a loop that has ended is over, whatever it says.
        loop = asyncio.get_running_loop()
        if (
            self._task.get_loop() is loop
            and not self._task.done()
            and self._task is not asyncio.current_task()
        ):
            self._task.cancel()
            await asyncio.wait({self._task})


class AsyncioDriver:
    """asyncio, uvloop, and whatever else offers `add_reader`."""

    def world(self) -> object:
        """Return the running loop: connections belong to it."""
        return asyncio.get_running_loop()

    def is_over(self, world: object) -> bool:
        """Return whether that loop has been closed."""
        return isinstance(world, asyncio.AbstractEventLoop) and world.is_closed()

    async def connect(self, origin: Origin, timeout: float | None) -> LoopStream:
        """Return a plain connection to the first address of the host that takes one.

        An address that does not answer may use an even share of the time that is left for those not tried yet.
        """
        loop = asyncio.get_running_loop()
        expiry = None if timeout is None else now() + timeout
        async with asyncio.timeout(timeout):
            found = await _addresses(loop, origin)
        failure: OSError = OSError(f"{origin.host} has no address")
        for index, (family, kind, protocol, _, address) in enumerate(found):
            share = None if expiry is None else max(0.0, expiry - now()) / (len(found) - index)
            try:
                return LoopStream(await _connected(loop, family, kind, protocol, address, share), loop)
            except OSError as error:
                failure = error
        raise failure

    def gate(self) -> _LoopGate:
        """Return a closed gate."""
        return _LoopGate()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, from a worker thread."""
        from anyio.to_thread import run_sync  # most programs need no thread

        return await run_sync(function)

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done also when the task around it has been cancelled."""
        from anyio import CancelScope  # nor clean up under cancellation

        with CancelScope(shield=True):
            await act()

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> _LoopTask:
        """Do *act* in a task of its own."""
        return _LoopTask(act)


async def _addresses(loop: asyncio.AbstractEventLoop, origin: Origin) -> Sequence[_Found]:
    """Return where *origin* may be; only a name is looked up, because that takes a thread."""
    try:
        return socket.getaddrinfo(
            origin.name, origin.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror:
        return await loop.getaddrinfo(origin.name, origin.port, type=socket.SOCK_STREAM)


async def _connected(
    loop: asyncio.AbstractEventLoop,
    family: int,
    kind: int,
    protocol: int,
    address: _Address,
    timeout: float | None,
) -> socket.socket:
    fresh = socket.socket(family, kind, protocol)
    try:
        fresh.setblocking(False)
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(timeout):
            await loop.sock_connect(fresh, address)
    except BaseException:
        fresh.close()
        raise
    return fresh
