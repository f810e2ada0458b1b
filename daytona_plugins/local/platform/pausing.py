"""Which sandboxes are paused: their programs are held still and keep their memory, as long as this process lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daytona_plugins.local.runtime.holding import hold, let_go

if TYPE_CHECKING:
    from daytona_plugins.local.platform.driver import Running


class Pauses:
    """The programs that are held, by the ids of their sandboxes."""

    def __init__(self) -> None:
        self._held: dict[str, list[int]] = {}

    def __contains__(self, sandbox_id: str) -> bool:
        return sandbox_id in self._held

    async def hold(self, sandbox_id: str, running: Running) -> None:
        """Hold what runs in a sandbox; called again, what a request that was under way has started since."""
        pids = self._held.setdefault(sandbox_id, [])
        await asyncio.to_thread(hold, running.pid, pids)

    async def let_go(self, sandbox_id: str, running: Running) -> None:
        """Let the programs of a sandbox go on; fine when nobody holds them."""
        if pids := self._held.pop(sandbox_id, None):
            await asyncio.to_thread(let_go, running.pid, pids)

    def forget(self, sandbox_id: str) -> None:
        """Note that a sandbox has ended."""
        self._held.pop(sandbox_id, None)
