"""Sandboxes of the embedded platform: `sandboxes.py SCALE`. It runs already, and knows its default image."""

from __future__ import annotations

import time

from meter import COMMAND, Meter

from daytona import CreateSandboxFromSnapshotParams, Daytona

meter = Meter()
rounds = meter.count(12)
NOT_PARKED = CreateSandboxFromSnapshotParams(env_vars={"TZ": "UTC"})
"""What no sandbox that was parked ahead can become: an agent looks at this variable when it starts."""


def elapsed(since: float) -> float:
    """Return the seconds since then."""
    return time.perf_counter() - since


with Daytona() as daytona:
    with daytona.create() as sandbox:
        sandbox.process.exec(COMMAND)
    parked, zygote, execs, forks = list[float](), list[float](), list[float](), list[float]()
    for _ in range(rounds):
        time.sleep(1)  # for the platform to park one, also where it has little of the processors
        begun = time.perf_counter()
        first = daytona.create()
        first.process.exec(COMMAND)
        parked.append(elapsed(begun))
        others = []
        for _ in range(3):
            begun = time.perf_counter()
            others.append(daytona.create(NOT_PARKED))
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
