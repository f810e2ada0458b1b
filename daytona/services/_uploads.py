"""Uploads: the form that carries files, how it is watched on its way, and what the server made of it."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import msgspec

from ..errors import DaytonaError
from ..models._base import decoder
from ..models.files import UploadFilesResponse, UploadProgress
from ..protocols import multipart
from ..protocols.rest import Body
from ._callbacks import tell
from ._sources import Source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from ..models.files import CancelEvent
    from ..service import Api


class Watch:
    """Tells how far an upload has got, and ends it when its caller wants that."""

    def __init__(
        self,
        on_progress: Callable[[UploadProgress], Awaitable[None] | None] | None = None,
        cancel_event: CancelEvent | None = None,
    ) -> None:
        self._on_progress = on_progress
        self._cancel_event = cancel_event
        self._sent = 0

    def check(self, path: str) -> None:
        """Raise an error if the upload is to end."""
        if self._cancel_event is not None and self._cancel_event.is_set():
            raise DaytonaError(f"Upload cancelled: {path}", outcome="unknown" if self._sent else "not_sent")

    async def passed(self, size: int) -> None:
        """Note that *size* bytes have gone."""
        self._sent += size
        await tell(self._on_progress, UploadProgress(self._sent))


class Form:
    """The multipart body of an upload: for every file its path, then its content."""

    def __init__(self, api: Api, files: Sequence[tuple[object, str]], watch: Watch | None = None) -> None:
        self._files = [(Source(api, origin), destination) for origin, destination in files]
        self._watch = watch or Watch()
        self._boundary = f"----Daytona{uuid.uuid4().hex}"
        self.content_type = f"multipart/form-data; boundary={self._boundary}"

    async def body(self) -> Body:
        """Return the body; its length is known unless a source does not know its own.

        Raises:
            DaytonaValidationError: A local file cannot be read.
        """
        sizes = [await source.size() for source, _ in self._files]
        known = [size for size in sizes if size is not None]
        framing = sum(len(head) + 2 for head in self._heads()) + len(multipart.closing(self._boundary))
        return Body(self._pieces(), framing + sum(known) if len(known) == len(sizes) else None)

    def _heads(self) -> list[bytes]:
        return [self._head(index, destination) for index, (_, destination) in enumerate(self._files)]

    def _head(self, index: int, destination: str) -> bytes:
        name = multipart.disposition(f"files[{index}].file", os.path.basename(destination))
        path = [("Content-Disposition", multipart.disposition(f"files[{index}].path"))]
        content = [("Content-Disposition", name), ("Content-Type", "application/octet-stream")]
        return (
            multipart.part_head(self._boundary, path)
            + destination.encode("utf-8", "surrogateescape")
            + b"\r\n"
            + multipart.part_head(self._boundary, content)
        )

    async def _pieces(self) -> AsyncGenerator[bytes]:
        for head, (source, destination) in zip(self._heads(), self._files, strict=True):
            yield head
            pieces = source.pieces()
            try:
                async for piece in pieces:
                    self._watch.check(destination)
                    yield piece
                    await self._watch.passed(len(piece))
            finally:
                await pieces.aclose()
            yield b"\r\n"
        yield multipart.closing(self._boundary)


def check_upload(body: bytes, sent: int) -> None:
    """A truncated upload may be answered with success: compare what was written with what was sent."""
    if not body:
        return  # daemons older than v0.190 say nothing
    try:
        written = decoder(UploadFilesResponse).decode(body)
    except msgspec.DecodeError:
        return
    if written.errors or len(written.files) != sent:
        raise DaytonaError(f"{len(written.files)} of {sent} files were written: {', '.join(written.errors)}")
