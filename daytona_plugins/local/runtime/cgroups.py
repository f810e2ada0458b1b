"""Limits that the kernel keeps: a control group for each sandbox, where this machine lets us make some.

Root may make groups, and so may an ordinary user in a part of the tree that was handed over, which `scope` asks systemd
for. Both versions of the interface are spoken, because a machine may have a controller in either.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.runtime.cgroup_claims import OWN_PART, claim
from daytona_plugins.local.runtime.cgroup_trees import hierarchies, write
from daytona_plugins.local.runtime.families import family

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PERIOD: Final = 100_000
"""In microseconds: how often what a sandbox may use of the processors is counted anew."""
ABOUT_SWAP: Final = ("memory.swap.max", "memory.swappiness")
"""Files that a kernel without swap does not have, and need not have."""


class Group:
    """The group of one sandbox: a directory in each hierarchy that is needed, made when it is."""

    def __init__(self, places: dict[str, tuple[int, Path]]) -> None:
        self._places = places
        self._made: set[Path] = set()

    @property
    def controllers(self) -> frozenset[str]:
        """What it could be limited with."""
        return frozenset(self._places)

    def keep(self, process_1: int, wanted: Mapping[str, int | None]) -> set[str]:
        """Limit a sandbox, by controllers, and return what of that the kernel keeps from now on."""
        return {
            name
            for name, value in wanted.items()
            if value is not None and name in self._places and self._keeps(process_1, name, value)
        }

    def _keeps(self, process_1: int, name: str, value: int) -> bool:
        """What is refused is not kept: version 1, for one, takes no limit on memory below what is in use."""
        version, directory = self._places[name]
        try:
            self._take(process_1, directory)
            for file, text in settings(version, name, value).items():
                if file not in ABOUT_SWAP or (directory / file).exists():
                    write(directory / file, text)
        except OSError:
            return False
        return True

    def _take(self, process_1: int, directory: Path) -> None:
        """Take in all processes of a sandbox; those that they start later are members from the beginning."""
        if directory in self._made:
            return
        directory.mkdir(exist_ok=True)
        taken: set[int] = set()
        while more := set(family(process_1)) - taken:
            for pid in more:
                with contextlib.suppress(ProcessLookupError):  # it has ended
                    write(directory / "cgroup.procs", str(pid))
            taken |= more
        self._made.add(directory)

    def close(self) -> None:
        """Remove the group, whose members have ended; one that is still busy goes with the next platform."""
        for _version, directory in self._places.values():
            with contextlib.suppress(OSError):
                directory.rmdir()


class Cgroups:
    """All groups of one platform, which has a name of its own."""

    def __init__(self, name: str) -> None:
        self._parents: dict[str, tuple[int, Path]] = {}
        for tree in hierarchies():
            with contextlib.suppress(OSError):
                version, directory, controllers = claim(tree, directory_name(name))
                self._parents |= dict.fromkeys(controllers, (version, directory))

    @property
    def controllers(self) -> frozenset[str]:
        """What can be limited here, of "cpu", "memory" and "pids"."""
        return frozenset(self._parents)

    def open(self, sandbox_id: str) -> Group:
        """Return the group of a sandbox, without limits and without members."""
        return Group(
            {name: (version, parent / sandbox_id) for name, (version, parent) in self._parents.items()}
        )

    def close(self) -> None:
        """Remove the directory that all groups were in."""
        for _version, parent in self._parents.values():
            with contextlib.suppress(OSError):
                parent.rmdir()


def directory_name(name: str) -> str:
    """Return what the directory with the groups of a platform is called."""
    return f"daytona-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def remove_abandoned(name: str) -> None:
    """Remove the groups of a platform of this name that was killed, and whose sandboxes have ended with it."""
    for tree in hierarchies():
        own = tree.own.parent if tree.own.name == OWN_PART else tree.own
        for parent in {own, tree.mount}:
            for group in (parent / directory_name(name)).glob("*/"):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                (parent / directory_name(name)).rmdir()


def settings(version: int, name: str, value: int) -> dict[str, str]:
    """Return what is to be written into which files, in order, for *value* processors, bytes or processes."""
    match version, name:
        case 1, "cpu":
            return {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(value * PERIOD)}
        case _, "cpu":
            return {"cpu.max": f"{value * PERIOD} {PERIOD}"}
        case 1, "memory":
            return {"memory.limit_in_bytes": str(value), "memory.swappiness": "0"}
        case _, "memory":
            return {"memory.max": str(value), "memory.swap.max": "0"}
        case _:
            return {"pids.max": str(value)}
