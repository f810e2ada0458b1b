"""Where a platform may make groups: a directory of its own, with controllers that it can hand out.

In version 2 of the interface a group with members cannot have groups with limits in it, except for the root of the whole
tree. So a platform in a group that was handed over to it moves into a part of that first, and takes along whom it has
started. Where everybody in the group can be expected to be ours, all of them move: the group was handed over (systemd
marks such a group), or it is as much of the tree as a container sees.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.runtime.cgroup_trees import Hierarchy, controllers_of, read, write
from daytona_plugins.local.runtime.families import family

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CONTROLLERS: Final = ("cpu", "memory", "pids")
OWN_PART: Final = "daytona-platform"
ROUNDS: Final = 3
"""Who is started by one that has not been moved yet is found in the next round."""
DELEGATED: Final = "user.delegate"
"""An attribute that systemd gives to what it has handed over; older ones than 251 do not."""


class Claim(NamedTuple):
    """A directory that is ours, and what groups in it can be limited with."""

    version: int
    directory: Path
    controllers: frozenset[str]


def claim(tree: Hierarchy, name: str) -> Claim:
    """Make our directory in a tree.

    Raises:
        OSError: We may not, or it has nothing that a group could be limited with.
    """
    return _claim_in_version_2(tree, name) if tree.version == 2 else _claim_in_version_1(tree, name)


def _claim_in_version_1(tree: Hierarchy, name: str) -> Claim:
    controllers = tree.controllers.intersection(CONTROLLERS)
    if not controllers:
        raise PermissionError(f"{tree.mount} has no controller that limits")
    return Claim(1, _make(tree.own / name), controllers)


def _claim_in_version_2(tree: Hierarchy, name: str) -> Claim:
    """Make it below the root of the tree, which asks nobody to move, or else in our own group."""
    with contextlib.suppress(OSError):
        return _hand_down(tree.mount, name)
    if tree.own.name == OWN_PART:  # an earlier call has moved us
        return _hand_down(tree.own.parent, name)
    return _divide(tree, name)


def is_handed_over(group: Path) -> bool:
    """Return whether systemd has said that a group is for its members to divide."""
    try:
        return os.getxattr(group, DELEGATED) == b"1"
    except OSError:
        return False


def _divide(tree: Hierarchy, name: str) -> Claim:
    own = tree.own
    if not controllers_of(own).intersection(CONTROLLERS):
        raise PermissionError(f"{own} has no controller that limits")
    everybody = own == tree.mount or is_handed_over(own)
    _make(own / OWN_PART)
    for _ in range(ROUNDS):
        _move(_members(own, everybody=everybody), own / OWN_PART)
    try:
        return _hand_down(own, name)
    except OSError:
        _move(_members(own / OWN_PART, everybody=True), own)
        (own / OWN_PART).rmdir()
        raise


def _hand_down(group: Path, name: str) -> Claim:
    """Make our directory below a group without members, with as many controllers as there are.

    Only the root of the whole tree, which has no type, may have members. Elsewhere the kernel would let `cpu` and `pids` be
    handed down beside members, but to threads of these only.
    """
    if (group / "cgroup.type").exists() and _members(group, everybody=True):
        raise PermissionError(f"{group} has members")
    kept = [one for one in CONTROLLERS if one in controllers_of(group) and _enable(group, one)]
    if not kept:
        raise PermissionError(f"{group} hands down no controller that limits")
    ours = _make(group / name)
    return Claim(2, ours, frozenset(one for one in kept if _enable(ours, one)))


def _enable(group: Path, controller: str) -> bool:
    """Return whether groups below this one can be limited with a controller, from now on if need be."""
    if controller in read(group / "cgroup.subtree_control").split():
        return True
    try:
        write(group / "cgroup.subtree_control", f"+{controller}")
    except OSError:
        return False
    return True


def _members(group: Path, *, everybody: bool) -> set[int]:
    members = {int(pid) for pid in read(group / "cgroup.procs").split()}
    return members if everybody else members.intersection(family(os.getpid()))


def _move(pids: Iterable[int], group: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            write(group / "cgroup.procs", str(pid))


def _make(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory
