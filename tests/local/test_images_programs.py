"""Programs of this machine: what they say, how they end, and that nothing of them is left."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.images.programs import running
from tests.local.lasting_program import Lasting, lasting_program

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def lasting(tmp_path: Path) -> Generator[Lasting]:
    with lasting_program(tmp_path / "bin", "lasting") as program:
        yield program


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -KILL $$", 137), ("cat", 0)])
def test_output_and_status_are_those_of_the_program(script: str, status: int) -> None:
    async def run() -> None:
        async with running(
            "/bin/sh", "-c", f"echo out; echo err >&2; {script}", stdout=PIPE, stderr=PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert (await process.stdout.read(), await process.stderr.read()) == (b"out\n", b"err\n")
            assert await process.wait() == status

    asyncio.run(run())


def test_nothing_is_left_of_a_program_after_its_block(lasting: Lasting) -> None:
    async def run() -> None:
        async with running(str(lasting.path), stdout=PIPE) as process:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"begun\n"
            assert not lasting.has_ended(0)
        assert lasting.has_ended(0)

    asyncio.run(run())


def test_nothing_is_left_of_a_program_when_its_block_is_cancelled(lasting: Lasting) -> None:
    begun = asyncio.Event()

    async def block() -> None:
        async with running(str(lasting.path), stdout=PIPE) as process:
            assert process.stdout is not None
            await process.stdout.readline()
            begun.set()
            await process.wait()

    async def run() -> None:
        task = asyncio.ensure_future(block())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert lasting.has_ended(0)

    asyncio.run(run())


def test_what_a_program_leaves_behind_ends_with_it(lasting: Lasting) -> None:
    async def run() -> None:
        async with running("/bin/sh", "-c", f"{lasting.path} | (read begun; kill -KILL $$)") as process:
            assert await process.wait() == 137
        assert lasting.has_ended(0)

    asyncio.run(run())
