"""Takes sandboxes from one state to the next: the only place that starts, ends and removes them.

Every step is written to the store before and after it is taken, so that a new process can tell what the last one
was at. The steps run as tasks, because a sandbox goes on its way when the client that asked is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from secrets import token_hex
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.images.archives import ArchiveError, archive, restore
from daytona_plugins.local.images.copying import copy_layer
from daytona_plugins.local.images.errors import BuildError
from daytona_plugins.local.images.layers import KEPT
from daytona_plugins.local.platform.agent_connection import AgentPool
from daytona_plugins.local.platform.agent_environment import change_hosts
from daytona_plugins.local.platform.builds import Builds
from daytona_plugins.local.platform.collectors import Collector, Collectors
from daytona_plugins.local.platform.gates import Gates, is_limited
from daytona_plugins.local.platform.images import labels_of
from daytona_plugins.local.platform.links import names_of_others
from daytona_plugins.local.platform.mounts import mounts_of
from daytona_plugins.local.platform.parking import Parking
from daytona_plugins.local.platform.pausing import Pauses
from daytona_plugins.local.platform.states import Desired, State, after_a_crash
from daytona_plugins.local.platform.store import LostRaceError
from daytona_plugins.local.platform.why_ended import WhyEnded
from daytona_plugins.local.runtime.holding import held
from daytona_plugins.local.runtime.rootfs import WORK
from daytona_plugins.local.runtime.runner import SpawnError, remove_tree
from daytona_plugins.local.runtime.spec import HOME, SandboxSpec, hosts_file
from daytona_plugins.local.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.driver import Driver, Running
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.store import Store

logger = logging.getLogger(__name__)

# Ways to end that are not failures: on its own, killed, terminated, or lost together with its terminal.
_ORDINARY_EXITS = frozenset({0, 137, 143, 255, -9, -15})
DEMAND = "daytona.local/limits"
"""A label: when it is "enforced", limits that do not hold are a reason to refuse."""
_INTERRUPTED = "the platform ended while the sandbox was being made; recover or delete it"


class Lifecycle:
    """Owns the processes and the directories of all sandboxes; borrows the store and the driver."""

    def __init__(
        self, store: Store, driver: Driver, paths: Paths, clock: Callable[[], float], *, parked: int
    ) -> None:
        self.work = Work()
        self.builds = Builds(driver, paths)
        self._store = store
        self.agents = AgentPool()
        self._parking = Parking(driver, paths, self.agents, parked)
        self._paths = paths
        self._clock = clock
        self.gates = Gates(store, paths)
        self.collectors = Collectors(store.shelf("collector", Collector))
        self._running: dict[str, Running] = {}
        self._pauses = Pauses()
        self.why_ended = WhyEnded()
        self._watchers = Work()
        self._archiving: dict[str, asyncio.Task[None]] = {}

    def running(self, sandbox_id: str) -> Running | None:
        """Return the live side of a sandbox, if it has one."""
        return self._running.get(sandbox_id)

    def answering(self, sandbox_id: str) -> Running | None:
        """Return the live side of a sandbox that answers requests: one that is paused does not."""
        return None if sandbox_id in self._pauses else self._running.get(sandbox_id)

    def move(self, record: Record, **changes: object) -> Record:
        """Write a change of state, which counts as activity.

        Raises:
            LostRaceError: Something else has moved the sandbox.
        """
        now = self._clock()
        return self._store.change(record, updated_at=now, last_activity_at=now, **changes)

    async def settle(self) -> None:
        """Bring what the last process left behind into states that are true; its sandboxes have ended with it."""
        await self.builds.open()
        for abandoned in self._paths.agent_socket("").parent.iterdir():
            abandoned.unlink()
        for unfinished in (self._paths.data / "archives").glob("*.part"):
            unfinished.unlink()
        found_records = self._store.all()
        await self._parking.settle({record.id for record in found_records})
        for found in found_records:
            record = self._with_whole_layers(found)
            state, desired = after_a_crash(record.state, record.desired, ephemeral=record.ephemeral)
            if state is State.DESTROYED:
                await self._remove(record)
            elif state in (State.ERROR, State.BUILD_FAILED) and record.state is not state:
                self.move(
                    record,
                    state=state,
                    desired=desired,
                    error_reason=_INTERRUPTED,
                    recoverable=_has_files(record),
                )
            elif (state, desired) != (record.state, record.desired):
                self.move(record, state=state, desired=desired)
            if state is State.ARCHIVED:
                await remove_tree(self._paths.sandbox(record.id))
            elif record.state is State.ARCHIVING:
                self._archive(record.id).unlink(missing_ok=True)

    @property
    def parked(self) -> list[str]:
        """The ids of the sandboxes that wait to be claimed."""
        return self._parking.waiting

    def claim(self, record: Record) -> Record:
        """Return a new sandbox under the id of a parked one, if there is one that it can be."""
        named_by_id = record.name == record.id
        self._parking.expect(self._spec(msgspec.structs.replace(record, env={})))
        identity = self._parking.claim(self._spec(record)) or record.id
        return msgspec.structs.replace(record, id=identity, name=identity if named_by_id else record.name)

    def give_back(self, record: Record) -> None:
        """Keep what was claimed for somebody else."""
        self._parking.give_back(record.id)

    async def build_and_bring_up(self, record: Record) -> None:
        """Build the image of a sandbox, then start its processes."""
        info = record.build_info
        assert info is not None
        async with self.builds.layers.in_use():
            record = self.move(record, state=State.BUILDING_SNAPSHOT)
            try:
                image = await self.builds.image(info)
            except BuildError as error:
                self.move(record, state=State.BUILD_FAILED, error_reason=str(error))
                return
            labels = record.labels | labels_of(image)
            record = self.move(record, state=State.UNKNOWN, image=image, labels=labels)
        await self.bring_up(record, State.CREATING)

    async def bring_up(self, record: Record, way: State, **changes: object) -> None:
        """Start the processes of a sandbox; on the way it is in the state *way*, and has what else *changes*."""
        record = self.move(record, state=way, **changes)
        try:
            await self._restore(record.id)
            running = await self._parking.spawn(self._spec(record))
            await _refuse_unkept_limits(record, running)
        except (SpawnError, ArchiveError, OSError, TimeoutError) as error:
            self._fail(record, str(error) or "its agent did not answer in time")
            return
        self._running[record.id] = running
        if running.way_out is not None:
            await self.gates.open(record.id, running.way_out)
        self.move(record, state=State.STARTED, error_reason=None)
        await self._tell_neighbours(record)
        self._watchers.begin(self._watch(record.id, running))

    async def take_down(self, record: Record, *, grace: float) -> None:
        """End the processes of a sandbox."""
        record = self.move(record, state=State.STOPPING)
        with self.why_ended.because(self._running.get(record.id), "it was stopped"):
            await self._end_processes(record, grace)
            # The kernel would remove it at the next start, when somebody waits.
            self.builds.layers.discard(self._paths.sandbox(record.id) / WORK)
            self.move(record, state=State.STOPPED)

    async def pause(self, record: Record) -> None:
        """Hold the programs of a sandbox still, with their memory."""
        record = self.move(record, state=State.PAUSING)
        with contextlib.suppress(LostRaceError):  # it has ended by itself meanwhile, and its state says so
            await self.keep_paused(record.id)
            self.move(record, state=State.PAUSED)

    async def keep_paused(self, sandbox_id: str) -> None:
        """Hold what runs in a sandbox that is not to run."""
        if running := self._running.get(sandbox_id):
            await self._pauses.hold(sandbox_id, running)

    async def resume(self, record: Record) -> None:
        """Let the programs of a sandbox go on where they were."""
        record = self.move(record, state=State.RESUMING)
        with contextlib.suppress(LostRaceError):  # see above
            if running := self._running.get(record.id):
                await self._pauses.let_go(record.id, running)
            self.move(record, state=State.STARTED)

    async def capture(self, record: Record, way: State) -> Image:
        """Return what a sandbox is now as an image; on the way it is in the state *way*.

        A running one is held still and copied. What a stopped one has written becomes a layer by being renamed, and the
        sandbox goes on over it.
        """
        layer = f"{KEPT}{token_hex(12)}"
        with self.builds.pinned(layer):
            return await self._capture(record, way, layer)

    async def _capture(self, record: Record, way: State, layer: str) -> Image:
        before, image = record, record.image.with_layer(layer)
        running = self._running.get(record.id)
        try:
            if running is None:
                # The store first: a layer that is named and missing is noticed, one that is lost is not.
                record = self.move(record, state=way, image=image)
                await self._keep(self._made(record.id), layer)
            else:
                record = self.move(record, state=way)
                await self._keep_copy(record, running, layer)
        finally:
            goes_on_over_it = running is None and self.builds.layers.has(layer)
            # It may have ended by itself meanwhile, and its state says so.
            with contextlib.suppress(LostRaceError):
                self.move(record, state=before.state, image=image if goes_on_over_it else before.image)
        return image

    async def _keep_copy(self, record: Record, running: Running, layer: str) -> None:
        draft = self.builds.layers.draft()
        try:
            await asyncio.to_thread(_copy_held, running.pid, self._paths.sandbox(record.id), draft)
            await self.builds.layers.keep(draft, layer)
        finally:
            self.builds.layers.discard(draft)

    async def fork(self, record: Record, child: Record) -> None:
        """Give *child* the files that a sandbox has now, and start its processes."""
        try:
            image = await self.capture(record, State.FORKING)
        except (OSError, LostRaceError) as error:
            self._fail(child, f"the files of {record.id} could not be copied: {error}", recoverable=False)
            return
        await self.bring_up(child, State.CREATING, image=image)

    async def _keep(self, directory: Path, layer: str) -> None:
        await self.builds.layers.keep(directory, layer)
        self.builds.layers.discard(directory)

    def _made(self, sandbox_id: str) -> Path:
        """Return the directory of a sandbox, which is not there before its first start."""
        directory = self._paths.sandbox(sandbox_id)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory

    async def archive(self, record: Record) -> None:
        """Move what a stopped sandbox has written into one compressed file."""
        record = self.move(record, state=State.ARCHIVING)
        directory = self._made(record.id)
        writing = asyncio.ensure_future(archive(directory, self._archive(record.id)))
        self._archiving[record.id] = writing
        try:
            await writing
        except asyncio.CancelledError:
            if not writing.cancelled():
                raise
            return  # called off by who has the sandbox now
        except (ArchiveError, OSError) as error:
            self._fail(record, f"it could not be archived: {error}")
            return
        finally:
            del self._archiving[record.id]
        with contextlib.suppress(
            LostRaceError
        ):  # whoever deletes the sandbox removes its files, wherever they are
            self.move(record, state=State.ARCHIVED, backup_created_at=self._clock())
            await remove_tree(directory)

    async def abandon_archive(self, record: Record) -> Record:
        """Call off what writes the archive of a sandbox, and return where that finds it: it may be one by now."""
        writing = self._archiving.get(record.id)
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])
        return self._store.get(record.id) or record

    async def _restore(self, sandbox_id: str) -> None:
        """Bring back the files of a sandbox that was archived."""
        file = self._archive(sandbox_id)
        if file.exists():
            await restore(file, self._paths.sandbox(sandbox_id), self.builds.layers.draft())
            file.unlink()

    def is_archived(self, sandbox_id: str) -> bool:
        """Return whether the files of a sandbox are in its archive."""
        return self._archive(sandbox_id).exists()

    def _archive(self, sandbox_id: str) -> Path:
        return self._paths.data / "archives" / f"{sandbox_id}.tar"

    def _with_whole_layers(self, record: Record) -> Record:
        """A process that was killed while it made a layer of a sandbox's files has left these where they were."""
        layers = record.image.layers
        if record.state not in (State.SNAPSHOTTING, State.FORKING) or not layers:
            return record
        if self.builds.layers.has(layers[-1]):
            return record
        image = msgspec.structs.replace(record.image, layers=layers[:-1])
        return self._store.change(record, image=image)

    async def destroy(self, record: Record, *, grace: float) -> None:
        """End the processes of a sandbox and remove everything in it."""
        await self.abandon_archive(record)
        if record.state not in (State.ARCHIVED, State.PENDING_BUILD):
            record = self.move(record, state=State.DESTROYING)
        with self.why_ended.because(self._running.get(record.id), "it was deleted"):
            await self._end_processes(record, grace)
            await self._remove(record)

    async def close(self, *, grace: float) -> None:
        """End builds, finish what else is under way, then stop every sandbox; ephemeral ones are gone after that."""
        await self.builds.close()
        await self.work.finish()
        for record in self._store.all():
            if record.id in self._running:
                self.work.begin(self._close(record, grace))
        await self.work.finish()
        await self._parking.close()
        self.agents.close()
        await self._watchers.cancel()
        await self.builds.layers.emptied()

    async def _close(self, record: Record, grace: float) -> None:
        if record.ephemeral:
            await self.destroy(self.move(record, desired=Desired.DESTROYED), grace=grace)
        else:
            await self.take_down(self.move(record, desired=Desired.STOPPED), grace=grace)

    async def _end_processes(self, record: Record, grace: float) -> None:
        if running := self._running.pop(record.id, None):
            await self._pauses.let_go(record.id, running)  # so that they can end in order
            await running.stop(grace=grace)
            await self.gates.close(record.id)
            self.agents.forget(running.socket_path)

    async def collect(self) -> None:
        """Remove layers of sandboxes' files that nothing is made of any more."""
        if self.builds.layers.kept():
            await self.builds.collect(
                {layer for record in self._store.all() for layer in record.image.layers}
            )

    async def _tell_neighbours(self, record: Record) -> None:
        """Let the sandboxes that are linked with one know the names that there are now."""
        if record.linked is None and not record.leads:
            return
        owner, everybody = record.linked or record.id, self._store.all()
        for one in everybody:
            running = self._running.get(one.id)
            if running is None or one.id == record.id or owner not in (one.id, one.linked):
                continue
            if one.id in self.gates:
                self.gates.review(one.id)
            else:
                content = hosts_file(one.id, names_of_others(one, everybody))
                await change_hosts(self.agents, running.socket_path, content)

    async def _remove(self, record: Record) -> None:
        self.builds.layers.discard(self._paths.sandbox(record.id))
        self._archive(record.id).unlink(missing_ok=True)
        self._store.remove(record.id)
        await self._tell_neighbours(record)
        await self.collect()

    async def end_over_limit(self, record: Record, running: Running, reason: str) -> None:
        """End a sandbox that uses more than it may; what it has written is kept."""
        if self._running.get(record.id) is running:
            with self.why_ended.because(running, reason):
                await self._end_processes(record, 0)
                self._fail(record, reason)

    async def _watch(self, sandbox_id: str, running: Running) -> None:
        """Notice when a sandbox ends that nobody asked to end."""
        status = await running.wait()
        if self._running.get(sandbox_id) is running and (record := self._store.get(sandbox_id)):
            del self._running[sandbox_id]
            self._pauses.forget(sandbox_id)
            await self.gates.close(sandbox_id)
            self.agents.forget(running.socket_path)
            self.work.begin(self._ended(record, running, status))

    async def _ended(self, record: Record, running: Running, status: int) -> None:
        logger.warning("sandbox %s ended by itself with status %s", record.id, status)
        with self.why_ended.because(running, _how(status)):
            if record.ephemeral:
                gone = self.move(record, state=State.DESTROYING, desired=Desired.DESTROYED)
                await self.destroy(gone, grace=0)
            elif status in _ORDINARY_EXITS:
                self.move(record, state=State.STOPPED, desired=Desired.STOPPED)
            else:
                self._fail(record, f"the sandbox ended with status {status}")

    def _fail(self, record: Record, reason: str, *, recoverable: bool = True) -> None:
        logger.error("sandbox %s: %s", record.id, reason)
        desired = Desired.STARTED if record.desired is Desired.PAUSED else record.desired
        self.move(record, state=State.ERROR, desired=desired, error_reason=reason, recoverable=recoverable)

    def _neighbours(self, record: Record) -> tuple[str, ...]:
        """Return whose names lead to this machine; a sandbox with a network of its own asks its name server."""
        if is_limited(record) or (record.linked is None and not record.leads):
            return ()
        return names_of_others(record, self._store.all())

    def _spec(self, record: Record) -> SandboxSpec:
        own = {
            "DAYTONA_SANDBOX_ID": record.id,
            "DAYTONA_SANDBOX_SNAPSHOT": record.snapshot or "",
            "DAYTONA_SANDBOX_USER": record.user,
        }
        if collector := self.collectors.of(record):
            own["DAYTONA_OTEL_ENDPOINT"] = collector.endpoint
        return SandboxSpec(
            id=record.id,
            hostname=record.id,
            upper=str(self._paths.sandbox(record.id)),
            mounts=mounts_of(record.volumes, self._paths.volumes),
            base=record.image.base,
            layers=self.builds.layers.paths_of(record.image.layers),
            env=own | self.gates.environment(record) | record.image.config.env | record.environment,
            workdir=record.image.config.workdir or HOME,
            entrypoint=record.image.config.program,
            limits=record.limits,
            network="proxy" if is_limited(record) else "host",
            neighbours=self._neighbours(record),
            trust=self.gates.trust(record),
        )


def _how(status: int) -> str:
    if status < 0:
        return f"its first process was killed by signal {-status}"
    return f"its first process ended with status {status}"


def _has_files(record: Record) -> bool:
    """Return whether what a sandbox is made of is there: a fork gets the files of its parent before anything else."""
    return record.parent is None or record.state is not State.UNKNOWN


async def _refuse_unkept_limits(record: Record, running: Running) -> None:
    """End a sandbox that was asked for with limits that hold, and has some that do not."""
    held = running.isolation.limits
    unkept = [name for name in sorted(record.limited) if held.get(name) != "enforced"]
    if record.labels.get(DEMAND) == "enforced" and unkept:
        await running.stop(grace=0)
        if running.way_out is not None:
            running.way_out.close()
        raise SpawnError(
            f"limits that the kernel keeps were asked for, and on this machine it keeps none of {', '.join(unkept)};"
            f" `daytona local doctor` says what helps, and without the label {DEMAND} they are watched or ignored"
        )


def _copy_held(process_1: int | None, source: Path, target: Path) -> None:
    with held(process_1):
        copy_layer(source, target)
