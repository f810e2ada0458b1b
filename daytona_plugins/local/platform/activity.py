"""When a sandbox was last used, written down now and then instead of at each request."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

THROTTLE = 5.0
WHILE_CONNECTED = 50.0


class Activity:
    """Calls *note* with the id of a sandbox in use, at most once in five seconds."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._noted: dict[str, float] = {}

    def touch(self, sandbox_id: str) -> None:
        """Say that the sandbox is being used."""
        now = asyncio.get_running_loop().time()
        if now - self._noted.get(sandbox_id, -THROTTLE) >= THROTTLE:
            self._noted[sandbox_id] = now
            self._note(sandbox_id)

    def forget(self, sandbox_id: str) -> None:
        """Forget a sandbox that is gone."""
        self._noted.pop(sandbox_id, None)

    @contextmanager
    def connection(self, sandbox_id: str) -> Generator[None]:
        """Keep the sandbox in use for as long as the block runs."""
        loop = asyncio.get_running_loop()
        timer = loop.call_soon(lambda: None)

        def again() -> None:
            nonlocal timer
            self.touch(sandbox_id)
            timer = loop.call_later(WHILE_CONNECTED, again)

        again()
        try:
            yield
        finally:
            timer.cancel()
