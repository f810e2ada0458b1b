"""Requests, by either blocking client: `rest_blocking.py SCALE`."""

from __future__ import annotations

from meter import COMMAND, SANDBOX, Meter

from daytona import Daytona

meter = Meter()
daytona = Daytona()
meter.ready()
process = daytona.get(SANDBOX).process
process.exec(COMMAND)
meter.first()

calls = meter.count(1500)
for _ in range(calls // 10):
    process.exec(COMMAND)
with meter.timing("exec", calls):
    for _ in range(calls):
        process.exec(COMMAND)

calls = meter.count(400)
with meter.timing("get", calls):
    for _ in range(calls):
        daytona.get(SANDBOX)

sum(1 for _ in daytona.list())
calls = meter.count(4)
with meter.timing("list", calls):
    for _ in range(calls):
        sum(1 for _ in daytona.list())
meter.threads()
meter.report()
