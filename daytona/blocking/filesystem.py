"""Files inside a sandbox, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.filesystem`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import overload

from collections.abc import Callable, Iterable
from daytona.models.files import (
    CancelEvent,
    DownloadProgress,
    FileDownloadRequest,
    FileDownloadResponse,
    FileInfo,
    FileUpload,
    Match,
    Readable,
    ReplaceResult,
    SearchFilesResponse,
    UploadProgress,
)
from daytona.service import BlockingService, BlockingStream, same, step
from daytona.services.filesystem import AsyncFileSystem, STALL_TIMEOUT, TRANSFER_TIMEOUT

__all__ = ["FileSystem"]


class FileSystem(BlockingService[AsyncFileSystem]):
    """The files of one sandbox. Remote paths are POSIX paths; relative ones start in the sandbox's
    working directory.
    """

    def create_folder(self, path: str, mode: str, request_timeout: float | None = None) -> None:
        """Create a directory and its missing parents.

        Args:
            path: The directory to create.
            mode: Permissions in octal, such as "755".
            request_timeout: Seconds until the call fails.
        """
        step(self._core.create_folder(path, mode, request_timeout))

    def delete_file(self, path: str, recursive: bool = False, request_timeout: float | None = None) -> None:
        """Delete a file or, with *recursive*, a directory and everything in it.

        Raises:
            DaytonaNotFoundError: There is no such file.
            DaytonaBadRequestError: It is a directory and *recursive* is false.
        """
        step(self._core.delete_file(path, recursive, request_timeout))

    def list_files(
        self, path: str, depth: int | None = None, request_timeout: float | None = None
    ) -> list[FileInfo]:
        """Return the entries of a directory, sorted by name; with a *depth* of 2 or more, also those of its subdirectories.

        Raises:
            DaytonaNotFoundError: There is no such directory.
        """
        return step(self._core.list_files(path, depth, request_timeout))

    def get_file_info(self, path: str, request_timeout: float | None = None) -> FileInfo:
        """Return the size, type, times, owner and permissions of a file; symbolic links are followed.

        Raises:
            DaytonaNotFoundError: There is no such file.
        """
        return step(self._core.get_file_info(path, request_timeout))

    def find_files(self, path: str, pattern: str, request_timeout: float | None = None) -> list[Match]:
        """Return the lines that contain the plain text *pattern*, in all files under *path*."""
        return step(self._core.find_files(path, pattern, request_timeout))

    def search_files(
        self, path: str, pattern: str, request_timeout: float | None = None
    ) -> SearchFilesResponse:
        """Return the paths under *path* whose last component matches the glob *pattern*, such as "*.py"."""
        return step(self._core.search_files(path, pattern, request_timeout))

    def move_files(self, source: str, destination: str, request_timeout: float | None = None) -> None:
        """Move or rename a file or a directory.

        Raises:
            DaytonaNotFoundError: *source*, or the directory of *destination*, does not exist.
            DaytonaConflictError: *destination* exists.
        """
        step(self._core.move_files(source, destination, request_timeout))

    def replace_in_files(
        self, files: list[str], pattern: str, new_value: str, request_timeout: float | None = None
    ) -> list[ReplaceResult]:
        """Replace every occurrence of the plain text *pattern* by *new_value*; return the result for each file."""
        return step(self._core.replace_in_files(files, pattern, new_value, request_timeout))

    def set_file_permissions(
        self,
        path: str,
        mode: str | None = None,
        owner: str | None = None,
        group: str | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Change permissions (octal, such as "644"), owner and group (by name or number); None leaves them as they are."""
        step(self._core.set_file_permissions(path, mode, owner, group, request_timeout))

    def upload_file(
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
        step(self._core.upload_file(src, dst, timeout, stall_timeout=stall_timeout))

    def upload_files(
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
        step(self._core.upload_files(files, timeout, stall_timeout=stall_timeout))

    def upload_file_stream(
        self,
        source: bytes | bytearray | str | Readable | Iterable[bytes],
        remote_path: str,
        timeout: float | None = TRANSFER_TIMEOUT,
        on_progress: Callable[[UploadProgress], None] | None = None,
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
        step(self._core.upload_file_stream(source, remote_path, timeout, on_progress, cancel_event, stall_timeout=stall_timeout))

    @overload
    def download_file(
        self, remote_path: str, timeout: int = ..., /, *, stall_timeout: float | None = ...
    ) -> bytes: ...

    @overload
    def download_file(
        self,
        remote_path: str,
        local_path: None = None,
        timeout: float | None = ...,
        *,
        stall_timeout: float | None = ...,
    ) -> bytes: ...

    @overload
    def download_file(
        self,
        remote_path: str,
        local_path: str,
        timeout: float | None = ...,
        *,
        stall_timeout: float | None = ...,
    ) -> None: ...

    @overload
    def download_file(
        self,
        remote_path: str,
        local_path: str | int | None,
        timeout: float | None = ...,
        *,
        stall_timeout: float | None = ...,
    ) -> bytes | None: ...

    def download_file(
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
        return step(self._core.download_file(remote_path, local_path, timeout, stall_timeout=stall_timeout))

    def download_files(
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
        return step(self._core.download_files(files, timeout, stall_timeout=stall_timeout))

    def download_file_stream(
        self,
        remote_path: str,
        timeout: float | None = TRANSFER_TIMEOUT,
        on_progress: Callable[[DownloadProgress], None] | None = None,
        cancel_event: CancelEvent | None = None,
        *,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> BlockingStream[bytes, bytes]:
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
        return BlockingStream(self._core.download_file_stream(remote_path, timeout, on_progress, cancel_event, stall_timeout=stall_timeout), same)
