"""Requests, by either asynchronous client: `rest_async.py SCALE asyncio|trio`."""

from __future__ import annotations

import sys
from importlib import import_module

from meter import COMMAND, SANDBOX, Meter

from daytona import AsyncDaytona


async def main() -> None:
    """Measure; a program that needs a client has a loop already."""
    async with AsyncDaytona() as daytona:
        meter.ready()
        process = (await daytona.get(SANDBOX)).process
        await process.exec(COMMAND)
        meter.first()

        calls = meter.count(1500)
        for _ in range(calls // 10):
            await process.exec(COMMAND)
        with meter.timing("exec", calls):
            for _ in range(calls):
                await process.exec(COMMAND)

        calls = meter.count(400)
        with meter.timing("get", calls):
            for _ in range(calls):
                await daytona.get(SANDBOX)

        [one async for one in daytona.list()]
        calls = meter.count(4)
        with meter.timing("list", calls):
            for _ in range(calls):
                [one async for one in daytona.list()]
        meter.report()


meter = Meter()
world = import_module(sys.argv[2])
world.run(main() if sys.argv[2] == "asyncio" else main)
