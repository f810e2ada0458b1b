"""Looks after the limits that the kernel does not keep on this machine, and ends the sandboxes that are over them.

What is over a limit has been so for up to a period before anybody looks: this protects from accidents, and not from
those who want to fill the machine. So it is reported as "watched", which is not "enforced".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daytona_plugins.local.platform.records import GIB
from daytona_plugins.local.platform.states import State
from daytona_plugins.local.runtime.usage import disk_of, memory_of

if TYPE_CHECKING:
    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.driver import Running
    from daytona_plugins.local.platform.lifecycle import Lifecycle
    from daytona_plugins.local.platform.store import Store

DISK_PERIOD = 3
"""Every how many looks the files are counted, which costs more than asking for memory."""


class Watch:
    """Borrows the lifecycle and the store; somebody calls `look` about once a second."""

    def __init__(self, lifecycle: Lifecycle, store: Store, paths: Paths) -> None:
        self._lifecycle = lifecycle
        self._store = store
        self._paths = paths
        self._looks = 0

    async def look(self) -> None:
        """End every sandbox that uses more than it may."""
        self._looks += 1
        for record in self._store.all():
            if record.state is State.PAUSED:  # a request that was under way may have started something
                await self._lifecycle.keep_paused(record.id)
            running = self._lifecycle.running(record.id)
            if running is None or record.state is not State.STARTED or record.pending:
                continue
            if reason := await self._over_limit(record.id, running):
                now = self._store.get(record.id)
                if now is not None and now.state is State.STARTED and not now.pending:
                    await self._lifecycle.end_over_limit(now, running, reason)

    async def _over_limit(self, sandbox_id: str, running: Running) -> str | None:
        limits = running.watched
        if limits.memory is not None and running.pid is not None:
            used = memory_of(running.pid, precise_above=limits.memory)
            if used > limits.memory:
                return _reason("memory", used, limits.memory)
        if limits.disk is not None and self._looks % DISK_PERIOD == 0:
            used = await asyncio.to_thread(disk_of, self._paths.sandbox(sandbox_id))
            if used > limits.disk:
                return _reason("disk", used, limits.disk)
        return None


def _reason(what: str, used: int, limit: int) -> str:
    return (
        f"the sandbox used {used / GIB:.2f} GiB of {what}, and its limit is {limit / GIB:g} GiB;"
        " recover it, then resize it or use less"
    )
