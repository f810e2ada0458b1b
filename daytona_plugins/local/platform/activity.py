"""When a sandbox was last used, written down now and then instead of at each request.

Nobody waits here: that a long request is still under way is said by `keep`, which the platform calls about once a second.
"""

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
        self._open: dict[str, int] = {}

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
        self.touch(sandbox_id)
        self._open[sandbox_id] = self._open.get(sandbox_id, 0) + 1
        try:
            yield
        finally:
            self._open[sandbox_id] -= 1
            if not self._open[sandbox_id]:
                del self._open[sandbox_id]

    def keep(self) -> None:
        """Say it of sandboxes that are being used for long."""
        late = asyncio.get_running_loop().time() - WHILE_CONNECTED
        for sandbox_id in self._open:
            if self._noted.get(sandbox_id, late) <= late:
                self.touch(sandbox_id)
