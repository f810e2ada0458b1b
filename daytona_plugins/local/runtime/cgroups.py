"""Limits that the kernel keeps: a control group for each sandbox, where this machine lets us make some.

Root may make groups, and so may an ordinary user in a part of the tree that was handed over (`systemd-run --user --scope
-p Delegate=yes`). Both versions of the interface are spoken, because a machine may have a controller in either.

In version 2 a group with members cannot have groups with limits in it, except for the root of the tree. So a platform
that was handed its own group moves into a part of it first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.runtime.spec import Limits

PERIOD: Final = 100_000
"""In microseconds: how often what a sandbox may use of the processors is counted anew."""
OWN_PART: Final = "daytona-platform"


class Hierarchy(NamedTuple):
    """One mounted tree of groups: where we are in it, and which controllers it has."""

    version: int
    mount: Path
    own: Path
    controllers: frozenset[str]


class Group:
    """The group of one sandbox, which is a directory in each hierarchy that is needed."""

    def __init__(self, places: dict[str, tuple[int, Path]]) -> None:
        self._places = places

    def limit(self, limits: Limits) -> set[str]:
        """Set what is limited, and return what the kernel now keeps: of "cpu" and "memory"."""
        kept: set[str] = set()
        for name, (version, directory) in self._places.items():
            wanted = getattr(limits, name)
            if wanted is not None:
                for file, text in settings(version, name, wanted).items():
                    _write(directory / file, text)
                kept.add(name)
        return kept

    def take(self, process_1: int) -> None:
        """Take in all processes of a sandbox; those that they start later are members from the beginning."""
        taken: set[int] = set()
        while more := set(family(process_1)) - taken:
            for pid in more:
                for directory in self._directories:
                    with contextlib.suppress(ProcessLookupError):  # it has ended
                        _write(directory / "cgroup.procs", str(pid))
            taken |= more

    def close(self) -> None:
        """Remove the group, whose members have ended; one that is still busy goes with the next platform."""
        for directory in self._directories:
            with contextlib.suppress(OSError):
                directory.rmdir()

    @property
    def _directories(self) -> set[Path]:
        return {directory for _version, directory in self._places.values()}


class Cgroups:
    """All groups of one platform, which has a name of its own."""

    def __init__(self, name: str) -> None:
        self._parents = dict(_find_parents(directory_name(name)))

    @property
    def controllers(self) -> set[str]:
        """What can be limited here, of "cpu" and "memory"."""
        return set(self._parents)

    def open(self, sandbox_id: str) -> Group:
        """Make the group of a sandbox, without limits and without members."""
        places = {name: (version, parent / sandbox_id) for name, (version, parent) in self._parents.items()}
        for _version, directory in places.values():
            directory.mkdir(exist_ok=True)
        return Group(places)

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
        for parent in {tree.own, tree.own.parent, tree.mount}:
            for group in (parent / directory_name(name)).glob("*/"):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                (parent / directory_name(name)).rmdir()


def settings(version: int, name: str, value: int) -> dict[str, str]:
    """Return what is to be written into which files, in order, for *value* processors or bytes."""
    if name == "cpu" and version == 1:
        return {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(value * PERIOD)}
    if name == "cpu":
        return {"cpu.max": f"{value * PERIOD} {PERIOD}"}
    if version == 1:
        return {"memory.limit_in_bytes": str(value)}
    return {"memory.max": str(value), "memory.swap.max": "0"}


def family(process_1: int) -> Iterator[int]:
    """Yield a process and all that it has started, directly or not."""
    waiting = [process_1]
    while waiting:
        pid = waiting.pop()
        yield pid
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())


def parse_hierarchies(mountinfo: str, own: str) -> Iterator[Hierarchy]:
    """Yield the trees that /proc/self/mountinfo tells of, with where /proc/self/cgroup says that we are."""
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in own.splitlines())}
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        mount, top = Path(fields.split()[4]), fields.split()[3]
        if kind == "cgroup2":
            yield Hierarchy(2, mount, _below(mount, top, paths.get("", "/")), frozenset())
        elif kind == "cgroup":
            for controllers, path in paths.items():
                names = set(controllers.split(","))
                if controllers and names <= set(options.split(",")):
                    yield Hierarchy(1, mount, _below(mount, top, path), frozenset(names))


def hierarchies() -> Iterator[Hierarchy]:
    """Yield the trees of this machine, as this process sees them."""
    return parse_hierarchies(_read("/proc/self/mountinfo"), _read("/proc/self/cgroup"))


def _below(mount: Path, top: str, path: str) -> Path:
    """Return where a group lies in the file system; a container may see only a part of the tree."""
    relative = os.path.relpath(path, top)
    return mount if relative.startswith("..") else mount / relative


def _find_parents(name: str) -> Iterator[tuple[str, tuple[int, Path]]]:
    """Yield the controllers that we may use, each with the directory that is ours."""
    for hierarchy in hierarchies():
        for controller in ("cpu", "memory"):
            with contextlib.suppress(OSError):
                if hierarchy.version == 2:
                    yield controller, (2, make_in_version_2(hierarchy, controller, name))
                elif controller in hierarchy.controllers:
                    yield controller, (1, _make(hierarchy.own / name))


def make_in_version_2(hierarchy: Hierarchy, controller: str, name: str) -> Path:
    """Make our directory below the root of the tree, or else in our own group.

    Raises:
        OSError: Neither is allowed, or the controller is not there.
    """
    with contextlib.suppress(OSError):
        return _hand_down(hierarchy.mount, controller, name)
    own = hierarchy.own
    if own.name == OWN_PART:  # an earlier call has moved us
        return _hand_down(own.parent, controller, name)
    if controller not in _read(own / "cgroup.controllers").split():
        raise PermissionError(f"{own} has no {controller} controller")
    _move_us(_make(own / OWN_PART))
    try:
        return _hand_down(own, controller, name)
    except OSError:
        _move_us(own)
        (own / OWN_PART).rmdir()
        raise


def _move_us(group: Path) -> None:
    """Move this process and those that it has started, such as the zygote."""
    for pid in family(os.getpid()):
        with contextlib.suppress(ProcessLookupError):  # it has ended
            _write(group / "cgroup.procs", str(pid))


def _hand_down(group: Path, controller: str, name: str) -> Path:
    enabled = _read(group / "cgroup.subtree_control").split()
    if controller not in enabled:
        _write(group / "cgroup.subtree_control", f"+{controller}")
    ours = _make(group / name)
    _write(ours / "cgroup.subtree_control", f"+{controller}")
    return ours


def _make(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _write(file: Path, text: str) -> None:
    """Write in one piece and without creating anything: these are no ordinary files."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
