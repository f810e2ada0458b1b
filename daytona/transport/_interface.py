"""What the transport asks of a driver, and what services may ask of the transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ..protocols.pool import Origin
    from ..protocols.rest import Endpoint, QueryValue, Request, Response
    from ..telemetry import Telemetry
    from .http import StreamedResponse
    from .websocket import WebSocketStream

__all__ = ["Background", "Driver", "Gate", "Stream", "Transport"]

T = TypeVar("T")


class Stream(Protocol):
    """A connection's bytes: httpcore's network stream, plus what a pool needs to know of an idle one.

    Timeouts are seconds, None means no limit. A wait that takes longer raises `TimeoutError`; every other failure of
    the network is an `OSError`.
    """

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least one byte; `b""` when the peer has closed."""
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


class Transport(Protocol):
    """What services await: the way to everything outside the process."""

    @property
    def telemetry(self) -> Telemetry | None:
        """What reports operations, if anything does."""
        ...

    async def send(self, request: Request) -> Response:
        """Return the answer to *request* with its body in memory."""
        ...

    async def stream(self, request: Request) -> StreamedResponse:
        """Return the answer to *request* with its body still to be read; it must be closed."""
        ...

    async def open_websocket(
        self,
        endpoint: Endpoint,
        path: str,
        query: Mapping[str, QueryValue] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> WebSocketStream:
        """Return a WebSocket; it must be closed."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait, no longer than the deadline allows.

        Raises:
            DaytonaTimeoutError: The deadline passed first.
        """
        ...

    async def shared(self, key: object, act: Callable[[Callable[[], None]], Awaitable[T]]) -> T:
        """Return what *act* returns, once for all who want the same at the same time.

        Args:
            key: What is wanted.
            act: Is called with a function after whose call nobody else joins.
        """
        ...

    def deadline(self, timeout: float | None) -> AbstractContextManager[None]:
        """Return a limit, in seconds, for everything awaited inside."""
        ...

    def silence(self, timeout: float | None) -> AbstractContextManager[None]:
        """Return a limit, in seconds, for how long the peer may keep each read and write inside waiting."""
        ...

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, which may block on local files."""
        ...

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done also when the task around it has been cancelled."""
        ...

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> Background | None:
        """Do *act*, which may not raise, beside the caller until the client is closed; None where nothing can be."""
        ...

    def time(self) -> float:
        """Return the time of day, in Unix seconds."""
        ...

    async def close(self) -> None:
        """Close every connection; calls in flight end with `DaytonaClosedError`."""
        ...
