"""What services may ask of the transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ..protocols.rest import Endpoint, QueryValue, Request, Response
    from ..telemetry import Telemetry
    from ._driver import Background
    from .exchange import StreamedResponse
    from .websocket import WebSocketStream

__all__ = ["Transport"]

T = TypeVar("T")


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
