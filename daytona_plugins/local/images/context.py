"""The files that a client uploaded for a build, read out of their archives and never unpacked on this machine.

A name in an archive is only ever a key here, so there is nothing that `..` or a link could lead to.
"""

from __future__ import annotations

import asyncio
import copy
import fnmatch
import hashlib
import io
import posixpath
import tarfile
import tempfile
from contextlib import ExitStack, contextmanager, nullcontext
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from daytona.protocols.dockerignore import Ignore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
    from pathlib import Path

READ_SIZE = 256 * 1024


class ContextError(Exception):
    """A file that a Dockerfile names is not among those that were uploaded, or the upload is damaged."""


class _Entry(NamedTuple):
    member: tarfile.TarInfo
    open: Callable[[], IO[bytes] | None]
    """Opens its content; None for what has none."""


class Selection(NamedTuple):
    """Files of a context, by the names they get."""

    entries: dict[str, _Entry]
    single: bool
    """It is one file, which may get another name."""

    def digest(self) -> str:
        """Return a name for exactly this content."""
        found = hashlib.sha256()
        for name, entry in sorted(self.entries.items()):
            member = entry.member
            facts = (name, member.mode & 0o777, member.type, member.linkname, member.size)
            found.update(repr(facts).encode("utf-8", "surrogateescape"))
            with _opened(entry) as content:
                while content and (piece := content.read(READ_SIZE)):
                    found.update(piece)
        return found.hexdigest()

    async def archive(self) -> AsyncGenerator[bytes, None]:
        """Yield a tar archive of the files."""
        with tempfile.TemporaryFile() as file:
            await asyncio.to_thread(self._write, file)
            while piece := file.read(READ_SIZE):
                yield piece

    def _write(self, file: IO[bytes]) -> None:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as target:
            for name, entry in sorted(self.entries.items()):
                with _opened(entry) as content:
                    target.addfile(_renamed(entry.member, name), content)
        file.seek(0)

    def with_files(self, files: Mapping[str, bytes]) -> Selection:
        """Return the same files and some more, of which only names and contents are known."""
        entries = self.entries | {name: _made(name, content) for name, content in files.items()}
        return Selection(entries, len(entries) == 1 and (self.single or not self.entries))

    def without(self, patterns: Iterable[str]) -> Selection:
        """Return what is left when the files that fit patterns are left out."""
        ignore = Ignore(patterns)
        kept = {name: entry for name, entry in self.entries.items() if not ignore.excludes(name)}
        return Selection(kept, self.single)


def entry_of_file(path: Path, mode: int) -> _Entry:
    """Return a file of this machine as one of a context."""
    member = tarfile.TarInfo(path.name)
    member.size, member.mode = path.stat().st_size, mode
    return _Entry(member, lambda: path.open("rb"))


@contextmanager
def _opened(entry: _Entry) -> Generator[IO[bytes] | None]:
    content = entry.open()
    with content if content is not None else nullcontext():
        yield content


def _renamed(member: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    """Return the member under another name, belonging to nobody in particular."""
    written = copy.copy(member)
    written.name, written.uid, written.gid, written.uname, written.gname = name, 0, 0, "", ""
    return written


def _made(name: str, content: bytes) -> _Entry:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return _Entry(member, lambda: io.BytesIO(content))


NOTHING: Final = Selection({}, single=False)


class Context:
    """All archives of one build, as if they were one directory."""

    def __init__(self, archives: Iterable[Path]) -> None:
        self._files = ExitStack()
        self._entries: dict[str, _Entry] = {}
        try:
            for path in archives:
                self._read(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the archives."""
        self._files.close()

    def select(self, patterns: Iterable[str]) -> Selection:
        """Return what COPY takes when it is given *patterns*.

        Raises:
            ContextError: One of them names nothing.
        """
        chosen: dict[str, _Entry] = {}
        single = True
        for number, pattern in enumerate(patterns):
            names = self._matching(_normal(pattern))
            if not names:
                raise ContextError(f"{pattern!r} is not in the build context")
            for name in names:
                single = single and number == 0 and len(names) == 1 and self._is_file(name)
                chosen |= self._taken(name)
        return Selection(chosen, single)

    def _read(self, path: Path) -> None:
        try:
            archive = tarfile.open(path, mode="r:")  # noqa: SIM115 (the stack closes it)
            self._files.callback(archive.close)
            for member in archive:
                if member.isfile() or member.isdir() or member.issym():  # no devices, no pipes
                    self._entries[_normal(member.name)] = _Entry(member, _opener(archive, member))
                elif member.islnk():
                    self._entries[_normal(member.name)] = self._entries[_normal(member.linkname)]
        except FileNotFoundError as error:
            raise ContextError(f"the context {path.parent.name} was not uploaded") from error
        except (tarfile.TarError, KeyError) as error:
            raise ContextError(f"the context {path.parent.name} is damaged: {error}") from error

    def _matching(self, pattern: str) -> list[str]:
        if pattern == "." or self._exists(pattern):
            return [pattern]
        depth = pattern.count("/") + 1
        names = {"/".join(name.split("/")[:depth]) for name in self._entries if name.count("/") + 1 >= depth}
        return sorted(name for name in names if _fits(name, pattern))

    def _exists(self, name: str) -> bool:
        return name in self._entries or any(entry.startswith(f"{name}/") for entry in self._entries)

    def _is_file(self, name: str) -> bool:
        return name in self._entries and not self._entries[name].member.isdir()

    def _taken(self, name: str) -> dict[str, _Entry]:
        """Return a file by its last name, or what is in a directory by its names below that."""
        if self._is_file(name):
            return {posixpath.basename(name): self._entries[name]}
        prefix = "" if name == "." else f"{name}/"
        return {
            found[len(prefix) :]: entry
            for found, entry in self._entries.items()
            if found.startswith(prefix) and found != "."
        }


def _opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], IO[bytes] | None]:
    return lambda: archive.extractfile(member) if member.isfile() else None


def _normal(name: str) -> str:
    return posixpath.normpath(name).lstrip("/") or "."


def _fits(name: str, pattern: str) -> bool:
    """A star stands for a part of one name, not for a way down."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
