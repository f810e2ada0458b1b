"""Directories of the host inside a sandbox: volumes.

A program in one sandbox can put a symbolic link anywhere in a volume or in its own root. Neither may lead the mounting of
the next sandbox astray: below a volume links are not followed at all, and the place to mount at is looked up only when
the sandbox's root is the root, so that a link there cannot leave it. Between the two steps the mount is a descriptor.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from daytona_plugins.local.runtime import kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daytona_plugins.local.runtime.spec import Mount


class Taken(NamedTuple):
    """A mount on its way into a sandbox."""

    descriptor: int
    target: str


def take_mounts(mounts: Iterable[Mount]) -> list[Taken]:
    """Open what is to be mounted, while the host's files can still be seen; outer targets come first."""
    return [Taken(_take(mount), mount.target) for mount in sorted(mounts, key=lambda mount: mount.target)]


def attach_mounts(taken: Iterable[Taken]) -> None:
    """Mount at the targets, which are made as needed."""
    for descriptor, target in taken:
        os.makedirs(target, mode=0o755, exist_ok=True)
        kernel.attach_mount(descriptor, target)
        os.close(descriptor)


def _take(mount: Mount) -> int:
    directory = _open(mount.source)
    for name in filter(None, mount.subpath.split("/")):
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
        inner = _open(name, directory)
        os.close(directory)
        directory = inner
    clone = kernel.clone_mount(directory)
    os.close(directory)
    return clone


def _open(path: str, directory: int | None = None) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
