"""The hook itself: a test runs in the world that it was promised."""

from __future__ import annotations

import asyncio
import sys
from typing import Any


async def test_each_face_is_what_it_says(face: str, connect: Any) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        answer = await sandbox.process.exec("echo $((6 * 7))")
        assert answer.result == "42\n"
        assert (asyncio._get_running_loop() is not None) == (face == "asyncio")
        assert sandbox.id in [listed.id async for listed in daytona.list()]
        assert type(await daytona.get(sandbox.id)).__name__ == (
            "AwaitBlocking" if face == "blocking" else "AsyncSandbox"
        )
    assert "trio" in sys.modules
