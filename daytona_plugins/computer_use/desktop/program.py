"""One program of the desktop: started, watched, started again when it crashes, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daytona_plugins.local.agent.toolbox import Toolbox

RESTART_DELAY: Final = 1.0
PATIENCE: Final = 5.0
"""Seconds for which a program may take leave."""


@dataclass(frozen=True)
class Recipe:
    """How a program is started.

    Args:
        name: What clients call it.
        program: Its file, looked up in PATH unless it is a path.
        package: The Debian package that brings it.
        priority: Its place in the order of starting.
        restarts: Start it again when it ends by itself.
        required: Without it there is no desktop.
    """

    name: str
    program: str
    package: str
    priority: int
    restarts: bool = True
    required: bool = True

    @property
    def path(self) -> str | None:
        """Where it is in this sandbox, if it is."""
        return shutil.which(self.program)


class Program:
    """A program that runs, or could."""

    def __init__(self, recipe: Recipe, toolbox: Toolbox, logs: Path) -> None:
        self.recipe = recipe
        self.pid: int | None = None
        self.log = logs / f"{recipe.name}.log"
        self.errors = logs / f"{recipe.name}.err"
        self._toolbox = toolbox
        self._arguments: tuple[str, ...] = ()
        self._watcher: asyncio.Task[None] | None = None
        self._exited: asyncio.Future[int] | None = None

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.pid is not None

    def status(self) -> dict[str, object]:
        """Return what clients see of it, with the published keys; the real daemon's begin with capitals."""
        recipe = self.recipe
        return {
            "running": self.running,
            "priority": recipe.priority,
            "autoRestart": recipe.restarts,
            "pid": self.pid,
        }

    def start(self, *arguments: str, passed: Sequence[int] = ()) -> None:
        """Start it; the descriptors *passed* are open in it, the first time.

        Raises:
            OSError: It cannot be started.
        """
        self._arguments = arguments
        if self._watcher is not None:
            self._watcher.cancel()  # it may be about to start it again
        exited = self._spawn(passed)
        self._watcher = asyncio.create_task(self._watch(exited))

    async def start_announcing(self, *arguments: str) -> str:
        """Start it with a pipe's number in place of `{pipe}`, and return the line that it writes there when it is ready.

        Raises:
            OSError: It cannot be started, or ended without a word.
        """
        reading, writing = os.pipe()
        try:
            try:
                self.start(*(argument.format(pipe=writing) for argument in arguments), passed=[writing])
            finally:
                os.close(writing)
            line = await read_line(reading)
        finally:
            os.close(reading)
        if not line:
            raise OSError(f"{self.recipe.program} ended: {self.last_words()}")
        return line

    def replace_arguments(self, *arguments: str) -> None:
        """Use other arguments when it is started again."""
        self._arguments = arguments

    async def restart(self) -> None:
        """End it and start it again."""
        await self.stop()
        self.start(*self._arguments)

    async def stop(self) -> None:
        """End it, in good order if it takes that in time."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
        if self._exited is not None and self.pid is not None:
            self._signal(signal.SIGTERM)
            done, _ = await asyncio.wait({self._exited}, timeout=PATIENCE)
            if not done:
                self._signal(signal.SIGKILL)
                await asyncio.wait({self._exited})
        self.pid = None

    def last_words(self) -> str:
        """Return the end of what it has complained about."""
        with contextlib.suppress(OSError):
            return self.errors.read_text(encoding="utf-8", errors="replace").strip()[-500:]
        return ""

    async def _watch(self, exited: asyncio.Future[int]) -> None:
        while True:
            await asyncio.wait({exited})
            self.pid = None
            if not self.recipe.restarts:
                return
            await asyncio.sleep(RESTART_DELAY)
            if self._toolbox.ending:
                return
            exited = self._spawn(())

    def _spawn(self, passed: Sequence[int]) -> asyncio.Future[int]:
        path = self.recipe.path
        if path is None:
            raise FileNotFoundError(self.recipe.program)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log, self.errors.open("ab") as errors:
            process = subprocess.Popen(  # noqa: S603 (a program of the desktop)
                [path, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors,
                cwd="/",
                pass_fds=passed,
                start_new_session=True,
            )
        process.returncode = 0  # the reaper collects it, not this object
        self.pid = process.pid
        self._exited = self._toolbox.reaper.claim(process.pid)
        return self._exited

    def _signal(self, number: int) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


async def read_line(descriptor: int) -> str:
    """Return what arrives on a pipe until its line or the pipe ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(descriptor), "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return (await reader.readline()).decode().strip()
    finally:
        transport.close()
