"""What the measured programs share: clocks, and the one line of JSON that each prints.

They run with the interpreter of any client, so they import nothing of this repository, and before the client is ready
nothing that it might have to load itself.
"""

from __future__ import annotations

import os
import sys
import time

STARTED = time.perf_counter()
SANDBOX = "sandbox-0"
COMMAND = "echo hello"


class Meter:
    """Collects what a program took: seconds for each call, memory in MiB."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self._scale = float(sys.argv[1])

    def count(self, calls: int) -> int:
        """Return how many calls to make where *calls* are made in a full run."""
        return max(1, int(calls * self._scale))

    def ready(self) -> None:
        """Note that the client object is there."""
        self.seen["ready"] = time.perf_counter() - STARTED
        self.seen["rss"] = peak()

    def first(self) -> None:
        """Tell the parent, which started the clock with the interpreter, that the first answer is there."""
        print("first", flush=True)

    def timing(self, name: str, calls: float) -> Timing:
        """Note wall and processor time for each call of what is inside; all threads of the process count."""
        return Timing(self.seen, name, calls)

    def note(self, name: str, samples: list[float]) -> None:
        """Note the median of *samples*."""
        self.seen[name] = sorted(samples)[len(samples) // 2]

    def threads(self) -> None:
        """Note how many threads there are beside the first."""
        self.seen["threads"] = len(os.listdir("/proc/self/task")) - 1

    def report(self) -> None:
        """Print it."""
        import json

        print(json.dumps(self.seen), flush=True)


class Timing:
    """`with` it: the clocks around a number of calls, and how far the process grew meanwhile."""

    def __init__(self, seen: dict[str, float], name: str, calls: float) -> None:
        self._seen = seen
        self._name = name
        self._calls = calls

    def __enter__(self) -> None:
        self._peak = peak()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self._seen[f"{self._name}_wall"] = (wall - self._wall) / self._calls
        self._seen[f"{self._name}_cpu"] = (cpu - self._cpu) / self._calls
        self._seen[f"{self._name}_growth"] = peak() - self._peak


def peak() -> float:
    """Return the most memory that this program has had, in MiB."""
    # Not getrusage: to it, what the parent had when it made this process counts too.
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
