"""Downloads: the parts of one multipart answer, to where they belong."""

from __future__ import annotations

import itertools
import os
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from ..errors import DaytonaConnectionError, DaytonaError, error_from_response
from ..models._base import decoder
from ..models.files import (
    DownloadProgress,
    FileDownloadErrorDetails,
    FileDownloadRequest,
    FileDownloadResponse,
    FilesDownloadRequest,
)
from ..protocols import multipart
from ._callbacks import tell

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from ..models.files import CancelEvent
    from ..service import Api
    from ..transport.exchange import StreamedResponse


async def ask_for(api: Api, paths: list[str]) -> StreamedResponse:
    """Return an answer whose parts are these files, still to be read."""
    body = FilesDownloadRequest(paths=paths)
    return await api.stream("POST", "/files/bulk-download", json=body, accept="multipart/form-data")


class Limits(NamedTuple):
    """How long a stream may take for each piece, and how long the server may send nothing; in seconds."""

    piece: float | None
    silence: float | None


async def stream_file(
    api: Api,
    path: str,
    limits: Limits,
    on_progress: Callable[[DownloadProgress], Awaitable[None] | None] | None,
    cancel_event: CancelEvent | None,
) -> AsyncGenerator[bytes]:
    """Yield a file as it arrives."""
    transport = api.transport
    with transport.deadline(limits.piece), transport.silence(limits.silence):
        answer = await ask_for(api, [path])
    received = 0
    try:
        part = _SinglePart(answer.headers.get("content-type", ""))
        while not part.complete:
            if cancel_event is not None and cancel_event.is_set():
                raise DaytonaError(f"Download cancelled: {path}")
            with transport.deadline(limits.piece), transport.silence(limits.silence):
                data = await answer.read()
            for piece in part.receive(data):
                received += len(piece)
                if on_progress is not None:
                    await tell(on_progress, DownloadProgress(received, part.size))
                yield piece
        with transport.deadline(limits.piece), transport.silence(limits.silence):
            # What follows the closing boundary: only then is the connection free again.
            await answer.read_all()
        part.check(path)
    except multipart.MultipartError as error:
        raise DaytonaConnectionError(f"Truncated or malformed download: {error}") from error
    finally:
        answer.abort()


class _SinglePart:
    """The one part of an answer about one file: its content, or an error."""

    def __init__(self, content_type: str) -> None:
        self._reader = multipart.MultipartReader(multipart.boundary_of(content_type))
        self._found = False
        self._error: bytearray | None = None
        self.size: int | None = None

    @property
    def complete(self) -> bool:
        return self._reader.complete

    def receive(self, data: bytes) -> list[bytes]:
        """Return the content that *data* brings; `b""` is the end of the answer."""
        pieces: list[bytes] = []
        for event in self._reader.receive(data):
            match event:
                case multipart.PartBegin():
                    self._begin(event)
                case multipart.PartData(piece) if self._error is not None:
                    self._error += piece
                case multipart.PartData(piece):
                    pieces.append(piece)
                case multipart.PartEnd():
                    pass
        return pieces

    def _begin(self, part: multipart.PartBegin) -> None:
        self._found = True
        self._error = bytearray() if part.name == "error" else None
        length = part.headers.get("content-length", "")
        self.size = int(length) if length.isdecimal() else None

    def check(self, path: str) -> None:
        """Raise what the server said instead of sending the file; an empty file is no error."""
        if self._error is not None:
            message, details = part_error(bytes(self._error))
            raise download_error(FileDownloadResponse(path, None, message, details))
        if not self._found:
            raise DaytonaError(f"No file data received for: {path}")


class Target:
    """Where one downloaded file goes: memory, or a temporary file beside its destination."""

    def __init__(self, destination: str | None) -> None:
        self.destination = destination
        self.pieces: list[bytes] = []
        self.file: BinaryIO | None = None
        self.temporary: Path | None = None
        self.done = False
        self.error: str | None = None
        self.details: FileDownloadErrorDetails | None = None

    def open(self) -> None:
        if self.destination is not None:
            path = Path(self.destination)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
            self.file = self.temporary.open("xb")

    def write(self, data: bytes) -> None:
        if self.file is not None:
            self.file.write(data)
        else:
            self.pieces.append(data)

    def finish(self) -> None:
        if self.file is not None and self.temporary is not None and self.destination is not None:
            self.file.close()
            os.replace(self.temporary, self.destination)
            self.temporary = None
        self.done = True

    def discard(self) -> None:
        if self.file is not None:
            self.file.close()
        if self.temporary is not None:
            self.temporary.unlink(missing_ok=True)
            self.temporary = None


class Receiver:
    """Takes the parts of a bulk download to where they belong."""

    def __init__(self, api: Api, files: Sequence[FileDownloadRequest]) -> None:
        self._api = api
        self._files = files
        self._targets = {
            source: [Target(destination) for destination in dict.fromkeys(file.destination for file in group)]
            for source, group in _by_source(files)
        }
        self._current: list[Target] = []
        self._error: bytearray | None = None

    async def handle(self, event: multipart.Event) -> None:
        """Take one event of the multipart body."""
        match event:
            case multipart.PartBegin():
                await self._begin(event)
            case multipart.PartData(data) if self._error is not None:
                self._error += data
            case multipart.PartData(data):
                await self._each(lambda target: target.write(data))
            case multipart.PartEnd():
                await self._end()

    async def _begin(self, part: multipart.PartBegin) -> None:
        label = part.filename
        if label is None:
            raise multipart.MultipartError("a part does not say which file it is")
        self._current = [target for target in self._targets.get(label, []) if not target.done]
        self._error = bytearray() if part.name == "error" else None
        if part.name == "file":
            await self._each(Target.open)
        elif part.name != "error":
            self._current = []

    async def _end(self) -> None:
        if self._error is not None:
            message, details = part_error(bytes(self._error))
            for target in self._current:
                target.error, target.details, target.done = message, details, True
            self._error = None
        else:
            await self._each(Target.finish)

    async def _each(self, act: Callable[[Target], None]) -> None:
        for target in self._current:
            if target.error is not None:
                continue
            try:
                if target.destination is None:
                    act(target)
                else:
                    await self._api.transport.run(partial(act, target))
            except OSError as error:
                target.error = f"Write failed: {error}"
                target.discard()

    async def discard(self) -> None:
        """Remove what was not finished."""
        for target in itertools.chain.from_iterable(self._targets.values()):
            target.discard()

    def results(self) -> list[FileDownloadResponse]:
        """Return what became of each file asked for."""
        return [self._result(file) for file in self._files]

    def _result(self, file: FileDownloadRequest) -> FileDownloadResponse:
        target = next(t for t in self._targets[file.source] if t.destination == file.destination)
        if target.error is not None:
            return FileDownloadResponse(file.source, None, target.error, target.details)
        if not target.done:
            return FileDownloadResponse(file.source, None, "No data received for this file")
        return FileDownloadResponse(file.source, target.destination or b"".join(target.pieces))


def _by_source(files: Sequence[FileDownloadRequest]) -> list[tuple[str, list[FileDownloadRequest]]]:
    groups: dict[str, list[FileDownloadRequest]] = {}
    for file in files:
        groups.setdefault(file.source, []).append(file)
    return list(groups.items())


class _PartError(msgspec.Struct, rename="camel"):
    message: str = ""
    status_code: int | None = None
    code: str | None = None
    error_code: str | None = None
    source: str | None = None


def part_error(body: bytes) -> tuple[str, FileDownloadErrorDetails | None]:
    """Return the text and facts of an error part: JSON from daemons since v0.190, plain text from older ones."""
    try:
        error = decoder(_PartError).decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace"), None
    code = error.code or error.error_code
    return error.message, FileDownloadErrorDetails(error.message, error.status_code, code, error.source)


def download_error(answer: FileDownloadResponse) -> DaytonaError:
    details = answer.error_details
    if details is None or details.status_code is None:
        return DaytonaError(answer.error or "")
    body = msgspec.json.encode({"message": details.message, "code": details.code, "source": details.source})
    return error_from_response(details.status_code, {}, body, method="POST", path="/files/bulk-download")
