"""Where the bytes of an upload come from: memory, a local file, an open file, or an iterable of pieces."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from ..errors import DaytonaValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ..models.files import Readable
    from ..service import Api

CHUNK: Final = 1024 * 1024
_CONTENT: Final[tuple[type[object], ...]] = (bytes, bytearray, memoryview)
_PATH: Final[tuple[type[object], ...]] = (str, os.PathLike)
_ITERABLE: Final[tuple[type[object], ...]] = (Iterable, AsyncIterable)


class Source:
    """Something to send; `size` is asked before `pieces`, so that a missing file fails before anything is sent."""

    def __init__(self, api: Api, origin: object) -> None:
        if not isinstance(origin, _CONTENT + _PATH + _ITERABLE) and not hasattr(origin, "read"):
            raise DaytonaValidationError(f"{type(origin).__name__} is nothing that can be uploaded")
        self._api = api
        self._origin: object = origin

    async def size(self) -> int | None:
        """Return how many bytes there are, or None when only the end will tell."""
        origin = self._origin
        if isinstance(origin, _CONTENT):
            return memoryview(cast("bytes", origin)).nbytes
        if isinstance(origin, _PATH):
            return await self._api.transport.run(partial(_size, cast("str", origin)))
        return None

    def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the bytes."""
        origin = self._origin
        if isinstance(origin, _CONTENT):
            return self._each(_slices(cast("bytes", origin)))
        if isinstance(origin, _PATH):
            return self._read_path(cast("str", origin))
        if hasattr(origin, "read"):
            return self._read(cast("Readable", origin).read)
        if hasattr(origin, "__aiter__"):
            return self._each_async(cast("AsyncIterable[object]", origin))
        return self._each(cast("Iterable[object]", origin))

    async def _each(self, pieces: Iterable[object]) -> AsyncGenerator[bytes]:
        for piece in pieces:
            yield _checked(piece)

    async def _each_async(self, pieces: AsyncIterable[object]) -> AsyncGenerator[bytes]:
        async for piece in pieces:
            yield _checked(piece)

    async def _read_path(self, path: str) -> AsyncGenerator[bytes]:
        file = await self._api.transport.run(partial(open, path, "rb"))
        try:
            async with aclosing(self._read(file.read)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            file.close()

    async def _read(self, read: Callable[[int], object]) -> AsyncGenerator[bytes]:
        """Yield what an open file holds from where it stands."""
        while piece := await self._call(partial(read, CHUNK)):
            yield _checked(piece)

    async def _call(self, read: Callable[[], object]) -> object:
        """Return what *read* returns: in its own way if it is a coroutine function, and else where it may block."""
        if inspect.iscoroutinefunction(read):
            return await read()
        return await self._api.transport.run(read)


def _slices(content: bytes) -> Iterator[bytes]:
    """Yield a large content in pieces, and a small one without a copy."""
    if type(content) is bytes and len(content) <= CHUNK:
        yield content
        return
    view = memoryview(content).cast("B")
    for start in range(0, len(view), CHUNK):
        yield bytes(view[start : start + CHUNK])


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        raise DaytonaValidationError(f"The local file {path!r} cannot be read: {error.strerror}") from error


def _checked(piece: object) -> bytes:
    if isinstance(piece, _CONTENT):
        return bytes(cast("bytes", piece))
    raise DaytonaValidationError(
        f"a piece to upload is {type(piece).__name__}, not bytes; open files in binary mode",
        outcome="unknown",
    )
