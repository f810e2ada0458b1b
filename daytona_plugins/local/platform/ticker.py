"""Calls something again and again while a block runs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from daytona_plugins.local.tasks import beside
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

logger = logging.getLogger(__name__)

PERIOD = 1.0


@asynccontextmanager
async def ticking(tick: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Await *tick* about once a second; one that fails is logged, and the next one tries again."""
    async with beside(_repeat(tick)):
        yield


async def _repeat(tick: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(PERIOD)
        try:
            await tick()
        except HTTPError as error:  # a client was faster; what is still due is due at the next tick
            logger.info("a tick met a change in progress: %s", error.message)
