"""Holds the programs of a sandbox still, with all of their memory, and lets them go on.

They get SIGSTOP from outside, which no program can refuse, on every machine and without control groups. The agent goes on:
it has to notice the end of the platform, and by itself it does next to nothing.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from daytona_plugins.local.runtime.families import family

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@contextmanager
def held(process_1: int | None) -> Generator[None]:
    """Hold every process of a sandbox but its first, the agent, still while the block runs."""
    pids: list[int] = []
    try:
        hold(process_1, pids)
        yield
    finally:
        let_go(process_1, pids)


def hold(process_1: int | None, pids: list[int]) -> None:
    """Stop every process but the first, and add to *pids* those that ran; a sandbox without processes has none."""
    if process_1 is not None:
        pids += _stop_all(process_1)


def let_go(process_1: int | None, pids: list[int]) -> None:
    """Let the processes in *pids* go on, as far as they are still there."""
    if process_1 is None:
        return
    there = set(_programs(process_1))
    # Children first: a shell that finds its child going again never learns that it was held.
    for pid in reversed(pids):
        if pid in there:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _stop_all(process_1: int) -> Iterator[int]:
    """Go from parents to children, until a whole round finds nobody new."""
    seen: set[int] = set()
    found = True
    while found:
        found = False
        for pid in _programs(process_1):
            if pid not in seen and not _is_stopped(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    found = True
                    yield pid
                seen.add(pid)


def _programs(process_1: int) -> Iterator[int]:
    """Yield every process of a sandbox but the first."""
    return islice(family(process_1), 1, None)


def _is_stopped(pid: int) -> bool:
    """Return whether somebody else holds the process, or it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
