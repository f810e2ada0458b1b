"""What a sandbox uses, looked at from outside now and then: nothing in it is woken up by that."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from daytona_plugins.local.runtime.families import family

if TYPE_CHECKING:
    from collections.abc import Iterator


def memory_of(process_1: int, *, precise_above: int) -> int:
    """Return the memory of all processes of a sandbox in bytes.

    The cheap sum counts what processes share once for each of them, so it is looked at closely only when it is more
    than *precise_above*.
    """
    pids = list(family(process_1))
    rough = sum(map(_resident, pids))
    return rough if rough <= precise_above else sum(map(_proportional, pids))


def processor_seconds_of(process_1: int) -> float:
    """Return for how long the processes of a sandbox have been on a processor, those that have ended included."""
    ticks = sum(map(_ticks, family(process_1)))
    return ticks / os.sysconf("SC_CLK_TCK")


def age_of(process_1: int) -> float:
    """Return for how many seconds a process has been there, 0 when it is gone."""
    if fields := _stat(process_1):
        since = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - since)
    return 0.0


def _ticks(pid: int) -> int:
    """Return the time of a process and of its children that it has waited for."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) if fields else 0


def _stat(pid: int) -> list[str]:
    """Return what the kernel says of a process after its name, which may hold anything; nothing when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def disk_of(directory: Path) -> int:
    """Return what the files below *directory* take on disk in bytes; a file with several names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for status in _files(directory):
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
    return total


def _files(directory: Path) -> Iterator[os.stat_result]:
    waiting = [str(directory)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:  # removed, or closed, while we looked
            for entry in entries:
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional(pid: int) -> int:
    """Pages that several processes share are divided among them; without the right to see that, nothing is shared."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)
