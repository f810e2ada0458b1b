"""A tool for an agent: it runs code that a model wrote, with data, without a network, and with a time limit.

The model is played by a list of programs, each of which makes a mistake that models make, until one works. What an
agent framework would see are the `Outcome`s: every failure of the program is a text to show to the model, and only
failures of the platform are exceptions.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from daytona import (
    AsyncDaytona,
    CreateSandboxFromSnapshotParams,
    DaytonaNotFoundError,
    DaytonaProcessExecutionTimeoutError,
)

if TYPE_CHECKING:
    from types import TracebackType

SALES = b"month,amount\njan,120\nfeb,80\nmar,250\n"
ATTEMPTS = (
    "while True: pass",
    "import csv; print(next(csv.DictReader(open('sales.csv')))['price'])",
    "import socket; socket.create_connection(('example.com', 80), timeout=1)",
    """
import csv, json
rows = [(row["month"], int(row["amount"])) for row in csv.DictReader(open("sales.csv"))]
best = max(rows, key=lambda row: row[1])
json.dump({"total": sum(amount for _, amount in rows), "best": best[0]}, open("answer.json", "w"))
""",
)


@dataclass(frozen=True)
class Outcome:
    """What the model is told, and the file it was asked for, if it wrote one."""

    said: str
    file: bytes | None = None


class CodeTool:
    """One sandbox for one conversation: files stay from call to call, and everything is gone at the end."""

    def __init__(self, daytona: AsyncDaytona, *, limit: float) -> None:
        self._daytona = daytona
        self._limit = limit

    async def __aenter__(self) -> Self:
        params = CreateSandboxFromSnapshotParams(
            labels={"purpose": "agent"},
            network_block_all=True,
            # The platform cleans up if this program is killed before it can.
            ephemeral=True,
            ttl_minutes=30,
        )
        self.sandbox = await self._daytona.create(params)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.sandbox.delete()

    async def run(self, code: str, *, wanted: str) -> Outcome:
        """Run *code* and return what it printed, and the file *wanted*."""
        try:
            answer = await self.sandbox.process.code_run(code, timeout=self._limit)
        except DaytonaProcessExecutionTimeoutError:
            return Outcome(f"stopped: it ran for more than {self._limit:g} seconds")
        if answer.exit_code != 0:
            return Outcome(f"exit code {answer.exit_code}: {answer.result.strip().splitlines()[-1]}")
        try:
            return Outcome(answer.result, await self.sandbox.fs.download_file(wanted))
        except DaytonaNotFoundError:
            return Outcome(f"it ran, but wrote no {wanted}")


async def main() -> None:
    """Let the model try until there is an answer."""
    async with AsyncDaytona() as daytona, CodeTool(daytona, limit=2) as tool:
        await tool.sandbox.fs.upload_file(SALES, "sales.csv")
        for number, code in enumerate(ATTEMPTS, 1):
            outcome = await tool.run(code, wanted="answer.json")
            if outcome.file is not None:
                print(f"attempt {number}: {json.loads(outcome.file)}")
                return
            print(f"attempt {number}: {outcome.said}")


if __name__ == "__main__":
    asyncio.run(main())
