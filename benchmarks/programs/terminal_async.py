"""A terminal, by either asynchronous client: `terminal_async.py SCALE`."""

from __future__ import annotations

import asyncio

from meter import SANDBOX, Meter

from daytona import AsyncDaytona

meter = Meter()


async def main() -> None:
    """Measure."""
    async with AsyncDaytona() as daytona:
        process = (await daytona.get(SANDBOX)).process
        echoed = asyncio.Event()
        terminal = await process.create_pty_session("terminal", lambda _data: echoed.set())
        trips = meter.count(1000)
        for _ in range(trips // 10):
            echoed.clear()
            await terminal.send_input(b"x")
            await echoed.wait()
        with meter.timing("trip", trips):
            for _ in range(trips):
                echoed.clear()
                await terminal.send_input(b"x")
                await echoed.wait()
        await terminal.disconnect()
        meter.report()


asyncio.run(main())
