"""Where layers are kept: one directory each, made beside its place and renamed into it, never changed afterwards.

A layer has the shape of a sandbox's writable layer, so that keeping what a sandbox wrote is one rename:

    <data>/layers/<name>/root/files        what lies at /
    <data>/layers/<name>/usr/files         what lies at /usr, over the host's programs
    <data>/layers/<name>/var_lib_dpkg/...

A process that is killed leaves the layer whole or not at all, and drafts that the next one removes.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.runtime.runner import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from daytona_plugins.local.paths import Paths

# Written by the runtime at each start: they name one sandbox and are no part of what it makes.
KEPT: Final = "kept-"
IDENTITY: Final = ("etc/hostname", "etc/hosts", "etc/resolv.conf")


class Layers:
    """All layers of one platform."""

    def __init__(self, paths: Paths) -> None:
        self.directory = paths.data / "layers"
        self._drafts = paths.data / "builds"

    def open(self) -> None:
        """Make the directories."""
        for directory in (self.directory, self._drafts):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def clean(self) -> None:
        """Remove the drafts of a process that was killed."""
        for draft in self._drafts.iterdir():
            await remove_tree(draft)

    def draft(self) -> Path:
        """Return a new name for a layer in the making; whoever made the directory keeps or removes it."""
        return self._drafts / secrets.token_hex(8)

    def has(self, name: str) -> bool:
        """Return whether there is this layer."""
        return (self.directory / name).is_dir()

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
        """Make a layer of what a sandbox, which has ended, has written; if there is one of that name, it is as good."""
        for tree in _trees(draft):
            await remove_tree(tree / "work")
            with suppress(OSError):  # it holds files
                (tree / "files").rmdir()
                tree.rmdir()
        self.adopt(draft, name)
        await remove_tree(draft)

    def adopt(self, draft: Path, name: str) -> None:
        """Rename a directory that is a layer already."""
        with suppress(FileExistsError, NotADirectoryError):
            if not self.has(name):
                os.rename(draft, self.directory / name)

    async def remove(self, name: str) -> None:
        """Remove a layer that nothing is made of any more."""
        draft = self.draft()
        with suppress(FileNotFoundError):
            os.rename(self.directory / name, draft)
            await remove_tree(draft)


def _trees(draft: Path) -> list[Path]:
    return list(draft.iterdir())


def forget_identity(draft: Path) -> None:
    """Remove the files by which a sandbox was named, before what it has written becomes a layer of others."""
    files = draft / "root" / "files"
    for name in IDENTITY:
        (files / name).unlink(missing_ok=True)
    with suppress(OSError):  # there is more in it, or nothing at all
        (files / "etc").rmdir()
