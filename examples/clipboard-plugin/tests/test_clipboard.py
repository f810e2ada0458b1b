"""The clipboard on all three faces, against an embedded platform that these tests start: `pytest`."""

from __future__ import annotations

import asyncio
from typing import assert_type

import pytest
import trio
from clipboard_plugin.blocking import Clipboard
from clipboard_plugin.service import AsyncClipboard

from daytona import AsyncDaytona, Daytona, DaytonaNotFoundError


def test_blocking() -> None:
    with Daytona() as daytona, daytona.create() as sandbox:
        clipboard = sandbox.use(Clipboard)
        with pytest.raises(DaytonaNotFoundError, match="Failed to paste: nothing has been copied yet"):
            clipboard.paste()
        assert_type(clipboard.copy("first"), int)
        assert clipboard.copy("zweiter\n") == 2
        assert assert_type(clipboard.paste(), str) == "zweiter\n"
        assert assert_type(clipboard.history(), list[str]) == ["zweiter\n", "first"]
        assert clipboard.history(limit=1) == ["zweiter\n"]


async def use_it() -> None:
    async with AsyncDaytona() as daytona, await daytona.create() as sandbox:
        clipboard = sandbox.use(AsyncClipboard)
        assert assert_type(await clipboard.copy("first"), int) == 1
        assert assert_type(await clipboard.paste(), str) == "first"
        assert assert_type(await clipboard.history(), list[str]) == ["first"]


def test_asyncio() -> None:
    asyncio.run(use_it())


def test_trio() -> None:
    trio.run(use_it)


def test_it_is_an_attribute_too() -> None:
    with Daytona() as daytona, daytona.create() as sandbox:
        sandbox.use(Clipboard).copy("said")
        clipboard: Clipboard = getattr(sandbox, "clipboard")  # noqa: B009 - type checkers know `use` alone
        assert clipboard.paste() == "said"
