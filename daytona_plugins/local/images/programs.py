"""Runs programs of this machine, none of which outlives what it is for."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator

SUPERVISOR = Path(__file__).with_name("supervisor.py")


@asynccontextmanager
async def running(
    *command: str, stdout: int | None = None, stderr: int | None = None
) -> AsyncGenerator[Process]:
    """Run a program; it and everything that it started end with the block, and with this process, even if that is killed.

    Args:
        command: The path of the program, and its arguments. It has nothing to read.
        stdout: Where its output goes, as for `subprocess`.
        stderr: Where its errors go.
    """
    supervised = (sys.executable, "-I", "-S", str(SUPERVISOR), *command)
    process = await asyncio.create_subprocess_exec(
        *supervised, stdin=PIPE, stdout=stdout, stderr=stderr, start_new_session=True
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        # Unlike `wait`, this does not wait for somebody to read what is still in the pipes.
        await process.communicate()
