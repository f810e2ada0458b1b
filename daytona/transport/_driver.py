"""What the transport asks of a driver: connections and waits, in one world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ..protocols.pool import Origin

__all__ = ["Background", "Driver", "Gate", "Stream"]

T = TypeVar("T")


class Stream(Protocol):
    """A connection's bytes: httpcore's network stream, plus what a pool needs to know of an idle one.

    Timeouts are seconds, None means no limit. A wait that takes longer raises `TimeoutError`; every other failure of
    the network is an `OSError`.
    """

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least one byte; `b""` when the peer has closed."""
        ...

    def try_write(self, buffer: bytes) -> int:
        """Send what can be sent without waiting, and return how many bytes that was; the rest is for `write`."""
        ...

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        ...

    def is_stale(self) -> bool:
        """Return whether an idle connection has become useless: closed, or with bytes nobody asked for."""
        ...

    def close(self) -> None:
        """Close at once, without a word and without waiting; may be called twice, from any thread."""
        ...


class Gate(Protocol):
    """Opens once; used by one waiter."""

    def open(self) -> None:
        """Let the waiter through; from any thread."""
        ...

    async def wait(self, timeout: float | None) -> None:
        """Wait until the gate is open.

        Raises:
            TimeoutError: It did not open in time.
        """
        ...


class Background(Protocol):
    """Something that runs beside its caller, and raises nothing."""

    async def wait(self, timeout: float | None = None) -> bool:
        """Return whether it has ended, waiting up to *timeout* seconds for it."""
        ...

    async def stop(self) -> None:
        """Cancel it and wait until it has ended; from within it this does nothing."""
        ...


class Driver(Protocol):
    """One world to live in: blocking sockets, asyncio or trio."""

    def world(self) -> object:
        """Return what connections are bound to: equal for as long as they may be used."""
        ...

    def is_over(self, world: object) -> bool:
        """Return whether *world* has ended, so that nothing bound to it can be used any more; from any thread."""
        ...

    async def connect(self, origin: Origin, timeout: float | None) -> Stream:
        """Return a plain connection."""
        ...

    def gate(self) -> Gate:
        """Return a closed gate."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, which may block on files: in a worker thread where there is a loop."""
        ...

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done also when the task around it has been cancelled."""
        ...

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> Background | None:
        """Do *act* beside the caller; None, and nothing done, where there is no event loop that could."""
        ...
