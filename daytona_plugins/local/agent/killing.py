"""Ending a session of processes at once, for who asked for that in so many words."""

from __future__ import annotations

import contextlib
import os
import signal

from daytona_plugins.local.agent.process_tree import descendants


def kill_session(leader: int) -> set[int]:
    """Kill the process *leader*, everything in its session, and everything below it, and return what that was.

    A process may start another while we look, so we look again until there is nobody new. The leader goes last: while
    it lives, its children are still known as such.
    """
    killed: set[int] = set()
    while fresh := {*descendants(leader), *_members(leader)} - killed - {leader}:
        for pid in fresh:
            _kill(pid)
        killed |= fresh
    _kill(leader)
    return killed | {leader}


def _members(session: int) -> list[int]:
    return [
        int(name) for name in os.listdir("/proc") if name.isdecimal() and _session_of(int(name)) == session
    ]


def _session_of(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getsid(pid)
    return None


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
