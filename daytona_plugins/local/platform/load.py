"""What sandboxes have used in the last hours, a value a minute: measured from outside, kept in memory, gone with this process."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import deque
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

from daytona_plugins.local.platform.records import GIB
from daytona_plugins.local.platform.states import State
from daytona_plugins.local.runtime.usage import age_of, disk_of, memory_of, processor_seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes

PERIOD = 60.0
KEPT = 360
"""Six hours."""
FRESH = 5.0
"""How many seconds a value is new enough for who asks now."""

Point = dict[str, float]


class Sample(NamedTuple):
    """What one sandbox used at one moment."""

    at: float
    busy: float
    """Seconds on a processor since its start."""
    lived: float
    """Seconds since its start."""
    memory: int
    disk: int


class Load:
    """The samples of all sandboxes; somebody calls `tick` about once a second."""

    def __init__(
        self, sandboxes: Sandboxes, told: Callable[[list[Record]], None] = lambda _records: None
    ) -> None:
        self._sandboxes = sandboxes
        self._told = told
        self._samples: dict[str, deque[Sample]] = {}
        self._due = sandboxes.clock() + PERIOD

    async def tick(self) -> None:
        """Look at every sandbox that runs, once a minute, and tell who wants to know."""
        now = self._sandboxes.clock()
        if now < self._due:
            return
        self._due = now + PERIOD
        records = [record for record in self._sandboxes.all() if record.state is State.STARTED]
        for record in records:
            await self._look_at(record)
        for gone in self._samples.keys() - {record.id for record in self._sandboxes.all()}:
            del self._samples[gone]
        self._told(records)

    async def between(self, record: Record, start: float, end: float) -> list[tuple[float, Point]]:
        """Return what a sandbox used, the oldest first, with the last moment of each minute."""
        now = self._sandboxes.clock()
        samples = self._samples.get(record.id)
        if record.state is State.STARTED and (not samples or now - samples[-1].at >= FRESH):
            await self._look_at(record)
        # A value that is measured because somebody asks is a little younger than the "now" that he asks for.
        shown = [one for one in self._points(record) if start <= one[0] <= end + FRESH]
        minutes = (list(points) for _minute, points in groupby(shown, lambda one: one[0] // PERIOD))
        return [(points[-1][0], _average([point for _at, point in points])) for points in minutes]

    def latest(self, record: Record) -> tuple[float, Point] | None:
        """Return what a sandbox used when it was looked at last."""
        return next(reversed(self._points(record)), None)

    def _points(self, record: Record) -> list[tuple[float, Point]]:
        samples = list(self._samples.get(record.id, ()))
        first = [Sample(0, 0, 0, 0, 0), *samples]
        most = _most(record, self._sandboxes.paths.data)
        return [(now.at, _point(before, now, most)) for before, now in pairwise(first)]

    async def _look_at(self, record: Record) -> None:
        running = self._sandboxes.running(record.id)
        if running is None or running.pid is None:
            return
        sample = await asyncio.to_thread(
            _sample, running.pid, self._sandboxes.paths, record.id, self._sandboxes.clock()
        )
        self._samples.setdefault(record.id, deque(maxlen=KEPT)).append(sample)


class _Most(NamedTuple):
    """What a sandbox may use."""

    cpu: int
    memory: int
    disk: int


def _sample(process_1: int, paths: Paths, sandbox_id: str, now: float) -> Sample:
    return Sample(
        at=now,
        busy=processor_seconds_of(process_1),
        lived=age_of(process_1),
        memory=memory_of(process_1, precise_above=0),
        disk=disk_of(paths.sandbox(sandbox_id)),
    )


def _point(before: Sample, now: Sample, most: _Most) -> Point:
    """Return the values that the protocol has names for."""
    if now.lived < before.lived:  # it was started again
        before = Sample(0, 0, 0, 0, 0)
    passed = now.lived - before.lived
    share = (now.busy - before.busy) / passed if passed > 0 else 0.0
    return {
        "daytona.sandbox.cpu.utilization": round(max(0.0, 100 * share / most.cpu), 2),
        "daytona.sandbox.cpu.limit": most.cpu,
        "daytona.sandbox.memory.utilization": round(100 * now.memory / most.memory, 2),
        "daytona.sandbox.memory.usage": now.memory,
        "daytona.sandbox.memory.limit": most.memory,
        "daytona.sandbox.filesystem.utilization": round(100 * now.disk / most.disk, 2),
        "daytona.sandbox.filesystem.usage": now.disk,
        "daytona.sandbox.filesystem.available": max(0, most.disk - now.disk),
        "daytona.sandbox.filesystem.total": most.disk,
    }


def _most(record: Record, directory: Path) -> _Most:
    """Return what a sandbox may use: its limits, and where it has none, what the machine has."""
    limits = record.limits
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _Most(
        limits.cpu or os.cpu_count() or 1,
        limits.memory or memory,
        limits.disk or max(GIB, shutil.disk_usage(directory).total),
    )


def _average(points: Iterable[Point]) -> Point:
    points = list(points)
    return {name: sum(point[name] for point in points) / len(points) for name in points[0]}
