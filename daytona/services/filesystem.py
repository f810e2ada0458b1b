"""Files inside a sandbox."""

from __future__ import annotations

import itertools
import os
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, overload

import msgspec

from ..errors import DaytonaConnectionError, DaytonaError, DaytonaValidationError, error_from_response
from ..models._base import decoder
from ..models.files import (
    FileDownloadErrorDetails,
    FileDownloadRequest,
    FileDownloadResponse,
    FileInfo,
    FilesDownloadRequest,
    FileUpload,
    Match,
    ReplaceRequest,
    ReplaceResult,
    SearchFilesResponse,
    UploadFilesResponse,
)
from ..protocols import multipart
from ..protocols.rest import Body
from ..service import AsyncService, operation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ..service import Api

__all__ = ["AsyncFileSystem"]

CHUNK: Final = 1024 * 1024
TRANSFER_TIMEOUT: Final = 1800.0


class AsyncFileSystem(AsyncService):
    """The files of one sandbox. Remote paths are POSIX paths; relative ones start in the sandbox's work directory."""

    @operation("Failed to create folder: ")
    async def create_folder(self, path: str, mode: str, request_timeout: float | None = None) -> None:
        """Create a directory and its missing parents.

        Args:
            path: Where.
            mode: Permissions in octal, such as "755".
            request_timeout: Seconds until the call fails.
        """
        await self._api.call(
            "POST", "/files/folder", query={"path": path, "mode": mode}, timeout=request_timeout
        )

    @operation("Failed to delete file: ")
    async def delete_file(
        self, path: str, recursive: bool = False, request_timeout: float | None = None
    ) -> None:
        """Delete a file, or with *recursive* a directory and all that is in it.

        Raises:
            DaytonaNotFoundError: There is no such file.
            DaytonaBadRequestError: It is a directory and *recursive* is false.
        """
        await self._api.call(
            "DELETE", "/files", query={"path": path, "recursive": recursive}, timeout=request_timeout
        )

    @operation("Failed to list files: ")
    async def list_files(
        self, path: str, depth: int | None = None, request_timeout: float | None = None
    ) -> list[FileInfo]:
        """Return what a directory holds, sorted by name; with *depth* 2 or more also what its directories hold.

        Raises:
            DaytonaNotFoundError: There is no such directory.
        """
        if depth is not None and depth < 1:
            raise DaytonaValidationError(f"depth={depth} is less than 1")
        query = {"path": path, "depth": depth}
        return await self._api.call(
            "GET", "/files", query=query, into=list[FileInfo], timeout=request_timeout
        )

    @operation("Failed to get file info: ")
    async def get_file_info(self, path: str, request_timeout: float | None = None) -> FileInfo:
        """Return size, kind, times, owner and permissions of a file; of a link, those of what it points to.

        Raises:
            DaytonaNotFoundError: There is no such file.
        """
        return await self._api.call(
            "GET", "/files/info", query={"path": path}, into=FileInfo, timeout=request_timeout
        )

    @operation("Failed to find files: ")
    async def find_files(self, path: str, pattern: str, request_timeout: float | None = None) -> list[Match]:
        """Return the lines that contain *pattern*, a plain text, in all files under *path*."""
        query = {"path": path, "pattern": pattern}
        return await self._api.call(
            "GET", "/files/find", query=query, into=list[Match], timeout=request_timeout
        )

    @operation("Failed to search files: ")
    async def search_files(
        self, path: str, pattern: str, request_timeout: float | None = None
    ) -> SearchFilesResponse:
        """Return the paths under *path* whose last part matches *pattern*, a glob such as "*.py"."""
        query = {"path": path, "pattern": pattern}
        return await self._api.call(
            "GET", "/files/search", query=query, into=SearchFilesResponse, timeout=request_timeout
        )

    @operation("Failed to move files: ")
    async def move_files(self, source: str, destination: str, request_timeout: float | None = None) -> None:
        """Move or rename a file or a directory.

        Raises:
            DaytonaNotFoundError: *source*, or the directory of *destination*, does not exist.
            DaytonaConflictError: *destination* exists.
        """
        query = {"source": source, "destination": destination}
        await self._api.call("POST", "/files/move", query=query, timeout=request_timeout)

    @operation("Failed to replace in files: ")
    async def replace_in_files(
        self, files: list[str], pattern: str, new_value: str, request_timeout: float | None = None
    ) -> list[ReplaceResult]:
        """Replace every *pattern*, a plain text, by *new_value*; return what became of each file."""
        body = ReplaceRequest(files=files, pattern=pattern, new_value=new_value)
        return await self._api.call(
            "POST", "/files/replace", json=body, into=list[ReplaceResult], timeout=request_timeout
        )

    @operation("Failed to set file permissions: ")
    async def set_file_permissions(
        self,
        path: str,
        mode: str | None = None,
        owner: str | None = None,
        group: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Change permissions (octal, such as "644"), owner and group, by name or number; None keeps what is."""
        query = {"path": path, "owner": owner, "group": group, "mode": mode}
        await self._api.call("POST", "/files/permissions", query=query, timeout=request_timeout)

    # -- Uploads --------------------------------------------------------------------------------------------------

    @operation("Failed to upload files: ")
    async def upload_file(self, src: str | bytes, dst: str, timeout: float | None = TRANSFER_TIMEOUT) -> None:
        """Write a file in the sandbox, replacing it if it exists; missing directories are made.

        Args:
            src: The content, or as text the path of a local file, which is read piece by piece.
            dst: Path in the sandbox.
            timeout: Seconds for the whole transfer.

        Raises:
            DaytonaNotFoundError: There is no local file *src*.
            DaytonaError: The sandbox could not write the file.
        """
        await self._upload([FileUpload(src, dst)], timeout)

    @operation("Failed to upload files: ")
    async def upload_files(self, files: list[FileUpload], timeout: float | None = TRANSFER_TIMEOUT) -> None:
        """Write many files in one request.

        Raises:
            DaytonaError: Some could not be written; the message names each. The others have been.
        """
        if files:
            await self._upload(files, timeout)

    async def _upload(self, files: Sequence[FileUpload], timeout: float | None) -> None:
        form = _Form(self._api, files)
        with self._api.transport.deadline(timeout):
            body = Body(form.chunks(), await form.length())
            response = await self._api.upload("/files/bulk-upload", body, form.content_type)
        _check_upload(response.body, len(files))

    # -- Downloads ------------------------------------------------------------------------------------------------

    @overload
    async def download_file(self, remote_path: str, timeout: int = ..., /) -> bytes: ...
    @overload
    async def download_file(
        self, remote_path: str, local_path: None = None, timeout: float | None = ...
    ) -> bytes: ...
    @overload
    async def download_file(self, remote_path: str, local_path: str, timeout: float | None = ...) -> None: ...
    @overload
    async def download_file(
        self, remote_path: str, local_path: str | int | None, timeout: float | None = ...
    ) -> bytes | None: ...
    async def download_file(
        self,
        remote_path: str,
        local_path: str | int | None = None,
        timeout: float | None = TRANSFER_TIMEOUT,
    ) -> bytes | None:
        """Return the content of a file, or write it to *local_path*, whose directory is made if it is missing.

        The local file appears whole or not at all.

        Args:
            remote_path: Path in the sandbox.
            local_path: Where to write it; None returns the content. A number here is the timeout.
            timeout: Seconds for the whole transfer.

        Raises:
            DaytonaFileNotFoundError: There is no such file.
        """
        if isinstance(local_path, int):
            local_path, timeout = None, local_path
        return await self._download_one(remote_path, local_path, timeout)

    @operation("Failed to download file: ")
    async def _download_one(
        self, remote_path: str, local_path: str | None, timeout: float | None
    ) -> bytes | None:
        (answer,) = await self._download([FileDownloadRequest(remote_path, local_path)], timeout)
        if answer.error is not None:
            raise _download_error(answer)
        return answer.result if isinstance(answer.result, bytes) else None

    @operation("Failed to download files: ")
    async def download_files(
        self, files: list[FileDownloadRequest], timeout: float | None = TRANSFER_TIMEOUT
    ) -> list[FileDownloadResponse]:
        """Return what became of each file, in the order asked for: its content, its local path, or an error.

        Raises:
            DaytonaConnectionError: The answer broke off; files that were already complete are kept.
        """
        return await self._download(files, timeout) if files else []

    async def _download(
        self, files: Sequence[FileDownloadRequest], timeout: float | None
    ) -> list[FileDownloadResponse]:
        with self._api.transport.deadline(timeout):
            paths = list(dict.fromkeys(file.source for file in files))
            answer = await self._api.stream(
                "POST",
                "/files/bulk-download",
                json=FilesDownloadRequest(paths=paths),
                accept="multipart/form-data",
            )
            receiver = _Receiver(self._api, files)
            try:
                reader = multipart.MultipartReader(
                    multipart.boundary_of(answer.headers.get("content-type", ""))
                )
                while not reader.complete:
                    for event in reader.receive(await answer.read()):
                        await receiver.handle(event)
                while await answer.read():
                    pass  # what follows the closing boundary: only then is the connection free again
            except multipart.MultipartError as error:
                raise DaytonaConnectionError(f"Truncated or malformed download: {error}") from error
            finally:
                answer.abort()
                await receiver.discard()
        return receiver.results()


class _Form:
    """The multipart body of an upload: for every file its path, then its content."""

    def __init__(self, api: Api, files: Sequence[FileUpload]) -> None:
        self._api = api
        self._files = files
        self._boundary = f"----Daytona{uuid.uuid4().hex}"
        self.content_type = f"multipart/form-data; boundary={self._boundary}"

    def _heads(self) -> list[bytes]:
        heads: list[bytes] = []
        for index, file in enumerate(self._files):
            path = [("Content-Disposition", multipart.disposition(f"files[{index}].path"))]
            content = [
                (
                    "Content-Disposition",
                    multipart.disposition(f"files[{index}].file", os.path.basename(file.destination)),
                ),
                ("Content-Type", "application/octet-stream"),
            ]
            heads.append(
                multipart.part_head(self._boundary, path)
                + file.destination.encode("utf-8", "surrogateescape")
                + b"\r\n"
                + multipart.part_head(self._boundary, content)
            )
        return heads

    async def length(self) -> int:
        """Return the size of the body; looks at the local files, so that a missing one fails before anything is sent."""
        sizes = [len(head) + 2 for head in self._heads()] + [len(multipart.closing(self._boundary))]
        for file in self._files:
            sizes.append(
                len(file.source) if isinstance(file.source, bytes) else await self._size(file.source)
            )
        return sum(sizes)

    async def _size(self, path: str) -> int:
        return (await self._api.transport.run(partial(_stat, path))).st_size

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        for head, file in zip(self._heads(), self._files, strict=True):
            yield head
            if isinstance(file.source, bytes):
                yield file.source
            else:
                source = await self._api.transport.run(partial(_open, file.source))
                try:
                    while chunk := await self._api.transport.run(partial(source.read, CHUNK)):
                        yield chunk
                finally:
                    source.close()
            yield b"\r\n"
        yield multipart.closing(self._boundary)


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _stat(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise DaytonaValidationError(f"The local file {path!r} cannot be read: {error.strerror}") from error


def _check_upload(body: bytes, sent: int) -> None:
    """A truncated upload may be answered with success: compare what was written with what was sent."""
    if not body:
        return  # daemons older than v0.190 say nothing
    try:
        written = decoder(UploadFilesResponse).decode(body)
    except msgspec.DecodeError:
        return
    if written.errors or len(written.files) != sent:
        raise DaytonaError(f"{len(written.files)} of {sent} files were written: {', '.join(written.errors)}")


class _Target:
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


class _Receiver:
    """Takes the parts of a bulk download to where they belong."""

    def __init__(self, api: Api, files: Sequence[FileDownloadRequest]) -> None:
        self._api = api
        self._files = files
        self._targets = {
            source: [
                _Target(destination) for destination in dict.fromkeys(file.destination for file in group)
            ]
            for source, group in _by_source(files)
        }
        self._current: list[_Target] = []
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
            await self._each(_Target.open)
        elif part.name != "error":
            self._current = []

    async def _end(self) -> None:
        if self._error is not None:
            message, details = _part_error(bytes(self._error))
            for target in self._current:
                target.error, target.details, target.done = message, details, True
            self._error = None
        else:
            await self._each(_Target.finish)

    async def _each(self, act: Callable[[_Target], None]) -> None:
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


def _part_error(body: bytes) -> tuple[str, FileDownloadErrorDetails | None]:
    """Return the text and facts of an error part: JSON from daemons since v0.190, plain text from older ones."""
    try:
        error = decoder(_PartError).decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace"), None
    code = error.code or error.error_code
    return error.message, FileDownloadErrorDetails(error.message, error.status_code, code, error.source)


def _download_error(answer: FileDownloadResponse) -> DaytonaError:
    details = answer.error_details
    if details is None or details.status_code is None:
        return DaytonaError(answer.error or "")
    body = msgspec.json.encode({"message": details.message, "code": details.code, "source": details.source})
    return error_from_response(details.status_code, {}, body, method="POST", path="/files/bulk-download")
