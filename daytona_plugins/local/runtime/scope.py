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

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE: Final = 5.0
"""In seconds, for systemd to answer and then to do it; sandboxes can be made meanwhile but not limited."""
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


def move(pids: Sequence[int]) -> None:
    """Move processes of ours into a scope that is handed over to us; where that fails they stay where they are."""
    name = f"daytona-{pids[0]}.scope"
    if _ask(name, pids):
        deadline = time.monotonic() + PATIENCE
        while not all(_is_in(pid, name) for pid in pids) and time.monotonic() < deadline:
            time.sleep(POLL)


def _would_help(tree: Hierarchy) -> bool:
    own = tree.own.parent if tree.own.name == OWN_PART else tree.own
    divisible = is_handed_over(own) or own == tree.mount or own.suffix == ".service"
    return not divisible and bool(controllers_of(tree.mount).intersection(CONTROLLERS))


def _ask(name: str, pids: Sequence[int]) -> bool:
    """Return whether systemd has promised the scope, which is gone when its last process is."""
    properties = ["PIDs", "au", str(len(pids)), *map(str, pids), "Delegate", "b", "1"]
    properties += ["CollectMode", "s", "inactive-or-failed", "Description", "s", "Sandboxes of daytona"]
    command = ["busctl", "--user", "--quiet", "call", *_MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime_directory())}
    try:
        answer = subprocess.run(  # noqa: S603 (a fixed program; the rest is numbers and our own words)
            [*command, name, "fail", "4", *properties, "0"],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _is_in(pid: int, scope: str) -> bool:
    return any(line.endswith(f"/{scope}") for line in read(f"/proc/{pid}/cgroup").splitlines())
