"""Local files as a build wants them: one hash that names them, and one tar that holds them, in pieces.

The hash is only a name under which the tar is kept, and is made of the same things in the same layout as the official
client's: the name in the build, then for each file its path and its content, without separators, modes or times. Here the
entries are sorted, so that one tree has one hash on every machine, and a link to a directory counts with where it leads.

Everything here reads files and blocks; services run it where that is allowed. Memory holds one piece, however large the
files are.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
from hashlib import md5, sha256
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DaytonaError, DaytonaValidationError
from ..image import archive_path
from ..protocols.dockerignore import Ignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BuildContext", "Part"]

READ_SIZE = 1024 * 1024
PART_SIZE = 5 * 1024 * 1024
"""The least that S3 takes as a part that is not the last."""


class Part(NamedTuple):
    """A piece of a tar, and the SHA-256 by which it is signed."""

    data: bytes
    digest: str


class _Entry(NamedTuple):
    path: str
    relative: str
    """With slashes on every system; empty for the root."""
    found: os.stat_result


class BuildContext:
    """A local file or directory, and its name in the build.

    Args:
        path: The file or directory.
        name: Its name in the build; None makes it from the path.
        ignored: What is left out: lines of a `.dockerignore`, which are about names in the build.

    Raises:
        FileNotFoundError: It is not there.
    """

    def __init__(self, path: str, name: str | None = None, ignored: Iterable[str] = ()) -> None:
        if not os.path.exists(path):
            raise FileNotFoundError(f"Path does not exist: {path}")
        self.path = path
        self._name = archive_path(path) if name is None else name
        self._ignore = Ignore(ignored)

    def hash(self) -> str:
        """Return the hash that names this context."""
        hashed = md5(self._name.encode("utf-8", "surrogateescape"), usedforsecurity=False)
        entries = list(self._entries())
        full = {posixpath.dirname(entry.relative) for entry in entries if entry.relative}
        for entry in entries:
            for piece in self._hashed(entry, empty=entry.relative not in full):
                hashed.update(piece)
        return hashed.hexdigest()

    def _hashed(self, entry: _Entry, *, empty: bool) -> Iterator[bytes]:
        name = entry.relative.encode("utf-8", "surrogateescape")
        if stat.S_ISDIR(entry.found.st_mode):
            if empty:
                yield name or b"."
            return
        yield name
        if stat.S_ISLNK(entry.found.st_mode) and not os.path.isfile(entry.path):
            yield os.fsencode(os.readlink(entry.path))
        else:
            yield from _content(entry.path)

    def parts(self) -> Iterator[Part]:
        """Yield the tar in parts of `PART_SIZE`, all but the last one."""
        pending = bytearray()
        for piece in self._tar():
            pending += piece
            while len(pending) >= PART_SIZE:
                yield _part(pending[:PART_SIZE])
                del pending[:PART_SIZE]
        if pending:
            yield _part(pending)

    def _tar(self) -> Iterator[bytes]:
        size = 0
        for entry in self._entries():
            for piece in _member(entry, self._name):
                size += len(piece)
                yield piece
        end = 2 * tarfile.BLOCKSIZE
        yield bytes(end + -(size + end) % tarfile.RECORDSIZE)

    def _entries(self) -> Iterator[_Entry]:
        """Yield the root and everything below it that is not left out, in the order of names."""
        root = _Entry(self.path, "", os.stat(self.path))
        yield root
        if stat.S_ISDIR(root.found.st_mode):
            yield from self._below(root)

    def _below(self, directory: _Entry) -> Iterator[_Entry]:
        for entry in _entries_in(directory):
            is_directory = stat.S_ISDIR(entry.found.st_mode)
            if not self._leaves_out(entry):
                yield _checked(entry)
                yield from self._below(entry) if is_directory else ()
            elif is_directory and self._ignore.takes_back:
                yield from self._taken_back(entry)

    def _taken_back(self, directory: _Entry) -> Iterator[_Entry]:
        """Yield what is not left out below a directory that is, and then the directory before it."""
        found = self._below(directory)
        first = next(found, None)
        if first is not None:
            yield directory
            yield first
            yield from found

    def _leaves_out(self, entry: _Entry) -> bool:
        return self._ignore.excludes(posixpath.normpath(f"{self._name}/{entry.relative}"))


def _entries_in(directory: _Entry) -> Iterator[_Entry]:
    for name in sorted(os.listdir(directory.path)):
        path = os.path.join(directory.path, name)
        relative = f"{directory.relative}/{name}" if directory.relative else name
        yield _Entry(path, relative, os.lstat(path))


def _checked(entry: _Entry) -> _Entry:
    mode = entry.found.st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise DaytonaValidationError(
            f"{entry.path} is neither a file nor a directory, and cannot be part of an image"
        )
    return entry


def _member(entry: _Entry, name: str) -> Iterator[bytes]:
    """Yield one member of a tar: its head, its content, and zeros up to a full block."""
    info = tarfile.TarInfo("/".join(part for part in (name.strip("/"), entry.relative) if part) or ".")
    info.mode = stat.S_IMODE(entry.found.st_mode)
    info.mtime = int(entry.found.st_mtime)
    if stat.S_ISDIR(entry.found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(entry.found.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(entry.path)
    else:
        info.size = entry.found.st_size
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if info.isreg():
        yield from _exactly(entry.path, info.size)
        yield bytes(-info.size % tarfile.BLOCKSIZE)


def _exactly(path: str, size: int) -> Iterator[bytes]:
    """Yield the content of a file whose size has been announced already."""
    for piece in _content(path):
        yield piece[:size]
        size -= len(piece[:size])
    if size:
        raise DaytonaError(f"{path} became shorter while it was uploaded")


def _content(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(READ_SIZE):
            yield piece


def _part(data: bytearray) -> Part:
    return Part(bytes(data), sha256(data).hexdigest())
