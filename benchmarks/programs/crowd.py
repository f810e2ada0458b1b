"""Many commands at once in one loop: `crowd.py SCALE asyncio|trio`."""

from __future__ import annotations

import sys
from typing import Any

from meter import COMMAND, SANDBOX, Meter, peak

from daytona import AsyncDaytona


async def main() -> None:
    """Measure 10, 100 and 1000 callers, who share a number of calls."""
    async with AsyncDaytona() as daytona:
        process = (await daytona.get(SANDBOX)).process
        for callers in (10, 100, 1000):
            each = max(1, meter.count(2000) // callers)
            await crowd(process, callers, 1)
            with meter.timing(f"at_{callers}", callers * each):
                await crowd(process, callers, each)
        meter.seen["crowd_rss"] = peak()
        meter.report()


async def caller(process: Any, calls: int) -> None:
    """Run one command after the other."""
    for _ in range(calls):
        await process.exec(COMMAND)


async def crowd_on_asyncio(process: Any, callers: int, calls: int) -> None:
    """Run so many callers at once."""
    await asyncio.gather(*(caller(process, calls) for _ in range(callers)))


async def crowd_on_trio(process: Any, callers: int, calls: int) -> None:
    """Run so many callers at once."""
    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(caller, process, calls)


meter = Meter()
if sys.argv[2] == "trio":
    import trio

    crowd = crowd_on_trio
    trio.run(main)
else:
    import asyncio

    crowd = crowd_on_asyncio
    asyncio.run(main())
