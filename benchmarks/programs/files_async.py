"""Files, by either asynchronous client: `files_async.py SCALE`. The name of a remote file is its size in bytes."""

from __future__ import annotations

import asyncio

from meter import SANDBOX, Meter

from daytona import AsyncDaytona

MIB = 1 << 20

meter = Meter()


async def main() -> None:
    """Measure."""
    async with AsyncDaytona() as daytona:
        fs = (await daytona.get(SANDBOX)).fs
        size = meter.count(256) * MIB
        small = b"x" * MIB
        await fs.upload_file_stream(small, "warm")
        received = 0
        with meter.timing("down", 1):
            async for piece in await fs.download_file_stream(str(size)):
                received += len(piece)
        assert received == size
        calls = meter.count(10)
        with meter.timing("small_up", calls):
            for _ in range(calls):
                await fs.upload_file_stream(small, "small")
        meter.report()


asyncio.run(main())
