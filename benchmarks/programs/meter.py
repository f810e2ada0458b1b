"""What the measured programs share: clocks, and the one line of JSON that each prints.

They run with the interpreter of either client, so they import nothing of this repository.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

STARTED = time.perf_counter()
SANDBOX = "sandbox-0"
COMMAND = "echo hello"


class Meter:
    """Collects what a program took: seconds, and memory in MiB."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self._walls: list[float] = []

    def ready(self) -> None:
        """Note that the client object is there."""
        self.seen["ready"] = time.perf_counter() - STARTED
        self.seen["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    @contextmanager
    def timing(self, calls: int) -> Generator[None]:
        """Note wall and processor time per call; all threads of the process count."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.seen["wall"] = (time.perf_counter() - wall) / calls
        self.seen["cpu"] = (time.process_time() - cpu) / calls

    @contextmanager
    def one(self) -> Generator[None]:
        """Note the wall time of one of many; the median counts."""
        begun = time.perf_counter()
        yield
        self._walls.append(time.perf_counter() - begun)
        self.seen["wall"] = statistics.median(self._walls)

    def report(self) -> None:
        """Print it."""
        print(json.dumps(self.seen), flush=True)


def arguments() -> tuple[str, int]:
    """Return the measure and the number of calls."""
    return sys.argv[1], int(sys.argv[2])
