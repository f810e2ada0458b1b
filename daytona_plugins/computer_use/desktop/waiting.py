"""Waiting for programs that have no way to say that they are ready."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POLL: Final = 0.02


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when *holds* says yes; who calls sets the limit."""
    while not await holds():  # noqa: ASYNC110 (another process, which sets no event of ours)
        await asyncio.sleep(POLL)
