"""A runner that is started again when the process behind it has died.

Its sandboxes died with it and are stopped, as after a crash of the platform; the next one that is started gets a new
runner, and its client notices nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.runtime.runner import SpawnError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daytona_plugins.local.runtime.runner import Runner, RunningSandbox
    from daytona_plugins.local.runtime.spec import SandboxSpec

logger = logging.getLogger(__name__)


class RestartingRunner:
    """Owns one runner at a time; *start* makes the next one."""

    def __init__(self, runner: Runner, start: Callable[[], Awaitable[Runner]]) -> None:
        self._runner = runner
        self._start = start
        self._restarting = asyncio.Lock()

    async def spawn(self, spec: SandboxSpec) -> RunningSandbox:
        """Build a sandbox, and return when requests to its agent are answered or wait for that.

        Raises:
            SpawnError: It could not be built.
        """
        async with self._restarting:  # one that is being replaced is closed already
            runner = self._runner
        try:
            return await runner.spawn(spec)
        except SpawnError as error:
            if not isinstance(error.__cause__, BrokenPipeError | ConnectionResetError):
                raise
        await self._replace(runner)
        return await self._runner.spawn(spec)

    async def close(self) -> None:
        """Kill every sandbox; may be called twice."""
        await self._runner.close()

    async def _replace(self, dead: Runner) -> None:
        async with self._restarting:
            if self._runner is dead:  # else another one who met the dead runner was faster
                logger.warning("the process that builds sandboxes has died; starting another one")
                await dead.close()
                try:
                    self._runner = await self._start()
                except DaytonaLocalPlatformError as error:  # the next one who wants a sandbox tries again
                    raise SpawnError(error.message) from error
