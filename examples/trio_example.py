"""Run programs in several sandboxes at once, on trio, and stop waiting for one that takes too long.

It needs trio: `./bootstrap trio`, or `pip install trio`.
"""

from __future__ import annotations

import trio

from daytona import AsyncDaytona


async def report(daytona: AsyncDaytona, command: str) -> None:
    """Print what a command says, or that it took too long."""
    async with await daytona.create() as sandbox:
        with trio.move_on_after(2) as scope:
            answer = await sandbox.process.exec(command)
            print(f"{command}: {answer.result.strip()}")
        if scope.cancelled_caught:
            print(f"{command}: no answer in 2 seconds")


async def main() -> None:
    """Start both, wait for both; the sandboxes are deleted even where the waiting was cancelled."""
    async with AsyncDaytona() as daytona, trio.open_nursery() as nursery:
        nursery.start_soon(report, daytona, "echo quick")
        nursery.start_soon(report, daytona, "sleep 60")


if __name__ == "__main__":
    trio.run(main)
