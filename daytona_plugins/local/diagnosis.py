"""What holds on this machine, and how to get more: each sentence is tried before it is said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daytona_plugins.local.egress.certificates import can_sign
from daytona_plugins.local.platform.preview_addresses import names_resolve
from daytona_plugins.local.runtime.shifting import can_shift
from daytona_plugins.local.runtime.trying import try_groups, try_redirection
from daytona_plugins.local.runtime.unkept import why_not_kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.paths import Paths


def diagnose(paths: Paths) -> Iterator[str]:
    """Yield a line about each promise that depends on the machine, for one that can isolate sandboxes."""
    yield _users(paths)
    yield from _limits(paths)
    yield _networks()
    if names_resolve():
        yield "previews: every program here resolves their names"
    else:
        yield (
            "previews: only browsers and curl resolve their names here\n"
            "  more: DAYTONA_LOCAL_PREVIEWS=addresses, or the Debian package libnss-myhostname"
        )
    if can_sign():
        yield "secrets: put into HTTP and HTTPS"
    else:
        yield "secrets: put into HTTP only\n  more: install the extra `secrets` for HTTPS"


def _users(paths: Paths) -> str:
    if os.getuid() != 0:
        return "users: user 0 inside is you outside"
    if can_shift(str(paths.data)):
        return "users: user 0 inside is an id outside that nobody has"
    return "users: user 0 inside is root outside, without capabilities\n  more: run the platform as an ordinary user"


def _networks() -> str:
    others = "network: a sandbox without limits has this machine's"
    if why := try_redirection():
        return f"{others}; with limits, only programs that use a proxy reach anything\n  more: {why}"
    return f"{others}; the lists hold for every program of one with limits"


def _limits_processes(paths: Paths) -> bool:
    """Return whether processes are counted for each user, and a sandbox has one of its own."""
    return os.getuid() != 0 or can_shift(str(paths.data))


def _limits(paths: Paths) -> Iterator[str]:
    kept = try_groups(f"{paths.data} diagnosis")
    cpu = "enforced" if "cpu" in kept else "ignored"
    memory = "enforced" if "memory" in kept else "watched"
    processes = "enforced" if _limits_processes(paths) or "pids" in kept else "ignored"
    yield f"limits that were asked for: cpu {cpu}, memory {memory}, disk watched, processes {processes}"
    for sentence in why_not_kept({"cpu", "memory"} - kept):
        yield f"  more: {sentence}"
