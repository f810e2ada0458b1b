"""Which entries of /proc a sandbox may see, and which it may write to."""

from __future__ import annotations

import os
import stat
from typing import Final

import msgspec

# They show the memory, the keys, the log or the timers of the whole machine.
MASKED_IN_PROC: Final = {
    "kcore", "keys", "key-users", "kmsg", "kpagecgroup", "kpagecount", "kpageflags", "latency_stats", "modules",
    "kallsyms", "sched_debug", "timer_list", "timer_stats", "vmallocinfo",
}  # fmt: skip


class ProcPlan(msgspec.Struct, frozen=True):
    """The entries of /proc that are not about processes, by what a sandbox may do with them."""

    masked: list[str]
    read_only: list[str]


def plan_proc() -> ProcPlan:
    """Look at this machine's /proc; its root could write to whatever is not covered here.

    That holds without any capability: as host root, user 0 of the sandbox *is* the owner of these files.
    """
    names = [name for name in sorted(os.listdir("/proc")) if not name.isdecimal()]
    masked = [name for name in names if name in MASKED_IN_PROC]
    return ProcPlan(masked, [name for name in names if name not in masked and _needs_guard(f"/proc/{name}")])


def _needs_guard(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and bool(mode & 0o222))
