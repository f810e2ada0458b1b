"""A part of the tree of control groups for the platform of an ordinary user, from the systemd that runs for this user.

A program that was started by hand is in a group that belongs to its session or its terminal, and may not be divided. So
the platform asks for a scope of its own, once, before the first sandbox: processes can be moved within it only. It asks
with `busctl`, which is there wherever systemd is.

It stays where it is when that was handed over to it, and when it runs in a service: what a service starts is to end with
the service.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.runtime.cgroup_claims import CONTROLLERS, OWN_PART, is_handed_over
from daytona_plugins.local.runtime.cgroup_trees import Hierarchy, controllers_of, hierarchies, read
from daytona_plugins.local.runtime.families import family

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE: Final = 20.0
"""In seconds, for systemd to answer and then to do it, which sandboxes wait for."""
POLL: Final = 0.005
_MANAGER: Final = (
    "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
)  # fmt: skip


def runtime_directory() -> Path:
    """Return where systemd keeps the sockets of this user."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")


def is_wanted() -> bool:
    """Return whether there is somebody to ask, and a reason to."""
    return (
        os.getuid() != 0
        and (runtime_directory() / "bus").exists()
        and any(_would_help(tree) for tree in hierarchies() if tree.version == 2)
    )


def move(process: int) -> None:
    """Move a process of ours, and all that it has started, into a scope that is handed over to us.

    Where that fails they stay where they are.
    """
    name = f"daytona-{process}.scope"
    deadline = time.monotonic() + PATIENCE
    if not _start(name, process):
        return
    while not _is_in(process, name) and time.monotonic() < deadline:
        time.sleep(POLL)
    while (
        late := [pid for pid in family(process) if _is_outside(pid, name)]
    ) and time.monotonic() < deadline:
        _attach(name, late)  # who was started by one that had not been moved yet


def _would_help(tree: Hierarchy) -> bool:
    own = tree.own.parent if tree.own.name == OWN_PART else tree.own
    divisible = is_handed_over(own) or own == tree.mount or own.suffix == ".service"
    return not divisible and bool(controllers_of(tree.mount).intersection(CONTROLLERS))


def _start(name: str, process: int) -> bool:
    """Return whether systemd has promised the scope, which is gone when its last process is."""
    about = ["Delegate", "b", "1", "CollectMode", "s", "inactive-or-failed", "Description", "s", "daytona"]
    properties = ["4", "PIDs", "au", "1", str(process), *about]
    return _call("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", *properties, "0")


def _attach(name: str, pids: Sequence[int]) -> bool:
    """Return whether all have been moved: one that has ended meanwhile keeps the others from it."""
    return _call("AttachProcessesToUnit", "ssau", name, "", str(len(pids)), *map(str, pids))


def _call(*method: str) -> bool:
    """Call a method of the systemd of this user, and return whether that succeeded."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime_directory())}
    try:
        answer = subprocess.run(  # noqa: S603 (a fixed program; the rest is numbers and our own words)
            ["busctl", "--user", "--quiet", "call", *_MANAGER, *method],  # noqa: S607 (as systemd is installed)
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _is_in(pid: int, scope: str) -> bool:
    return any(line.endswith(f"/{scope}") for line in read(f"/proc/{pid}/cgroup").splitlines())


def _is_outside(pid: int, scope: str) -> bool:
    """Return whether a process lives elsewhere; of one that has ended the kernel says nothing."""
    return read(f"/proc/{pid}/cgroup") != "" and not _is_in(pid, scope)
