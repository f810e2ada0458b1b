"""Process 1 inherits every orphan and must collect it, without taking the exit statuses that handlers wait for.

One handler of SIGCHLD collects everything. A process we start is registered before control returns to the loop, so its
status is never collected unclaimed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal


class Reaper:
    """Collects the exit statuses of all children; `wait` gives one of them to who started it."""

    def __init__(self) -> None:
        self._claims: dict[int, asyncio.Future[int]] = {}
        self._childless = asyncio.Event()
        self._collected = asyncio.Event()
        self._installed = False

    def install(self) -> None:
        """Start to collect, in the running loop: until then this process has somebody else to do it."""
        self._installed = True
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.collect)

    def claim(self, pid: int) -> asyncio.Future[int]:
        """Return the future exit code of a child just started: 0 to 255, or the negative number of a signal."""
        self._childless.clear()
        claim = self._claims[pid] = asyncio.get_running_loop().create_future()
        return claim

    async def wait_until_childless(self) -> None:
        """Return when no child is left."""
        self._childless.clear()
        self.collect()
        await self._childless.wait()

    async def wait_until_gone(self, group: int, timeout: float) -> bool:
        """Return True when no process of *group* is left, or False after *timeout* seconds.

        Killed orphans of the group still count until we have collected them.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while _exists(group):
                    self._collected.clear()
                    await self._collected.wait()
        return not _exists(group)

    def collect(self) -> None:
        """Collect who has ended by now; to be called where that is likely, because a signal takes longer to be heard of."""
        if not self._installed:
            return
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                self._hand_over(pid, os.waitstatus_to_exitcode(status))
        except ChildProcessError:
            self._childless.set()
        self._collected.set()

    def _hand_over(self, pid: int, code: int) -> None:
        claim = self._claims.pop(pid, None)
        if claim is not None and not claim.done():
            claim.set_result(code)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
