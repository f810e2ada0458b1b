"""A context of the interpreter: variables that live in a worker, and runs that take turns in it."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.agent.errors import now
from daytona_plugins.local.agent.interpreter_process import Chunk, Worker, WorkerEndedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daytona_plugins.local.agent.reaper import Reaper

INTERRUPT_GRACE: Final = 2.0
"""Seconds that code has to end after its KeyboardInterrupt."""
TIMED_OUT: Final = 4008


class Verdict(NamedTuple):
    """How a run ended, as the close frame says it."""

    close_code: int
    reason: str = ""


class Job(NamedTuple):
    """Code to run; a *timeout* of None sets no limit."""

    code: str
    envs: dict[str, str]
    timeout: float | None


class Context:
    """Variables, and the runs that wait for their turn with them."""

    def __init__(self, reaper: Reaper, cwd: str, context_id: str | None = None) -> None:
        self.id = context_id or str(uuid.uuid4())
        self.cwd = cwd
        self.created_at = now()
        self._reaper = reaper
        self._worker: Worker | None = None
        self._turn = asyncio.Lock()
        self._lives = 0
        self._limit: _Limit | None = None
        self._deleted = False

    def info(self) -> dict[str, object]:
        """Return what a client may know."""
        return {
            "id": self.id,
            "cwd": self.cwd,
            "createdAt": self.created_at,
            "active": self._worker is not None,
            "language": "python",
        }

    async def start(self) -> None:
        """Start the worker, unless it runs.

        Raises:
            WorkerEndedError: It cannot be started.
        """
        if self._worker is None:
            self._worker = await Worker.start(self._reaper, self.cwd)
            self._worker.exited.add_done_callback(self._bury)

    def delete(self) -> None:
        """End the worker and with it every run, under way or waiting."""
        self._deleted = True
        if self._worker is not None:
            self._worker.kill()

    def _bury(self, _exit_code: asyncio.Future[int]) -> None:
        """Those who wait counted on variables that are gone: they fail as well, and who comes later starts afresh."""
        self._lives += 1
        worker, self._worker = self._worker, None
        if worker is not None and not self._turn.locked():
            worker.close()

    # -- Running --------------------------------------------------------------------------------------------------

    async def run(self, job: Job, emit: Callable[[Chunk], Awaitable[None]]) -> Verdict:
        """Return how *job* ended, after everyone who came before it has had their turn."""
        # Who comes while code is being ended that would not end by itself expects to find a new worker.
        life = self._lives + (self._limit is not None and self._limit.passed)
        async with self._turn:
            if self._deleted or life < self._lives:
                return self._lost()
            try:
                await self.start()
            except WorkerEndedError as error:
                return Verdict(1011, str(error))
            assert self._worker is not None
            return await self._run(self._worker, job, emit)

    async def _run(self, worker: Worker, job: Job, emit: Callable[[Chunk], Awaitable[None]]) -> Verdict:
        limit = self._limit = _Limit(worker, job.timeout)
        try:
            await worker.run(job.code, job.envs, emit)
        except WorkerEndedError:
            return Verdict(TIMED_OUT) if limit.passed else self._lost()
        finally:
            limit.lift()
            self._limit = None
            if worker.exited.done():
                worker.close()
        return Verdict(TIMED_OUT) if limit.passed else Verdict(1000)

    def _lost(self) -> Verdict:
        return Verdict(1001, "context shutdown" if self._deleted else "worker process ended")


class _Limit:
    """Interrupts a worker when its time is up, and kills it when that does not help."""

    def __init__(self, worker: Worker, timeout: float | None) -> None:
        self.passed = False
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._alarm = self._loop.call_later(timeout, self._pass) if timeout is not None else None

    def _pass(self) -> None:
        self.passed = True
        self._worker.interrupt()
        self._alarm = self._loop.call_later(INTERRUPT_GRACE, self._worker.kill)

    def lift(self) -> None:
        """Let the worker run on."""
        if self._alarm is not None:
            self._alarm.cancel()
