"""Files in a sandbox: what is listed, found, replaced, sent and fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from daytona.models._base import Model, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable


class FileInfo(Model, frozen=True):
    """A file or directory; `modified_at` replaces `mod_time`, which older servers send."""

    name: str
    size: int = 0
    is_dir: bool = False
    mode: str = ""
    permissions: str = ""
    owner: str = ""
    group: str = ""
    mod_time: str = ""
    modified_at: str | None = None
    path: str | None = None


class Match(Model, frozen=True):
    """A line that matches a pattern."""

    file: str = ""
    line: int = 0
    content: str = ""


class ReplaceRequest(Request, frozen=True):
    """Asks to replace a pattern in files."""

    files: list[str]
    pattern: str
    new_value: str


class ReplaceResult(Model, frozen=True):
    """What became of one file in which something was to be replaced."""

    file: str | None = None
    success: bool | None = None
    error: str | None = None


class SearchFilesResponse(Model, frozen=True):
    """The paths that match a pattern."""

    files: list[str] = []


class FilesDownloadRequest(Request, frozen=True):
    """Asks for the content of files."""

    paths: list[str]


class FsFileResult(Model, frozen=True):
    """One file that was written."""

    path: str | None = None
    bytes: int | None = None


class UploadFilesResponse(Model, frozen=True):
    """What became of an upload."""

    files: list[FsFileResult] = []
    errors: list[str] = []


@dataclass
class FileUpload:
    """One file to send: its content, or the path of a local file, and where it goes."""

    source: bytes | str
    destination: str


@dataclass
class FileDownloadRequest:
    """One file to fetch: into memory, or into the local file *destination*."""

    source: str
    destination: str | None = None


@dataclass
class FileDownloadErrorDetails:
    """Why a file could not be fetched, as the server says it; `error_code` is the former name of `code`."""

    message: str
    status_code: int | None = None
    code: str | None = None
    source: str | None = None
    error_code: str | None = None

    def __post_init__(self) -> None:
        self.code = self.error_code = self.code or self.error_code


@dataclass
class FileDownloadResponse:
    """One file of several: its content or local path in `result`, or else why there is none."""

    source: str
    result: str | bytes | None = None
    error: str | None = None
    error_details: FileDownloadErrorDetails | None = None


@dataclass
class DownloadProgress:
    """How much has arrived."""

    bytes_received: int
    total_bytes: int | None = None


@dataclass
class UploadProgress:
    """How much has been sent."""

    bytes_sent: int


@runtime_checkable
class CancelEvent(Protocol):
    """Something that can be set to end a transfer, such as `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether the transfer is to end."""
        ...


class Readable(Protocol):
    """Something open from which bytes can be read, such as an open file; `read` may be a coroutine function."""

    def read(self, size: int = -1, /) -> bytes | Awaitable[bytes]:
        """Return at most *size* bytes, and none at the end."""
        ...
