"""What a platform would be able to limit here, found out by a child that does what a platform does."""

from __future__ import annotations

import os
from typing import NoReturn

from daytona_plugins.local.runtime import scope
from daytona_plugins.local.runtime.cgroups import Cgroups


def try_groups(name: str) -> frozenset[str]:
    """Return which of "cpu", "memory" and "pids" control groups can limit; this process stays in the group it is in."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _try(name, writing)
    os.close(writing)
    with open(reading, "rb") as answer:
        told = answer.read().decode()
    os.waitpid(child, 0)
    return frozenset(told.split())


def _try(name: str, writing: int) -> NoReturn:
    """Run as the child."""
    try:
        if scope.is_wanted():
            scope.move(os.getpid())
        groups = Cgroups(name)
        os.write(writing, " ".join(groups.controllers).encode())
        groups.close()
    finally:
        os._exit(0)
