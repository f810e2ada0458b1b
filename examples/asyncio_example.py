"""Run programs in several sandboxes at once, on asyncio."""

from __future__ import annotations

import asyncio

from daytona import AsyncDaytona


async def square(daytona: AsyncDaytona, number: int) -> str:
    """Return what a sandbox of its own says about one number."""
    async with await daytona.create() as sandbox:
        answer = await sandbox.process.code_run(f"print({number}, 'squared is', {number} ** 2)", timeout=30)
        return answer.result.strip()


async def main() -> None:
    """Ask three sandboxes."""
    async with AsyncDaytona() as daytona, asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(square(daytona, number)) for number in (3, 5, 8)]
    for answer in answers:
        print(answer.result())


if __name__ == "__main__":
    asyncio.run(main())
