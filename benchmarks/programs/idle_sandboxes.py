"""Memory of many idle sandboxes: `idle_sandboxes.py SCALE`. What the machine has less while they are there."""

from __future__ import annotations

import os

from meter import COMMAND, Meter

from daytona import Daytona

meter = Meter()
number = int(os.environ.get("DAYTONA_BENCH_IDLE", "100"))
number = min(number, meter.count(number))


def available() -> float:
    """Return how much memory programs could still get, in GiB."""
    with open("/proc/meminfo", encoding="ascii") as file:
        kib = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    return kib / (1 << 20)


with Daytona() as daytona:
    daytona.create().delete(wait=True)
    before = available()
    sandboxes = [daytona.create() for _ in range(number)]
    assert all(sandbox.process.exec(COMMAND).exit_code == 0 for sandbox in sandboxes)
    meter.seen["idle_gib"] = (before - available()) / number * 1000
    meter.seen["idle_number"] = number
    for sandbox in sandboxes:
        sandbox.delete()
meter.report()
