"""Bytes into files: one file, or many in one multipart body that is written as it arrives."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from daytona.protocols.multipart import MultipartError, MultipartReader, PartBegin, PartData, boundary_of
from daytona_plugins.local.agent.errors import bad_request, printable
from daytona_plugins.local.agent.files import make_directories, path_parameter
from daytona_plugins.local.agent.replacing import Replacement
from daytona_plugins.local.web import Request, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

SINGLE_PARENT_MODE: Final = 0o750
BULK_PARENT_MODE: Final = 0o755
PATH_LIMIT: Final = 16 * 1024
FIELD: Final = re.compile(r"files\[(.*)\]\.(path|file)")

Part = tuple[str, AsyncIterator[bytes]]


def add_upload(toolbox: Toolbox) -> None:
    """Accept files."""
    toolbox.router.add("POST", "/files/upload", _upload)
    toolbox.router.add("POST", "/files/upload-v2", _upload_v2)
    toolbox.router.add("POST", "/files/bulk-upload", _bulk_upload)


async def _upload(request: Request) -> Response:
    path = path_parameter(request)
    await _store_part(request, path, SINGLE_PARENT_MODE)
    return Response()


async def _upload_v2(request: Request) -> Response:
    path = path_parameter(request)
    if (request.headers.get("content-type") or "").lower().startswith("multipart/form-data"):
        await _store_part(request, path, BULK_PARENT_MODE)
    else:
        await _store(request.chunks(), path, BULK_PARENT_MODE)
    return json_response({"name": printable(os.path.basename(path)), "path": printable(path), "type": "file"})


async def _store_part(request: Request, path: str, parent_mode: int) -> None:
    """Write the part named "file"; the rest of the body is read to its end before we answer."""
    found = False
    try:
        async for name, content in parts(request):
            if name == "file" and not found:
                found = True
                await _store(content, path, parent_mode)
    except MultipartError as error:
        raise bad_request(str(error)) from error
    if not found:
        raise bad_request("the form has no part named 'file'")


async def _store(content: AsyncIterator[bytes], path: str, parent_mode: int) -> None:
    try:
        await _write(content, path, parent_mode)
    except _WriteError as error:
        raise bad_request(str(error)) from error


class _WriteError(Exception):
    """A file could not be written; the text says at which step."""


async def _write(content: AsyncIterator[bytes], path: str, parent_mode: int) -> int:
    """Write *content* to *path*, which keeps what it holds until all has arrived; return its size."""
    try:
        with _open(path, parent_mode) as replacement:
            size = 0
            async for chunk in content:
                size += replacement.file.write(chunk)
        return size
    except OSError as error:
        raise _WriteError(f"{printable(path)}: write: {_reason(error)}") from error
    except MultipartError as error:
        raise _WriteError(f"{printable(path)}: write: unexpected EOF") from error


def _open(path: str, parent_mode: int) -> Replacement:
    parent = os.path.dirname(path)
    try:
        make_directories(parent, parent_mode)
    except (OSError, ValueError) as error:
        raise _WriteError(f"{printable(path)}: mkdir {printable(parent)}: {_reason(error)}") from error
    try:
        return Replacement(path)
    except (OSError, ValueError) as error:
        raise _WriteError(f"{printable(path)}: create: open {printable(path)}: {_reason(error)}") from error


def _reason(error: OSError | ValueError) -> str:
    return os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else "invalid argument"


async def _bulk_upload(request: Request) -> Response:
    upload = _BulkUpload()
    try:
        async for name, content in parts(request):
            await upload.take(name, content)
    except MultipartError as error:
        if not upload.began:
            return json_response({"errors": ["invalid multipart form"]}, 400)
        upload.errors.append(f"reading part: {error}")
    return upload.response()


class _BulkUpload:
    """Pairs of parts: `files[i].path` says where the following `files[i].file` goes."""

    def __init__(self) -> None:
        self.began = False
        self.errors: list[str] = []
        self._files: list[dict[str, object]] = []
        self._destinations: dict[str, str] = {}

    async def take(self, name: str, content: AsyncIterator[bytes]) -> None:
        self.began = True
        field = FIELD.fullmatch(name)
        if field and field[2] == "path":
            await self._take_path(field[1], content)
        elif field:
            await self._take_file(field[1], content)

    async def _take_path(self, index: str, content: AsyncIterator[bytes]) -> None:
        text = bytearray()
        async for chunk in content:
            text += chunk[: PATH_LIMIT - len(text)]
        path = text.decode("utf-8", "surrogateescape").strip()
        if path:
            self._destinations[index] = path
        else:
            self.errors.append(f"path[{index}]: empty path")

    async def _take_file(self, index: str, content: AsyncIterator[bytes]) -> None:
        path = self._destinations.get(index)
        if path is None:
            self.errors.append(f"file[{index}]: missing .path metadata")
            return
        try:
            size = await _write(content, path, BULK_PARENT_MODE)
        except _WriteError as error:
            self.errors.append(str(error))
        else:
            self._files.append({"path": printable(path), "bytes": size})

    def response(self) -> Response:
        if self.errors:
            return json_response({"errors": self.errors, "files": self._files or None}, 400)
        return json_response({"files": self._files or None})


async def parts(request: Request) -> AsyncIterator[Part]:
    """Yield each part's name and content; content that is not read is skipped.

    Raises:
        MultipartError: The body is no multipart form, or ends before its end.
    """
    reader = _Parts(request)
    while (name := await reader.next_name()) is not None:
        yield name, reader.content()


class _Parts:
    """Turns the pieces of a request's body into parts, one after the other."""

    def __init__(self, request: Request) -> None:
        self._machine = MultipartReader(boundary_of(request.headers.get("content-type") or ""))
        self._chunks = request.chunks()
        self._events: list[PartBegin | PartData | object] = []

    async def next_name(self) -> str | None:
        """Skip to the next part and return its name, or None after the last."""
        while (event := await self._next_event()) is not None:
            if isinstance(event, PartBegin):
                return event.name or ""
        return None

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the content of the part that has begun."""
        while isinstance(event := await self._next_event(), PartData):
            yield event.data

    async def _next_event(self) -> object | None:
        while not self._events:
            chunk = await anext(self._chunks, b"")
            if not chunk and self._machine.complete:
                return None
            self._events.extend(self._machine.receive(chunk))
        return self._events.pop(0)
