"""Tasks that end no later than what began them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine


async def cancel(*tasks: asyncio.Task[object]) -> None:
    """Cancel *tasks*, and return when they have ended; what they raise is of no interest any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def beside(work: Coroutine[object, object, object]) -> AsyncGenerator[None]:
    """Do *work* while the block runs; when the block is left it has ended, cancelled if need be."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        await cancel(task)
