"""A file's new content: complete or not there at all, whatever becomes of the upload that brings it.

The content goes to a temporary file beside the destination, which takes its place at the end. Some destinations must keep
their place: what is no regular file, what has other names or another owner, what stands in a directory where nothing can
be made. Those are written in place, and a broken upload leaves the beginning.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING, BinaryIO, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

NEW: Final = 0o666


class Replacement:
    """An open file for the content of *path*; leaving it without an error puts the content in place.

    Raises:
        OSError: *path* cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)
        self._temporary: str | None = None
        existing = _existing(path)
        if existing is None:
            self.file = self._beside(NEW)
        elif (mode := _replaceable(existing)) is None:
            self.file = _emptied(existing)
        else:
            self.file = self._beside_or_in_place(existing, mode)

    def _beside(self, mode: int) -> BinaryIO:
        temporary = os.path.join(os.path.dirname(self._path), f".daytona-{secrets.token_hex(8)}.part")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        self._temporary = temporary
        return open(file, "wb")

    def _beside_or_in_place(self, existing: int, mode: int) -> BinaryIO:
        try:
            file = self._beside(mode)
        except OSError:
            return _emptied(existing)
        os.close(existing)
        os.fchmod(file.fileno(), mode)  # the mask of new files does not apply to what was there
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.file.close()
            if kind is None and self._temporary is not None:
                os.replace(self._temporary, self._path)
        finally:
            if self._temporary is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._temporary)


def _existing(path: str) -> int | None:
    """Return a descriptor of what is at *path*, None if nothing is; a pipe that nobody reads fails instead of waiting."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None


def _replaceable(file: int) -> int | None:
    """Return the permissions that a file in its place must have, None when it has to stay."""
    status = os.fstat(file)
    ours = status.st_uid == os.geteuid() and status.st_gid == os.getegid()
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or not ours:
        return None
    return stat.S_IMODE(status.st_mode)


def _emptied(file: int) -> BinaryIO:
    if stat.S_ISREG(os.fstat(file).st_mode):
        os.ftruncate(file, 0)
    return open(file, "wb")
