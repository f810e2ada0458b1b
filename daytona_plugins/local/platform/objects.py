"""The object store's memory: each object is the file that its key names.

What is being written lies apart until it is complete, and takes its place in one step; so a reader sees an object whole,
old or new, and a platform that dies in between leaves rubbish that the next one removes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

READ_SIZE = 1024 * 1024


class BadKeyError(ValueError):
    """No file can have this name."""


class BadDigestError(ValueError):
    """The content is not the one that was announced."""


class NoSuchUploadError(LookupError):
    """No upload in parts is under way under this name, or one of its parts is missing."""


class Object(NamedTuple):
    """One stored object."""

    key: str
    size: int
    modified_at: float
    etag: str


class Objects:
    """The objects of one platform."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._drafts = directory / ".drafts"
        shutil.rmtree(self._drafts, ignore_errors=True)

    def find(self, bucket: str, key: str) -> Object | None:
        """Return what is known of an object."""
        file = self.file(bucket, key)
        return _described(key, file) if file.is_file() else None

    def file(self, bucket: str, key: str) -> Path:
        """Return the file that holds an object, whether it is there or not.

        Raises:
            BadKeyError: The key cannot be a file's name.
        """
        parts = key.split("/")
        if not all(parts) or {".", ".."} & {*parts} or "\0" in key:
            raise BadKeyError(f"{key!r} cannot be the name of an object here")
        return self._directory.joinpath(bucket, *parts)

    def list(self, bucket: str, prefix: str) -> list[Object]:
        """Return the objects whose keys begin with *prefix*, by key."""
        root = self._directory / bucket
        found = ((str(file.relative_to(root)), file) for file in _files(root))
        return sorted(_described(key, file) for key, file in found if key.startswith(prefix))

    def remove(self, bucket: str, key: str) -> None:
        """Remove an object; fine when it is not there."""
        file = self.file(bucket, key)
        if file.is_file():
            file.unlink()
            with contextlib.suppress(OSError):  # something else is below it
                file.parent.rmdir()

    async def put(self, bucket: str, key: str, body: AsyncIterator[bytes], digest: str | None) -> Object:
        """Store an object.

        Args:
            digest: SHA-256 that the content must have, in hexadecimal; None takes anything.

        Raises:
            BadDigestError: The content is another one; nothing is stored.
        """
        file = self.file(bucket, key)
        draft = self._draft()
        try:
            await _receive(draft, body, digest)
            return _publish(draft, file, key)
        finally:
            draft.unlink(missing_ok=True)

    # -- In parts -------------------------------------------------------------------------------------------------

    def begin(self, bucket: str, key: str) -> str:
        """Return the name of a new upload."""
        self.file(bucket, key)
        draft = self._draft()
        draft.mkdir()
        return draft.name

    async def put_part(
        self, upload: str, number: int, body: AsyncIterator[bytes], digest: str | None
    ) -> Object:
        """Store one part of an upload; a second one with this number replaces the first."""
        directory = self._upload(upload)
        draft = directory / f"{number}.draft"
        try:
            await _receive(draft, body, digest)
            return _publish(draft, directory / str(number), str(number))
        finally:
            draft.unlink(missing_ok=True)

    async def complete(self, bucket: str, key: str, upload: str, parts: Sequence[tuple[int, str]]) -> Object:
        """Make an object of the numbered parts, each of which is named with its tag.

        Raises:
            NoSuchUploadError: There is no such upload, or no such part of it.
        """
        directory = self._upload(upload)
        files = [directory / str(number) for number, _ in parts]
        for file, (number, etag) in zip(files, parts, strict=True):
            if not file.is_file() or _described("", file).etag != etag:
                raise NoSuchUploadError(f"part {number} is not there, or is another one")
        whole = directory / "whole"
        await asyncio.to_thread(_concatenate, files, whole)
        made = _publish(whole, self.file(bucket, key), key)
        self.abort(upload)
        return made

    def abort(self, upload: str) -> None:
        """Forget an upload; what is being received for it will find no place."""
        shutil.rmtree(self._upload(upload))

    def _upload(self, upload: str) -> Path:
        directory = self._drafts / upload
        if not upload.isalnum() or not directory.is_dir():
            raise NoSuchUploadError(f"no upload {upload!r} is under way")
        return directory

    def _draft(self) -> Path:
        self._drafts.mkdir(parents=True, exist_ok=True)
        return self._drafts / secrets.token_hex(16)


def read(file: Path, first: int, size: int) -> Iterator[bytes]:
    """Yield *size* bytes of a file from the byte *first* on."""
    with file.open("rb") as stream:
        stream.seek(first)
        while size and (chunk := stream.read(min(size, READ_SIZE))):
            size -= len(chunk)
            yield chunk


async def _receive(draft: Path, body: AsyncIterator[bytes], digest: str | None) -> None:
    hashed = sha256()
    with draft.open("xb") as stream:
        async for chunk in body:
            hashed.update(chunk)
            stream.write(chunk)
    if digest is not None and hashed.hexdigest() != digest:
        raise BadDigestError("the content does not have the announced hash")


def _publish(draft: Path, file: Path, key: str) -> Object:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(file)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise BadKeyError(f"{key!r} is below another object, or above one") from error
    return _described(key, file)


def _concatenate(files: Sequence[Path], whole: Path) -> None:
    with whole.open("wb") as target:
        for file in files:
            with file.open("rb") as source:
                shutil.copyfileobj(source, target, READ_SIZE)


def _described(key: str, file: Path) -> Object:
    found = file.stat()
    etag = sha256(f"{found.st_size} {found.st_mtime_ns} {found.st_ino}".encode()).hexdigest()[:32]
    return Object(key, found.st_size, found.st_mtime, etag)


def _files(root: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(root):
        yield from (root.joinpath(directory, name) for name in names)
