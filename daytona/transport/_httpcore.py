"""Anybody's network: an httpcore backend in place of our own sockets.

httpcore's network backends are the field's common interface for "something that connects": its own, those of other
packages, mocks, and what a program writes for an unusual way out. `DaytonaConfig(network_backend=...)` takes one,
synchronous for `Daytona` and asynchronous for `AsyncDaytona`; TLS, proxies, the pool and deadlines stay ours.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpcore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from ..protocols.pool import Origin
    from ._driver import Background, Driver, Gate

__all__ = ["BackendDriver", "BackendStream"]

T = TypeVar("T")

Backend = httpcore.NetworkBackend | httpcore.AsyncNetworkBackend
NetworkStream = httpcore.NetworkStream | httpcore.AsyncNetworkStream


async def _done(result: T | Awaitable[T]) -> T:
    """Return the result of a call that may have been asynchronous."""
    return await cast("Awaitable[T]", result) if inspect.isawaitable(result) else result


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise TimeoutError(str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise OSError(str(error)) from error


class BackendStream:
    """A stream of an httpcore backend.

    Args:
        stream: The backend's.
        start_soon: Does beside the caller what cannot be awaited by it.
    """

    def __init__(
        self, stream: NetworkStream, start_soon: Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
    ) -> None:
        self._stream = stream
        self._start_soon = start_soon
        self._closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least one byte; `b""` when the peer has closed."""
        with _translated():
            return await _done(self._stream.read(max_bytes, timeout))

    def try_write(self, buffer: bytes) -> int:
        """Send nothing: a backend has no way to send without waiting."""
        return 0

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        with _translated():
            await _done(self._stream.write(buffer, timeout))

    def is_stale(self) -> bool:
        """Return whether the backend says that there is something to read; one that cannot say is believed healthy."""
        return self._closed or bool(self._stream.get_extra_info("is_readable"))

    def close(self) -> None:
        """Close, an asynchronous stream as soon as its event loop comes round to it."""
        if self._closed:
            return
        self._closed = True
        if isinstance(self._stream, httpcore.NetworkStream):
            self._stream.close()
        else:
            with suppress(RuntimeError):  # its event loop has ended, and the stream with it
                self._start_soon(self._stream.aclose)


class BackendDriver:
    """A driver that connects through an httpcore backend, and for all else is *inner*."""

    def __init__(self, inner: Driver, backend: Backend) -> None:
        self._inner = inner
        self._backend = backend

    async def connect(self, origin: Origin, timeout: float | None) -> BackendStream:
        """Return a plain connection."""
        with _translated():
            return BackendStream(
                await _done(self._backend.connect_tcp(origin.host, origin.port, timeout)), self.start_soon
            )

    def world(self) -> object:
        """Return what connections are bound to."""
        return self._inner.world()

    def is_over(self, world: object) -> bool:
        """Return whether *world* has ended."""
        return self._inner.is_over(world)

    def gate(self) -> Gate:
        """Return a closed gate."""
        return self._inner.gate()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, which may block on files."""
        return await self._inner.run(function)

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done also when the task around it has been cancelled."""
        await self._inner.shielded(act)

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> Background | None:
        """Do *act* beside the caller, where something can."""
        return self._inner.start_soon(act)
