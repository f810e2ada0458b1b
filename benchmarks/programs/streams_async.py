"""Logs, by either asynchronous client: `streams_async.py SCALE`."""

from __future__ import annotations

import asyncio

from meter import SANDBOX, Meter

from daytona import AsyncDaytona

MIB = 1 << 20
LOGS = {4096: 32 * MIB, 128: 2 * MIB, 32768: 64 * MIB}

meter = Meter()
received = 0


def count(text: str) -> None:
    """Count what arrives."""
    global received
    received += len(text)


async def main() -> None:
    """Measure."""
    global received
    async with AsyncDaytona() as daytona:
        process = (await daytona.get(SANDBOX)).process
        await process.get_session_command_logs_async(
            "session", "128-128", count, count
        )  # loads what it takes
        for frame, total in LOGS.items():
            size = max(frame, meter.count(total) // frame * frame)
            received = 0
            with meter.timing(f"log_{frame}", size / MIB):
                await process.get_session_command_logs_async("session", f"{frame}-{size}", count, count)
            assert received == size, (received, size)
        meter.report()


asyncio.run(main())
