"""Where layers are kept: one directory each, made beside its place and renamed into it, never changed afterwards.

A layer has the shape of a sandbox's writable layer, so that keeping what a sandbox wrote is one rename:

    <data>/layers/<name>/root/files        what lies at /
    <data>/layers/<name>/usr/files         what lies at /usr, over the host's programs
    <data>/layers/<name>/var_lib_dpkg/...

A process that is killed leaves the layer whole or not at all, and drafts that the next one removes.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import secrets
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.runtime.rootfs import WORK
from daytona_plugins.local.runtime.runner import remove_tree
from daytona_plugins.local.work import Work

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable
    from pathlib import Path

    from daytona_plugins.local.paths import Paths

# Written by the runtime at each start: they name one sandbox and are no part of what it makes.
KEPT: Final = "kept-"
IDENTITY: Final = ("hostname", "hosts", "resolv.conf")


PAUSE: Final = 0.1
"""Seconds for whoever waits for what was in the way of a directory that is discarded: removing it takes time and a thread."""


class InUseError(Exception):
    """Images are being made, so that nobody can tell what they will need."""


class Layers:
    """All layers of one platform."""

    def __init__(self, paths: Paths) -> None:
        self.directory = paths.data / "layers"
        self._drafts = paths.data / "builds"
        self._caches = paths.data / "build-caches"
        self._lock_file = paths.data / "layers.lock"
        self._waste = Work()

    def open(self) -> None:
        """Make the directories."""
        for directory in (self.directory, self._drafts):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def clean(self) -> None:
        """Remove the drafts of a process that was killed, unless there is one that lives and has some."""
        with suppress(InUseError), self.alone():
            for draft in self._drafts.iterdir():
                await remove_tree(draft)

    @contextmanager
    def held(self) -> Generator[None]:
        """Let nothing be pruned while the block runs, which makes an image and gives it to somebody."""
        descriptor = self._locked(fcntl.LOCK_SH)
        try:
            yield
        finally:
            os.close(descriptor)

    @asynccontextmanager
    async def in_use(self) -> AsyncGenerator[None]:
        """Let nothing be pruned, as `held` does; waiting for a prune that is under way lets others go on."""
        try:
            descriptor = self._locked(fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            descriptor = await asyncio.to_thread(self._locked, fcntl.LOCK_SH)
        try:
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Let nobody make an image while the block runs.

        Raises:
            InUseError: Somebody does.
        """
        try:
            descriptor = self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseError("images are being made; try again when that is done") from error
        try:
            yield
        finally:
            os.close(descriptor)

    def _locked(self, operation: int) -> int:
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, operation)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def draft(self) -> Path:
        """Return a new name for a layer in the making; whoever made the directory keeps or removes it."""
        return self._drafts / secrets.token_hex(8)

    def cache(self, name: str) -> Path:
        """Return the directory that steps share which ask for the cache *name*."""
        directory = self._caches / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        return directory

    def has(self, name: str) -> bool:
        """Return whether there is this layer."""
        return (self.directory / name).is_dir()

    def names(self) -> list[str]:
        """Return all layers."""
        return [path.name for path in self.directory.iterdir()]

    def caches(self) -> list[Path]:
        """Return the directories of all caches."""
        return [*self._caches.iterdir()] if self._caches.is_dir() else []

    def kept(self) -> set[str]:
        """Return the layers that were files of sandboxes; those of builds and images have other names."""
        return {path.name for path in self.directory.glob(f"{KEPT}*")}

    def paths_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the directories of layers."""
        return tuple(str(self.directory / name) for name in names)

    def is_empty(self, name: str) -> bool:
        """Return whether the layer changes nothing."""
        return not any((self.directory / name).iterdir())

    async def keep(self, draft: Path, name: str) -> None:
        """Make a layer of what a sandbox, which has ended, has written; if there is one of that name, it is as good.

        What is no part of it is at *draft* after that. Nothing is removed here: some file systems take milliseconds for
        each directory.
        """
        waste = self.draft()
        waste.mkdir(mode=0o700)
        _separate(draft, waste)
        if not self.adopt(draft, name):
            await remove_tree(draft)
        os.rename(waste, draft)

    def adopt(self, draft: Path, name: str) -> bool:
        """Rename a directory that is a layer already, and return True, unless there is one of that name."""
        with suppress(FileExistsError, NotADirectoryError):
            if not self.has(name):
                os.rename(draft, self.directory / name)
                return True
        return False

    def remove(self, name: str) -> None:
        """Remove a layer that nothing is made of any more."""
        self.discard(self.directory / name)

    def discard(self, directory: Path) -> None:
        """Take a directory away now, and remove it in the background; fine when it is not there."""
        draft = self.draft()
        with suppress(FileNotFoundError):
            os.rename(directory, draft)
            self._waste.begin(_remove(draft))

    async def emptied(self) -> None:
        """Return when everything is gone that was discarded."""
        await self._waste.finish()


async def _remove(draft: Path) -> None:
    await asyncio.sleep(PAUSE)
    with suppress(FileNotFoundError):  # another process that cleans up was faster
        await remove_tree(draft)


def _separate(draft: Path, waste: Path) -> None:
    """Move to *waste* what names a sandbox, what the kernel has worked in, and trees in which nothing has been written."""
    _move_identity(draft / "root" / "files", waste)
    with suppress(FileNotFoundError):  # it is a copy
        os.rename(draft / WORK, waste / WORK)
    for tree in _trees(draft):
        if _is_empty(tree / "files"):
            os.rename(tree, waste / tree.name)


def _move_identity(files: Path, waste: Path) -> None:
    """Programs of the sandbox made what is here, so no link in it is followed."""
    with ExitStack() as stack, suppress(FileNotFoundError):
        try:
            etc = _entered(stack, files / "etc")
        except NotADirectoryError:  # it is a link
            return
        for name in IDENTITY:
            with suppress(FileNotFoundError):
                os.rename(name, waste / name, src_dir_fd=etc)
        if _is_empty(files / "etc"):
            with suppress(PermissionError):  # it was closed to its owner, and does no harm where it is
                os.rename(files / "etc", waste / "etc")


def _is_empty(directory: Path) -> bool:
    """Return whether it is a directory without anything in it."""
    try:
        with os.scandir(directory) as entries:
            return next(entries, None) is None
    except (FileNotFoundError, NotADirectoryError):
        return False


def _trees(draft: Path) -> list[Path]:
    return [path for path in draft.iterdir() if path.name != WORK]


def forget(draft: Path, path: str) -> None:
    """Remove a file, or an empty directory, that was shown at *path* inside and is no part of a layer.

    Programs of the sandbox made what is here, so no link in it is followed.
    """
    over = [tree for tree in _trees(draft) if path.startswith(f"{_prefix(tree)}/")]
    tree = max(over, key=lambda tree: len(_prefix(tree)))
    *parents, name = path.removeprefix(f"{_prefix(tree)}/").split("/")
    with ExitStack() as stack, suppress(OSError):  # it is not in this layer, or holds what the step has made
        directory = _entered(stack, tree / "files")
        for parent in parents:
            directory = _entered(stack, parent, directory)
        try:
            os.unlink(name, dir_fd=directory)
        except IsADirectoryError:
            os.rmdir(name, dir_fd=directory)


def _prefix(tree: Path) -> str:
    return "" if tree.name == "root" else f"/{tree.name.replace('_', '/')}"


def _entered(stack: ExitStack, path: str | Path, directory: int | None = None) -> int:
    descriptor = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    stack.callback(os.close, descriptor)
    return descriptor
