"""Why sandboxes have ended: what the requests are told that were under way in them."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Generator

    from daytona_plugins.local.platform.driver import Running

PATIENCE = 2.0
"""Seconds: an agent that hangs up has ended with its sandbox, which is noticed a little later, or is broken."""


class _End:
    """The end of one sandbox, which is to come or has been."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.recorded = asyncio.Event()


class WhyEnded:
    """The reasons, for as long as somebody holds what has ended."""

    def __init__(self) -> None:
        self._ends: WeakKeyDictionary[Running, _End] = WeakKeyDictionary()

    @contextmanager
    def because(self, running: Running | None, reason: str) -> Generator[None]:
        """Say why a sandbox ends in the block, and at the end of the block that its record says so too."""
        if running is None:  # it had ended before
            yield
            return
        end = self._end_of(running)
        end.reason = reason
        try:
            yield
        finally:
            end.recorded.set()

    async def of(self, running: Running) -> str | None:
        """Return why a sandbox has ended, once its record shows it; None if it has not."""
        end = self._end_of(running)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await end.recorded.wait()
        return end.reason

    def _end_of(self, running: Running) -> _End:
        return self._ends.setdefault(running, _End())
