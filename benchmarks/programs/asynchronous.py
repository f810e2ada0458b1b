"""The program that all asynchronous clients run: `asynchronous.py MEASURE COUNT asyncio|trio`."""

from __future__ import annotations

import sys
from importlib import import_module

from meter import COMMAND, SANDBOX, Meter, arguments

from daytona import AsyncDaytona


async def ready(daytona: AsyncDaytona, meter: Meter, count: int) -> None:
    """Do nothing more."""


async def cold(daytona: AsyncDaytona, meter: Meter, count: int) -> None:
    """Get the first answer of a command."""
    await (await daytona.get(SANDBOX)).process.exec(COMMAND)


async def exec_calls(daytona: AsyncDaytona, meter: Meter, count: int) -> None:
    """Run a command, again and again."""
    process = (await daytona.get(SANDBOX)).process
    for _ in range(count // 10):
        await process.exec(COMMAND)
    with meter.timing(count):
        for _ in range(count):
            await process.exec(COMMAND)


async def lists(daytona: AsyncDaytona, meter: Meter, count: int) -> None:
    """Go through all sandboxes, again and again."""
    [one async for one in daytona.list()]
    with meter.timing(count):
        for _ in range(count):
            [one async for one in daytona.list()]


async def create(daytona: AsyncDaytona, meter: Meter, count: int) -> None:
    """Make a sandbox and see its first output; deleting it is not counted."""
    for _ in range(count):
        with meter.one():
            sandbox = await daytona.create()
            await sandbox.process.exec(COMMAND)
        await sandbox.delete()


async def local(daytona: AsyncDaytona, meter: Meter, count: int) -> None:
    """Run a command in one real sandbox, again and again."""
    sandbox = await daytona.create()
    await sandbox.process.exec(COMMAND)
    with meter.timing(count):
        for _ in range(count):
            await sandbox.process.exec(COMMAND)
    await sandbox.delete()


MEASURES = {"ready": ready, "cold": cold, "exec": exec_calls, "list": lists, "create": create, "local": local}


async def main() -> None:
    """Measure; a program that needs a client has a loop already."""
    name, count = arguments()
    async with AsyncDaytona() as daytona:
        meter.ready()
        await MEASURES[name](daytona, meter, count)
        meter.report()


meter = Meter()
world = import_module(sys.argv[3])
world.run(main() if sys.argv[3] == "asyncio" else main)
