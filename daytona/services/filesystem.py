"""Files inside a sandbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Final, overload

from ..errors import DaytonaConnectionError, DaytonaValidationError
from ..models.files import (
    CancelEvent,
    DownloadProgress,
    FileDownloadRequest,
    FileDownloadResponse,
    FileInfo,
    FileUpload,
    Match,
    Readable,
    ReplaceRequest,
    ReplaceResult,
    SearchFilesResponse,
    UploadProgress,
)
from ..protocols import multipart
from ..service import AsyncService, operation, streaming_operation
from ._awaitable import awaitable
from ._downloads import Limits, Receiver, ask_for, download_error, stream_file
from ._uploads import Form, Watch, check_upload

__all__ = ["AsyncFileSystem"]

TRANSFER_TIMEOUT: Final = 1800.0

STALL_TIMEOUT: Final = 60.0
"""Seconds without any progress after which a transfer is given up, whatever time it has left."""


class AsyncFileSystem(AsyncService):
    """The files of one sandbox. Remote paths are POSIX paths; relative ones start in the sandbox's
    working directory."""

    @operation("Failed to create folder: ")
    async def create_folder(self, path: str, mode: str, request_timeout: float | None = None) -> None:
        """Create a directory and its missing parents.

        Args:
            path: The directory to create.
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
        """Delete a file or, with *recursive*, a directory and everything in it.

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
        """Return the entries of a directory, sorted by name; with a *depth* of 2 or more, also those of its subdirectories.

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
        """Return the size, type, times, owner and permissions of a file; symbolic links are followed.

        Raises:
            DaytonaNotFoundError: There is no such file.
        """
        return await self._api.call(
            "GET", "/files/info", query={"path": path}, into=FileInfo, timeout=request_timeout
        )

    @operation("Failed to find files: ")
    async def find_files(self, path: str, pattern: str, request_timeout: float | None = None) -> list[Match]:
        """Return the lines that contain the plain text *pattern*, in all files under *path*."""
        query = {"path": path, "pattern": pattern}
        return await self._api.call(
            "GET", "/files/find", query=query, into=list[Match], timeout=request_timeout
        )

    @operation("Failed to search files: ")
    async def search_files(
        self, path: str, pattern: str, request_timeout: float | None = None
    ) -> SearchFilesResponse:
        """Return the paths under *path* whose last component matches the glob *pattern*, such as "*.py"."""
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
        """Replace every occurrence of the plain text *pattern* by *new_value*; return the result for each file."""
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
        """Change permissions (octal, such as "644"), owner and group (by name or number); None leaves them as they are."""
        query = {"path": path, "owner": owner, "group": group, "mode": mode}
        await self._api.call("POST", "/files/permissions", query=query, timeout=request_timeout)

    # -- Uploads --------------------------------------------------------------------------------------------------

    @operation("Failed to upload files: ")
    async def upload_file(
        self,
        src: str | bytes | bytearray | Readable,
        dst: str,
        timeout: float | None = TRANSFER_TIMEOUT,
        *,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> None:
        """Write a file in the sandbox, replacing it if it exists; missing directories are created.

        Args:
            src: The content as bytes, an open file, or the path of a local file, which is read in pieces.
            dst: Path in the sandbox.
            timeout: Seconds for the whole transfer; None means no limit.
            stall_timeout: Seconds that the transfer may make no progress; None means no limit.

        Raises:
            DaytonaConnectionTimeoutError: It took longer than *timeout*, or made no progress for *stall_timeout* seconds.
            DaytonaValidationError: The local file *src* cannot be read.
            DaytonaError: The sandbox could not write the file.
        """
        await self._upload([(src, dst)], timeout, stall_timeout)

    @operation("Failed to upload files: ")
    async def upload_files(
        self,
        files: list[FileUpload],
        timeout: float | None = TRANSFER_TIMEOUT,
        *,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> None:
        """Write many files in one request; the timeouts are those of `upload_file`.

        Raises:
            DaytonaError: Some could not be written; the message names each of them. The others were written.
        """
        if files:
            await self._upload([(file.source, file.destination) for file in files], timeout, stall_timeout)

    @operation("Failed to upload file: ")
    async def upload_file_stream(
        self,
        source: bytes | bytearray | str | Readable | AsyncIterable[bytes] | Iterable[bytes],
        remote_path: str,
        timeout: float | None = TRANSFER_TIMEOUT,
        on_progress: Callable[[UploadProgress], Awaitable[None] | None] | None = None,
        cancel_event: CancelEvent | None = None,
        *,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> None:
        """Write a file in the sandbox from any source of bytes, keeping only a small part of it in memory.

        Args:
            source: The content, the path of a local file, an open file, or an iterable of pieces.
            remote_path: Path in the sandbox.
            timeout: Seconds for the whole transfer; None means no limit.
            on_progress: Called after each piece.
            cancel_event: Cancels the transfer once it is set. On the embedded platform the file is then unchanged; a
                hosted sandbox may be left with a partial file.
            stall_timeout: Seconds that the sandbox may accept nothing; time spent in *source* does not count.

        Raises:
            DaytonaConnectionTimeoutError: It took longer than *timeout*, or made no progress for *stall_timeout* seconds.
            DaytonaError: It was cancelled, or the sandbox could not write the file.
        """
        watch = Watch(on_progress, cancel_event)
        watch.check(remote_path)
        await self._upload([(source, remote_path)], timeout, stall_timeout, watch)

    async def _upload(
        self,
        files: Sequence[tuple[object, str]],
        timeout: float | None,
        stall_timeout: float | None,
        watch: Watch | None = None,
    ) -> None:
        form = Form(self._api, files, watch)
        with self._api.transport.deadline(timeout), self._api.transport.silence(stall_timeout):
            response = await self._api.upload("/files/bulk-upload", await form.body(), form.content_type)
        check_upload(response.body, len(files))

    # -- Downloads ------------------------------------------------------------------------------------------------

    @overload
    async def download_file(
        self, remote_path: str, timeout: int = ..., /, *, stall_timeout: float | None = ...
    ) -> bytes: ...
    @overload
    async def download_file(
        self,
        remote_path: str,
        local_path: None = None,
        timeout: float | None = ...,
        *,
        stall_timeout: float | None = ...,
    ) -> bytes: ...
    @overload
    async def download_file(
        self,
        remote_path: str,
        local_path: str,
        timeout: float | None = ...,
        *,
        stall_timeout: float | None = ...,
    ) -> None: ...
    @overload
    async def download_file(
        self,
        remote_path: str,
        local_path: str | int | None,
        timeout: float | None = ...,
        *,
        stall_timeout: float | None = ...,
    ) -> bytes | None: ...
    async def download_file(
        self,
        remote_path: str,
        local_path: str | int | None = None,
        timeout: float | None = TRANSFER_TIMEOUT,
        *,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> bytes | None:
        """Return the content of a file, or write it to *local_path*, whose directory is created if it is missing.

        The local file appears only once it is complete.

        Args:
            remote_path: Path in the sandbox.
            local_path: Where to write it; None returns the content. A number here is taken as the timeout.
            timeout: Seconds for the whole transfer; None means no limit.
            stall_timeout: Seconds that the sandbox may send nothing.

        Raises:
            DaytonaFileNotFoundError: There is no such file.
            DaytonaConnectionTimeoutError: It took longer than *timeout*, or made no progress for *stall_timeout* seconds.
        """
        if isinstance(local_path, int):
            local_path, timeout = None, local_path
        return await self._download_one(FileDownloadRequest(remote_path, local_path), timeout, stall_timeout)

    @operation("Failed to download file: ")
    async def _download_one(
        self, file: FileDownloadRequest, timeout: float | None, stall_timeout: float | None
    ) -> bytes | None:
        (answer,) = await self._download([file], timeout, stall_timeout)
        if answer.error is not None:
            raise download_error(answer)
        return answer.result if isinstance(answer.result, bytes) else None

    @operation("Failed to download files: ")
    async def download_files(
        self,
        files: list[FileDownloadRequest],
        timeout: float | None = TRANSFER_TIMEOUT,
        *,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> list[FileDownloadResponse]:
        """Return a result for each file, in the order of the requests: its content, its local path, or an error.

        The timeouts are those of `download_file`.

        Raises:
            DaytonaConnectionError: The response ended early; files that were already complete are kept.
        """
        return await self._download(files, timeout, stall_timeout) if files else []

    async def _download(
        self, files: Sequence[FileDownloadRequest], timeout: float | None, stall_timeout: float | None
    ) -> list[FileDownloadResponse]:
        with self._api.transport.deadline(timeout), self._api.transport.silence(stall_timeout):
            paths = list(dict.fromkeys(file.source for file in files))
            answer = await ask_for(self._api, paths)
            receiver = Receiver(self._api, files)
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

    @awaitable
    @streaming_operation("Failed to download file: ")
    async def download_file_stream(
        self,
        remote_path: str,
        timeout: float | None = TRANSFER_TIMEOUT,
        on_progress: Callable[[DownloadProgress], Awaitable[None] | None] | None = None,
        cancel_event: CancelEvent | None = None,
        *,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> AsyncGenerator[bytes]:
        """Yield the content of a file in pieces, as they arrive.

        Args:
            remote_path: Path in the sandbox.
            timeout: Seconds that the sandbox may take for each piece; the time you spend on a piece does not count.
            on_progress: Called before each piece.
            cancel_event: Cancels the transfer once it is set.
            stall_timeout: Seconds that the sandbox may send nothing.

        Raises:
            DaytonaFileNotFoundError: There is no such file.
            DaytonaConnectionTimeoutError: A piece took longer.
            DaytonaError: It was cancelled.
        """
        limits = Limits(timeout, stall_timeout)
        async with aclosing(stream_file(self._api, remote_path, limits, on_progress, cancel_event)) as pieces:
            async for piece in pieces:
                yield piece
