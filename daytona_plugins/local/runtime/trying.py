"""What a platform would be able to limit here, found out by children that do what a platform or a sandbox does."""

from __future__ import annotations

import os
from typing import NoReturn

from daytona_plugins.local.runtime import kernel, scope
from daytona_plugins.local.runtime.cgroups import Cgroups
from daytona_plugins.local.runtime.redirection import explain, redirect_everything


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


def try_redirection() -> str:
    """Return why connections cannot be redirected in a network of a sandbox, empty where they can."""
    reading, writing = os.pipe()
    child = kernel.fork_into(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET)
    if child == 0:
        _try_redirecting(writing)
    os.close(writing)
    with open(reading, "rb") as answer:
        told = answer.read().decode()
    os.waitpid(child, 0)
    return told


def _try_redirecting(writing: int) -> NoReturn:
    """Run as the child."""
    try:
        kernel.bring_loopback_up()
        redirect_everything().close()
    except OSError as error:
        os.write(writing, explain(error).encode())
    finally:
        os._exit(0)
