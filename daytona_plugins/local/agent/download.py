"""Files to bytes: one file with ranges, or many as one multipart answer."""

from __future__ import annotations

import asyncio
import errno
import mimetypes
import os
import re
import stat
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from daytona.protocols.multipart import closing, disposition, part_head
from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import SOURCE, bad_request, from_os_error, now, printable
from daytona_plugins.local.agent.fileinfo import base_name
from daytona_plugins.local.agent.files import path_parameter
from daytona_plugins.local.web import HTTPError, Request, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from daytona_plugins.local.agent.toolbox import Toolbox

BOUNDARY: Final = "DAYTONA-FILE-BOUNDARY"
PIECE: Final = 256 * 1024
RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class BulkDownloadRequest(msgspec.Struct):
    """The files wanted, in order."""

    paths: list[str] | None = None


class _Span(NamedTuple):
    start: int
    end: int


def add_download(toolbox: Toolbox) -> None:
    """Hand out files."""
    toolbox.router.add("GET", "/files/download", _download)
    toolbox.router.add("POST", "/files/bulk-download", _bulk_download)


async def _download(request: Request) -> Response:
    path = path_parameter(request)
    try:
        return file_response(request, path, _headers(path))
    except OSError as error:
        raise from_os_error(error, path) from error


def file_response(request: Request, path: str, headers: list[tuple[str, str]]) -> Response:
    """Return a file, or the range of it that is asked for, with *headers*.

    Raises:
        OSError: It cannot be read.
    """
    file = open_file(path)
    status = os.fstat(file)
    modified = formatdate(int(status.st_mtime), usegmt=True)
    answer, span = _decide(request, status, modified)
    answer.headers.extend([*headers, ("Last-Modified", modified), ("Accept-Ranges", "bytes")])
    if span is None:
        os.close(file)
    else:
        answer.headers.append(("Content-Length", str(span.end - span.start)))
        answer.body = _read(file, span)
    return answer


def open_file(path: str) -> int:
    """Return a descriptor of a file to be read; a pipe without a writer does not block.

    Raises:
        OSError: It is missing, a directory, or may not be read.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISDIR(os.fstat(file).st_mode):
        os.close(file)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return file


def _decide(request: Request, status: os.stat_result, modified: str) -> tuple[Response, _Span | None]:
    """Return the bare answer, and which part of the file goes with it."""
    if _not_modified_since(request, status):
        return Response(304), None
    whole = _Span(0, status.st_size)
    wanted = RANGE.fullmatch(request.headers.get("range") or "")
    # Several ranges at once, or a range of another version of the file: the whole file is always a right answer.
    if wanted is None or request.headers.get("if-range", modified) != modified:
        return Response(200), whole
    span = _span(wanted[1], wanted[2], status.st_size)
    if span is None:
        return Response(416, [("Content-Range", f"bytes */{status.st_size}")]), None
    return Response(206, [("Content-Range", f"bytes {span.start}-{span.end - 1}/{status.st_size}")]), span


def _span(first: str, last: str, size: int) -> _Span | None:
    """Return what `first-last` means in a file of *size* bytes; None if it lies outside."""
    if not first:
        start, end = max(0, size - int(last or 0)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return _Span(start, end) if start < end else None


def _headers(path: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/octet-stream"),
        ("Content-Disposition", _attachment(base_name(path))),
        ("Content-Description", "File Transfer"),
        ("Content-Transfer-Encoding", "binary"),
        ("Expires", "0"),
        ("Cache-Control", "must-revalidate"),
        ("Pragma", "public"),
    ]


def _attachment(filename: str) -> str:
    return disposition("", filename).replace('form-data; name=""', "attachment", 1)


def _not_modified_since(request: Request, status: os.stat_result) -> bool:
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since") or "")
    except ValueError:
        return False
    return int(status.st_mtime) <= since.timestamp()


async def _read(file: int, span: _Span) -> AsyncIterator[bytes]:
    """Yield the bytes of *span*, which was announced: a file that has become shorter breaks the connection."""
    try:
        position = span.start
        while position < span.end:
            piece = await asyncio.to_thread(os.pread, file, min(PIECE, span.end - position), position)
            if not piece:
                raise ConnectionError("the file became shorter while it was sent")
            yield piece
            position += len(piece)
    finally:
        os.close(file)


# Many files --------------------------------------------------------------------------------------------------------


async def _bulk_download(request: Request) -> Response:
    wanted = await read_json(request, BulkDownloadRequest)
    if not wanted.paths:
        raise bad_request('request body must be {"paths": [ ... ]} and non-empty')
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    return Response(200, [("Content-Type", content_type)], _parts(wanted.paths))


async def _parts(paths: list[str]) -> AsyncIterator[bytes]:
    for path in paths:
        try:
            file = _open_for_bulk(path)
        except HTTPError as error:
            yield _error_part(path, error)
            continue
        try:
            async for piece in _file_part(path, file):
                yield piece
        finally:
            os.close(file)
    yield closing(BOUNDARY)


def _open_for_bulk(path: str) -> int:
    if not path:
        raise HTTPError(400, "invalid file path: path is empty", code="INVALID_FILE_PATH")
    try:
        return open_file(path)
    except (OSError, ValueError) as error:
        raise _bulk_error(path, error) from error


def _bulk_error(path: str, error: OSError | ValueError) -> HTTPError:
    match error.errno if isinstance(error, OSError) else None:
        case errno.ENOENT:
            return HTTPError(404, f"file not found: {path}", code="FILE_NOT_FOUND")
        case errno.EACCES:
            return HTTPError(403, f"permission denied: {path}", code="FILE_ACCESS_DENIED")
        case errno.EISDIR:
            return HTTPError(
                400, f"invalid file path: path points to a directory: {path}", code="INVALID_FILE_PATH"
            )
        case errno.EINVAL | errno.ENAMETOOLONG | errno.ENOTDIR:
            return HTTPError(400, f"invalid file path: {path}", code="INVALID_FILE_PATH")
        case number:
            reason = os.strerror(number).lower() if number else "invalid argument"
            return HTTPError(500, f"failed to open file: open {path}: {reason}", code="FILE_READ_FAILED")


async def _file_part(path: str, file: int) -> AsyncIterator[bytes]:
    """Yield a part; a file that grows meanwhile gives more bytes than its part announces, as from the real daemon."""
    yield part_head(
        BOUNDARY,
        [
            ("Content-Disposition", disposition("file", path)),
            ("Content-Length", str(os.fstat(file).st_size)),
            ("Content-Type", content_type_of(path)),
        ],
    )
    while piece := await asyncio.to_thread(os.read, file, PIECE):
        yield piece
    yield b"\r\n"


def _error_part(path: str, error: HTTPError) -> bytes:
    head = part_head(
        BOUNDARY,
        [
            ("Content-Disposition", disposition("error", path)),
            ("Content-Type", "application/json; charset=utf-8"),
        ],
    )
    body = {
        "statusCode": error.status,
        "message": printable(error.message),
        "code": error.code,
        "timestamp": now(),
        "path": printable(path),
        "method": "POST",
        "source": SOURCE,
    }
    return head + msgspec.json.encode(body) + b"\r\n"


def content_type_of(path: str) -> str:
    """Return the type that a file's extension stands for."""
    kind = mimetypes.guess_type(path, strict=True)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
