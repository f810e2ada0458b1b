"""The trees of control groups of this machine, and where in them this process is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Hierarchy(NamedTuple):
    """One mounted tree of groups: where we are in it, and which controllers it has."""

    version: int
    mount: Path
    own: Path
    controllers: frozenset[str]
    """Empty in version 2, where each group says for itself what it has."""
    read_only: bool = False


def hierarchies() -> list[Hierarchy]:
    """Return the trees of this machine, as this process sees them."""
    return list(parse_hierarchies(read("/proc/self/mountinfo"), read("/proc/self/cgroup")))


def parse_hierarchies(mountinfo: str, own: str) -> Iterator[Hierarchy]:
    """Yield the trees that /proc/self/mountinfo tells of, with where /proc/self/cgroup says that we are."""
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in own.splitlines())}
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        _, _, _, top, mount, how, *_ = fields.split()
        read_only = "ro" in how.split(",")
        if kind == "cgroup2":
            yield Hierarchy(
                2, Path(mount), _below(Path(mount), top, paths.get("", "/")), frozenset(), read_only
            )
        elif kind == "cgroup":
            for controllers, path in paths.items():
                names = set(controllers.split(","))
                if controllers and names <= set(options.split(",")):
                    yield Hierarchy(
                        1, Path(mount), _below(Path(mount), top, path), frozenset(names), read_only
                    )


def controllers_of(group: Path) -> set[str]:
    """Return what a group of version 2 may be limited with."""
    return set(read(group / "cgroup.controllers").split())


def read(path: str | Path) -> str:
    """Return what a file of the kernel says, nothing when it cannot be read."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def write(file: Path, text: str) -> None:
    """Write in one piece and without creating anything: these are no ordinary files."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _below(mount: Path, top: str, path: str) -> Path:
    """Return where a group lies in the file system; a container may see only a part of the tree."""
    relative = os.path.relpath(path, top)
    return mount if relative.startswith("..") else mount / relative
