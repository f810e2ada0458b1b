"""What programs reach for below our services: methods of the official package's generated clients.

They do it for what the services did not offer when they were written: a time limit for a poll, a download that is not
held in memory. Only what programs are known to call is here.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, cast

from .errors import DaytonaError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

__all__ = ["GeneratedApi"]


class _Downloading(Protocol):
    def download_file_stream(
        self, remote_path: str, timeout: float | None = ..., /
    ) -> AsyncGenerator[bytes]: ...


class GeneratedApi:
    """`service._api_client`: the service's own methods, with their time limit under its generated name."""

    def __init__(self, service: object) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._service, name)

        def call(
            *args: object, _request_timeout: float | tuple[float, float] | None = None, **kwargs: object
        ) -> Any:
            return method(*args, request_timeout=_seconds(_request_timeout), **kwargs)

        return call

    async def download_file_without_preload_content(
        self, path: str, _request_timeout: float | tuple[float, float] | None = None
    ) -> RawResponse:
        """Return the answer to a download, whatever its status; its body is still to be read."""
        service = cast("_Downloading", self._service)  # files have this method there, and nothing else
        pieces = service.download_file_stream(path, _seconds(_request_timeout))
        try:
            first = await anext(pieces, b"")
        except DaytonaError as error:
            if error.status_code is None:
                raise
            return RawResponse(error.status_code, pieces, error.message.encode())
        return RawResponse(200, pieces, first)


class RawResponse:
    """As much of an answer of aiohttp's as is used: it is its own `content`."""

    def __init__(self, status: int, pieces: AsyncGenerator[bytes], first: bytes) -> None:
        self.status = status
        self.content = self
        self._pieces = pieces
        self._first = first

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield the body in pieces of at most *size* bytes."""
        async with aclosing(self._pieces) as pieces:
            for piece in _cut(self._first, size):
                yield piece
            async for arrived in pieces:
                for piece in _cut(arrived, size):
                    yield piece

    def close(self) -> None:
        """Do nothing: the connection goes back once the body is read, or nobody can read it any more."""


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _seconds(timeout: float | tuple[float, float] | None) -> float | None:
    """Return one time limit for what may be two, for the connection and for the answer."""
    return sum(timeout) if isinstance(timeout, tuple) else timeout
