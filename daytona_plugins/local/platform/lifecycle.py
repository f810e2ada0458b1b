"""Takes sandboxes from one state to the next: the only place that starts, ends and removes them.

Every step is written to the store before and after it is taken, so that a new process can tell what the last one
was at. The steps run as tasks, because a sandbox goes on its way when the client that asked is gone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from daytona_plugins.local.platform.states import Desired, State, after_a_crash
from daytona_plugins.local.platform.work import Work
from daytona_plugins.local.runtime.runner import SpawnError, remove_tree
from daytona_plugins.local.runtime.spec import SandboxSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.store import Store
    from daytona_plugins.local.runtime.spec import Isolation

logger = logging.getLogger(__name__)

# Ways to end that are not failures: on its own, killed, terminated, or lost together with its terminal.
_ORDINARY_EXITS = frozenset({0, 137, 143, 255, -9, -15})
_INTERRUPTED = "the platform ended while the sandbox was being made; recover or delete it"


class Running(Protocol):
    """A sandbox that has processes."""

    @property
    def socket_path(self) -> Path:
        """Where its agent listens."""
        ...

    @property
    def isolation(self) -> Isolation:
        """What separates it from this machine."""
        ...

    async def stop(self, *, grace: float) -> None:
        """End all of its processes."""
        ...

    async def wait(self) -> int:
        """Return how it ended, once it has."""
        ...


class Driver(Protocol):
    """Whatever makes sandboxes run."""

    async def spawn(self, spec: SandboxSpec) -> Running:
        """Return a sandbox in which commands can be executed."""
        ...


class Lifecycle:
    """Owns the processes and the directories of all sandboxes; borrows the store and the driver."""

    def __init__(self, store: Store, driver: Driver, paths: Paths, clock: Callable[[], float]) -> None:
        self.work = Work()
        self.when_ended: list[Callable[[Running], None]] = []
        self._store = store
        self._driver = driver
        self._paths = paths
        self._clock = clock
        self._running: dict[str, Running] = {}
        self._watchers = Work()

    def running(self, sandbox_id: str) -> Running | None:
        """Return the live side of a sandbox, if it has one."""
        return self._running.get(sandbox_id)

    def move(self, record: Record, **changes: object) -> Record:
        """Write a change of state, which counts as activity.

        Raises:
            LostRaceError: Something else has moved the sandbox.
        """
        now = self._clock()
        return self._store.change(record, updated_at=now, last_activity_at=now, **changes)

    async def settle(self) -> None:
        """Bring what the last process left behind into states that are true; its sandboxes have ended with it."""
        for abandoned in self._paths.agent_socket("").parent.iterdir():
            abandoned.unlink()
        for record in self._store.all():
            state, desired = after_a_crash(record.state, record.desired, ephemeral=record.ephemeral)
            if state is State.DESTROYED:
                await self._remove(record)
            elif state in (State.ERROR, State.BUILD_FAILED) and record.state is not state:
                self.move(record, state=state, desired=desired, error_reason=_INTERRUPTED, recoverable=True)
            elif (state, desired) != (record.state, record.desired):
                self.move(record, state=state, desired=desired)

    async def bring_up(self, record: Record, way: State) -> None:
        """Start the processes of a sandbox; on the way it is in the state *way*."""
        record = self.move(record, state=way)
        try:
            running = await self._driver.spawn(self._spec(record))
        except (SpawnError, OSError, TimeoutError) as error:
            self._fail(record, str(error) or "its agent did not answer in time")
            return
        self._running[record.id] = running
        self.move(record, state=State.STARTED, error_reason=None)
        self._watchers.begin(self._watch(record.id, running))

    async def take_down(self, record: Record, *, grace: float) -> None:
        """End the processes of a sandbox."""
        record = self.move(record, state=State.STOPPING)
        await self._end_processes(record, grace)
        self.move(record, state=State.STOPPED)

    async def destroy(self, record: Record, *, grace: float) -> None:
        """End the processes of a sandbox and remove everything in it."""
        if record.state not in (State.ARCHIVED, State.PENDING_BUILD):
            record = self.move(record, state=State.DESTROYING)
        await self._end_processes(record, grace)
        await self._remove(record)

    async def close(self, *, grace: float) -> None:
        """Finish what is under way, then stop every sandbox; ephemeral ones are gone after that."""
        await self.work.finish()
        for record in self._store.all():
            if record.id in self._running:
                self.work.begin(self._close(record, grace))
        await self.work.finish()
        await self._watchers.cancel()

    async def _close(self, record: Record, grace: float) -> None:
        if record.ephemeral:
            await self.destroy(self.move(record, desired=Desired.DESTROYED), grace=grace)
        else:
            await self.take_down(self.move(record, desired=Desired.STOPPED), grace=grace)

    async def _end_processes(self, record: Record, grace: float) -> None:
        if running := self._running.pop(record.id, None):
            await running.stop(grace=grace)
            self._tell_of_end(running)

    def _tell_of_end(self, running: Running) -> None:
        for tell in self.when_ended:
            tell(running)

    async def _remove(self, record: Record) -> None:
        await remove_tree(self._paths.sandbox(record.id))
        self._store.remove(record.id)

    async def _watch(self, sandbox_id: str, running: Running) -> None:
        """Notice when a sandbox ends that nobody asked to end."""
        status = await running.wait()
        if self._running.get(sandbox_id) is running and (record := self._store.get(sandbox_id)):
            del self._running[sandbox_id]
            self._tell_of_end(running)
            self.work.begin(self._ended(record, status))

    async def _ended(self, record: Record, status: int) -> None:
        logger.warning("sandbox %s ended by itself with status %s", record.id, status)
        if record.ephemeral:
            await self.destroy(self.move(record, desired=Desired.DESTROYED), grace=0)
        elif status in _ORDINARY_EXITS:
            self.move(record, state=State.STOPPED, desired=Desired.STOPPED)
        else:
            self._fail(record, f"the sandbox ended with status {status}")

    def _fail(self, record: Record, reason: str) -> None:
        logger.error("sandbox %s: %s", record.id, reason)
        self.move(record, state=State.ERROR, error_reason=reason, recoverable=True)

    def _spec(self, record: Record) -> SandboxSpec:
        own = {
            "DAYTONA_SANDBOX_ID": record.id,
            "DAYTONA_SANDBOX_SNAPSHOT": record.snapshot or "",
            "DAYTONA_SANDBOX_USER": record.user,
        }
        return SandboxSpec(
            id=record.id,
            hostname=record.id,
            upper=str(self._paths.sandbox(record.id)),
            env=own | record.env,
            network="none" if record.network_block_all else "host",
        )
