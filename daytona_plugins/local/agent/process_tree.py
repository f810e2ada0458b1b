"""Ending a process with everything that came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CHECK_INTERVAL: Final = 0.05


async def end_tree(leader: int, *, grace: float) -> None:
    """End the process group *leader* and all descendants of that process: asked first, killed after *grace* seconds.

    A process that left the group and whose parents have ended is nobody's descendant any more, and survives.
    """
    tree = descendants(leader)
    _signal_tree(leader, tree, signal.SIGTERM)
    if not await _is_gone(leader, tree, grace):
        tree = [*tree, *descendants(leader)]
        _signal_tree(leader, tree, signal.SIGKILL)
        # Only a process that the kernel cannot interrupt is still there after this.
        await _is_gone(leader, tree, grace)


async def wait_until_gone(pids: Iterable[int], timeout: float) -> None:
    """Return when none of *pids* runs any more, or after *timeout* seconds: what is killed may take a moment to die."""
    left = set(pids)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while left := {pid for pid in left if is_alive(pid)}:  # noqa: ASYNC110 - nobody sets an event
                await asyncio.sleep(CHECK_INTERVAL)


async def _is_gone(leader: int, tree: list[int], timeout: float) -> bool:
    """Return whether nothing runs any more, waiting up to *timeout* seconds for it.

    Most of these are not our children, so nobody tells us when they end.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while any(map(is_alive, [*group_members(leader), *tree])):  # noqa: ASYNC110 - nobody sets an event
                await asyncio.sleep(CHECK_INTERVAL)
            return True
    return False


def _signal_tree(leader: int, tree: Iterable[int], number: int) -> None:
    for pid in tree:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def descendants(ancestor: int) -> list[int]:
    """Return the processes below *ancestor*, the youngest generation first."""
    children: dict[int, list[int]] = {}
    for pid, (_state, parent, _group) in _processes().items():
        children.setdefault(parent, []).append(pid)
    found = [ancestor]
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
    return found[:0:-1]


def group_members(group: int) -> list[int]:
    """Return the processes in a process group."""
    return [pid for pid, (_state, _parent, of) in _processes().items() if of == group]


def is_alive(pid: int) -> bool:
    """Return whether a process still runs; one that only waits to be collected does not."""
    details = _stat(pid)
    return details is not None and details[0] != "Z"


def _processes() -> dict[int, tuple[str, int, int]]:
    found = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdecimal()}
    return {pid: details for pid, details in found.items() if details is not None}


def _stat(pid: int) -> tuple[str, int, int] | None:
    """Return a process's state, parent and group; the name before them may hold anything, so they count from its end."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            state, parent, group = file.read().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state, int(parent), int(group)
