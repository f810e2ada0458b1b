"""Sandboxes of the embedded platform: `sandboxes.py SCALE`. It runs already, and knows its default image."""

from __future__ import annotations

import time

from meter import COMMAND, Meter

from daytona import Daytona

meter = Meter()
rounds = meter.count(12)


def elapsed(since: float) -> float:
    """Return the seconds since then."""
    return time.perf_counter() - since


with Daytona() as daytona:
    with daytona.create() as sandbox:
        sandbox.process.exec(COMMAND)
    parked, zygote, execs, forks = list[float](), list[float](), list[float](), list[float]()
    for _ in range(rounds):
        time.sleep(0.3)  # time for the platform to get one ready, once it does that
        begun = time.perf_counter()
        first = daytona.create()
        first.process.exec(COMMAND)
        parked.append(elapsed(begun))
        others = []
        for _ in range(4):
            begun = time.perf_counter()
            others.append(daytona.create())
            others[-1].process.exec(COMMAND)
        zygote.append(elapsed(begun))
        for _ in range(10):
            begun = time.perf_counter()
            first.process.exec(COMMAND)
            execs.append(elapsed(begun))
        first.stop()
        begun = time.perf_counter()
        others.append(first.fork())
        forks.append(elapsed(begun))
        for one in (*others, first):
            one.delete(wait=True)
    for name, samples in (("parked", parked), ("zygote", zygote), ("exec", execs), ("fork", forks)):
        meter.note(name, samples)
meter.report()
