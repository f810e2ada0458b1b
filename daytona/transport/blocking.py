"""The blocking driver: coroutines that never suspend, because what they await has blocked by then."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ._deadline import now, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ..protocols.pool import Origin

__all__ = ["BlockingDriver", "SocketStream"]

T = TypeVar("T")

_DONT_WAIT: Final[int] = getattr(socket, "MSG_DONTWAIT", 0)


class SocketStream:
    """A connected socket."""

    __slots__ = ("_poll", "_process", "_socket", "_timeout")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._timeout = connected.gettimeout()
        self._process = _Process.current
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least one byte; `b""` when the peer has closed."""
        if timeout != self._timeout:
            self._limit(timeout)
        return self._socket.recv(max_bytes)

    def try_write(self, buffer: bytes) -> int:
        """Send what fits into the socket's own buffer: that needs no limit, which reads and writes would set in turns."""
        try:
            return self._socket.send(buffer, _DONT_WAIT)
        except BlockingIOError:
            return 0

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        sent = self.try_write(buffer)
        if sent < len(buffer):
            if timeout != self._timeout:
                self._limit(timeout)
            self._socket.sendall(memoryview(buffer)[sent:])

    def _limit(self, timeout: float | None) -> None:
        self._socket.settimeout(timeout)  # a system call each
        self._timeout = timeout

    def is_stale(self) -> bool:
        """Return whether anything is to be read: an idle server has nothing to say but goodbye."""
        try:
            return bool(self._poll.poll(0))
        except (OSError, ValueError):
            return True

    def close(self) -> None:
        """Close at once; a thread that waits in `read` gets the end of the stream."""
        if self._process is _Process.current:  # else the connection is our parent's, who may be using it
            with suppress(OSError):  # not connected any more
                self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _ThreadGate:
    """A lock that is let go by another thread."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let the waiter through."""
        self._lock.release()

    async def wait(self, timeout: float | None) -> None:
        """Wait until the gate is open, or raise `TimeoutError`."""
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            raise TimeoutError


class _Process:
    """The running process; a forked child gets one of its own."""

    current: object = object()

    @classmethod
    def forked(cls) -> None:
        """Begin a new world: the parent's sockets are not ours to use."""
        cls.current = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Process.forked)


class BlockingDriver:
    """Blocking sockets, for any number of threads."""

    def world(self) -> object:
        """Return the process that connections belong to."""
        return _Process.current

    def is_over(self, world: object) -> bool:
        """Return whether that process is another one: it goes on, but not for us."""
        return world is not _Process.current

    async def connect(self, origin: Origin, timeout: float | None) -> SocketStream:
        """Return a plain connection to the first address of the host that takes one.

        The name is resolved by the system's resolver, which knows no timeout; the connection keeps to it: an address
        that does not answer may use an even share of the time that is left for those not tried yet.
        """
        expiry = None if timeout is None else now() + timeout
        found = socket.getaddrinfo(origin.name, origin.port, type=socket.SOCK_STREAM)
        failure: OSError = OSError(f"{origin.host} has no address")
        for index, (family, kind, protocol, _, address) in enumerate(found):
            remaining = until(expiry)
            share = None if remaining is None else remaining / (len(found) - index)
            try:
                return SocketStream(_connected(family, kind, protocol, address, share))
            except OSError as error:
                failure = error
        raise failure

    def gate(self) -> _ThreadGate:
        """Return a closed gate."""
        return _ThreadGate()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is what this driver is for

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns."""
        return function()

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done; nothing can cancel it."""
        await act()

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do nothing: we start no threads."""


def _connected(
    family: int,
    kind: int,
    protocol: int,
    address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
    timeout: float | None,
) -> socket.socket:
    fresh = socket.socket(family, kind, protocol)
    try:
        fresh.settimeout(timeout)
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fresh.connect(address)
    except BaseException:
        fresh.close()
        raise
    return fresh
