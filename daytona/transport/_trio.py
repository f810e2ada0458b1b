"""The trio driver: sockets waited for through trio's own traps."""

from __future__ import annotations

import select
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from ._deadline import without_deadline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from ..protocols.pool import Origin

__all__ = ["TrioDriver", "TrioStream"]

T = TypeVar("T")


class TrioStream:
    """A connected socket.

    A read always waits, so every exchange has its checkpoint.
    """

    __slots__ = ("_closed", "_poll", "_run", "_socket")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._run = trio.lowlevel.current_trio_token()
        self._closed = False
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least one byte; `b""` when the peer has closed."""
        if timeout is not None:
            with _limit(timeout):
                return await self.read(max_bytes)
        while True:
            try:
                await trio.lowlevel.wait_readable(self._open)
                return self._socket.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                continue  # the kernel may change its mind between the two calls
            except trio.ClosedResourceError as error:
                raise OSError("the connection was closed") from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        sent = self.try_write(buffer)
        if sent == len(buffer):
            return
        view = memoryview(buffer)[sent:]
        with _limit(timeout):
            while view:
                await trio.lowlevel.wait_writable(self._open)
                view = view[self.try_write(view) :]

    def try_write(self, buffer: bytes | memoryview) -> int:
        """Send what fits into the socket's own buffer; return how many bytes that was."""
        try:
            return self._open.send(buffer)
        except (BlockingIOError, InterruptedError):
            return 0

    @property
    def _open(self) -> socket.socket:
        if self._closed:
            raise OSError("the connection is closed")
        return self._socket

    def is_stale(self) -> bool:
        """Return whether anything is to be read: an idle server has nothing to say but goodbye."""
        return self._closed or bool(self._poll.poll(0))

    def close(self) -> None:
        """Close at once, from another thread as soon as trio gets to it; a task that waits in `read` gets an `OSError`."""
        if not self._closed:
            _in_run(self._run, self._close)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if _is_here(self._run):
            trio.lowlevel.notify_closing(self._socket)
        self._socket.close()


def _in_run(run: trio.lowlevel.TrioToken, act: Callable[[], object]) -> None:
    """Do *act*: now, or in the run's thread if that is another one."""
    if not _is_here(run):
        with suppress(trio.RunFinishedError):
            run.run_sync_soon(act)
            return
    act()


def _is_here(run: trio.lowlevel.TrioToken) -> bool:
    return trio.lowlevel.in_trio_run() and trio.lowlevel.current_trio_token() is run


@contextmanager
def _limit(timeout: float | None) -> Generator[None]:
    """Turn the end of the time, and a socket closed by another task, into what every driver raises."""
    with trio.CancelScope() if timeout is None else trio.move_on_after(timeout) as scope:
        try:
            yield
        except trio.ClosedResourceError as error:
            raise OSError("the connection was closed") from error
    if scope.cancelled_caught:
        raise TimeoutError("no answer in time")


class _EventGate:
    """An event that is set once."""

    __slots__ = ("_event", "_run")

    def __init__(self) -> None:
        self._event = trio.Event()
        self._run = trio.lowlevel.current_trio_token()

    def open(self) -> None:
        """Let the waiter through."""
        _in_run(self._run, self._event.set)

    async def wait(self, timeout: float | None) -> None:
        """Wait until the gate is open, or raise `TimeoutError`."""
        with _limit(timeout):
            await self._event.wait()


def _nothing() -> None:
    """Do nothing, to find out whether that can still be done."""


class _SystemTask:
    """A task that belongs to the whole run."""

    def __init__(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._task = trio.lowlevel.spawn_system_task(self._run, act, context=without_deadline())

    async def _run(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with self._scope:
                await act()
        finally:
            self._ended.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """Return whether it has ended, waiting up to *timeout* seconds for it."""
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            await self._ended.wait()
        return self._ended.is_set()

    async def stop(self) -> None:
        """Cancel it and wait until it has ended; from within it this does nothing."""
        if trio.lowlevel.current_task() is not self._task:
            self._scope.cancel()
            await self._ended.wait()


class TrioDriver:
    """trio."""

    def world(self) -> object:
        """Return the running trio: connections belong to it."""
        return trio.lowlevel.current_trio_token()

    def is_over(self, world: object) -> bool:
        """Return whether that run has ended."""
        if not isinstance(world, trio.lowlevel.TrioToken):
            return False
        try:
            world.run_sync_soon(_nothing)
        except trio.RunFinishedError:
            return True
        return False

    async def connect(self, origin: Origin, timeout: float | None) -> TrioStream:
        """Return a plain connection, to whichever address of the host answers first."""
        with _limit(timeout):
            stream = await trio.open_tcp_stream(origin.host, origin.port)
        connected = socket.socket(fileno=stream.socket.detach())
        connected.setblocking(False)
        return TrioStream(connected)

    def gate(self) -> _EventGate:
        """Return a closed gate."""
        return _EventGate()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, from a worker thread."""
        return await trio.to_thread.run_sync(function)

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done also when the task around it has been cancelled."""
        with trio.CancelScope(shield=True):
            await act()

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> _SystemTask:
        """Do *act* in a system task: it needs no nursery, and ends with the run at the latest."""
        return _SystemTask(act)
