"""What may be done with sandboxes: each request is checked, writes what is desired, and waits for a while.

The wait is there because here most changes take milliseconds, and a client that is told the final state has nothing
to poll for.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from daytona_plugins.local.platform.activity import Activity
from daytona_plugins.local.platform.creation import new_token
from daytona_plugins.local.platform.departed import Departed
from daytona_plugins.local.platform.errors import not_found, not_in_this_version
from daytona_plugins.local.platform.gates import is_limited, require_direct
from daytona_plugins.local.platform.images import labels_of
from daytona_plugins.local.platform.lifecycle import Lifecycle
from daytona_plugins.local.platform.links import others_of, require_linkable
from daytona_plugins.local.platform.quotas import Quota, Quotas
from daytona_plugins.local.platform.sizes import Capacity
from daytona_plugins.local.platform.states import Desired, Operation, State, refusal
from daytona_plugins.local.platform.store import LostRaceError, NameTakenError
from daytona_plugins.local.platform.timers import due
from daytona_plugins.local.platform.watching import Watch
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.driver import Driver, Running
    from daytona_plugins.local.platform.records import BuildInfo, Record
    from daytona_plugins.local.platform.sizes import Size
    from daytona_plugins.local.platform.snapshot_store import SnapshotRecord
    from daytona_plugins.local.platform.snapshots import Snapshots
    from daytona_plugins.local.platform.store import Store

logger = logging.getLogger(__name__)

START_PATIENCE = 30.0
STOP_PATIENCE = 2.0
STOP_GRACE = 10.0
CLOSE_GRACE = 2.0
MOST_ANCESTORS = 50


class Sandboxes:
    """All sandboxes of one platform, as clients may see and change them.

    Args:
        parked: How many are made ahead.
    """

    def __init__(
        self,
        store: Store,
        driver: Driver,
        paths: Paths,
        *,
        clock: Callable[[], float] = time.time,
        parked: int = 0,
    ) -> None:
        self.clock = clock
        self.activity = Activity(self._note_activity)
        self.store = self._store = store
        self.paths = paths
        self._lifecycle = Lifecycle(store, driver, paths, clock, parked=parked)
        self.builds = self._lifecycle.builds
        self.collectors = self._lifecycle.collectors
        """Who is told what sandboxes use."""
        self.agents = self._lifecycle.agents
        """The connections to the agents that run."""
        self.why_ended = self._lifecycle.why_ended
        """What ended a sandbox, for whoever was using it."""
        self._watch = Watch(self._lifecycle, store, paths)
        self._due: dict[Operation, Callable[[Record], Awaitable[Record]]] = {
            Operation.STOP: self.stop,
            Operation.PAUSE: self.pause,
            Operation.ARCHIVE: self.archive,
            Operation.DELETE: self._expire,
        }
        self.capacity = Capacity.of(paths.data)
        self.quotas = Quotas(store.shelf("quota", Quota), store.all)
        self.departed = Departed(clock)
        """Those that were deleted a while ago."""
        store.changes.listen(self.departed.note)

    async def open(self) -> None:
        """Take over what the last platform process left behind."""
        await self._lifecycle.settle()

    async def close(self) -> None:
        """Stop every sandbox; files and records stay."""
        await self._lifecycle.close(grace=CLOSE_GRACE)

    def find(self, id_or_name: str) -> Record:
        """Return the sandbox with this id or name.

        Raises:
            HTTPError: There is none that a client may see (404).
        """
        return _visible(self._store.find(id_or_name), id_or_name)

    def get(self, sandbox_id: str) -> Record:
        """Return the sandbox with this id.

        Raises:
            HTTPError: There is none that a client may see (404).
        """
        return _visible(self._store.get(sandbox_id), sandbox_id)

    def look_up(self, sandbox_id: str) -> Record | None:
        """Return the sandbox with this id, None when there is none that a client may see."""
        record = self._store.get(sandbox_id)
        return record if record is not None and record.visible else None

    def all(self) -> list[Record]:
        """Return every sandbox, those on their way out included."""
        return self._store.all()

    @property
    def parked(self) -> list[str]:
        """The ids of the sandboxes that were made ahead and are nobody's yet."""
        return self._lifecycle.parked

    def running(self, sandbox_id: str) -> Running | None:
        """Return the live side of a sandbox, if it has one."""
        return self._lifecycle.running(sandbox_id)

    def answering(self, sandbox_id: str) -> Running | None:
        """Return the live side of a sandbox that answers requests: one that is paused does not."""
        return self._lifecycle.answering(sandbox_id)

    async def create(self, record: Record) -> Record:
        """Bring a new sandbox up and return it as it is when commands can be executed in it.

        One whose image has to be built is returned at once, and follows its build.

        Raises:
            HTTPError: Its name is taken (409), or there is no quota left for it or it failed to start (400).
        """
        require_direct(record)
        self.quotas.require(record)
        if record.build_info is not None:
            record = await self._add_with_image(record, record.build_info)
        elif record.linked is not None:
            record = self._add_linked(record, record.linked)
        else:
            record = self._add_claimed(record)
        if record.state is State.PENDING_BUILD:
            self.builds.begin(self._lifecycle.build_and_bring_up(record))
            return record
        return await self._bring_up(record, State.CREATING)

    def _add_claimed(self, record: Record) -> Record:
        """Remember a new sandbox, under the id of one that was made ahead if there is one that fits."""
        claimed = self._lifecycle.claim(record)
        try:
            self._add(claimed)
        except HTTPError:
            if claimed.id != record.id:
                self._lifecycle.give_back(claimed)
            raise
        return claimed

    def _add_linked(self, record: Record, owner: str) -> Record:
        """Remember a new sandbox that is to be reached by name from another one, and to reach it so."""
        found = self.find(owner)
        require_linkable(record, found)
        self._require_alike(record, found)
        record = msgspec.structs.replace(record, linked=found.id)
        self.change(found, leads=True)
        self._add(record)
        return record

    async def _add_with_image(self, record: Record, info: BuildInfo) -> Record:
        """Remember a new sandbox, with its image if that is there already."""
        async with self.builds.layers.in_use():
            if image := await self.builds.find(info):
                labels = record.labels | labels_of(image)
                record = msgspec.structs.replace(record, state=State.UNKNOWN, image=image, labels=labels)
            self._add(record)
            return record

    def _add(self, record: Record) -> None:
        try:
            self._store.add(record)
        except NameTakenError as error:
            raise _name_taken(record.name) from error

    def hand_over(self, member: Record, *, name: str, **changes: object) -> Record:
        """Return a sandbox that has been waiting in a pool as one that belongs to somebody.

        Raises:
            HTTPError: The name is taken (409).
        """
        if self._store.find(name) is not None:
            raise _name_taken(name)
        return self._store.change(member, name=name, **changes)

    async def start(self, record: Record) -> Record:
        """Bring a sandbox up again, or let one go on that is paused; one that is up stays as it is.

        Raises:
            HTTPError: It cannot be started now (400, 409), or it failed to (400).
        """
        _require(Operation.START, record)
        if record.state is State.STARTED:
            return record
        self.quotas.require(record)
        if record.state is State.PAUSED:
            return await self._resume(record)
        if record.state is State.ARCHIVING:
            record = await self._lifecycle.abandon_archive(record)
        if record.state not in (State.STOPPED, State.ARCHIVING, State.ARCHIVED):
            raise HTTPError(409, f"the sandbox is {record.state}; start it when that is done")
        way = State.RESTORING if record.state is State.ARCHIVED else State.STARTING
        record = self._move(record, desired=Desired.STARTED, auth_token=new_token())
        return await self._bring_up(record, way)

    async def _resume(self, record: Record) -> Record:
        record = self._move(record, desired=Desired.STARTED)
        await self._lifecycle.work.run(self._lifecycle.resume(record), patience=START_PATIENCE)
        return self.get(record.id)

    async def pause(self, record: Record) -> Record:
        """Hold the programs of a sandbox still; they keep their memory until it is started, or this process ends.

        Raises:
            HTTPError: It is not running (400), or is changing (409).
        """
        _require(Operation.PAUSE, record)
        record = self._move(record, desired=Desired.PAUSED)
        await self._lifecycle.work.run(self._lifecycle.pause(record), patience=STOP_PATIENCE)
        return self._store.get(record.id) or record

    async def stop(self, record: Record, *, force: bool = False) -> Record:
        """End the processes of a sandbox and keep its files; an ephemeral one is deleted.

        Raises:
            HTTPError: It is not running (400), or is changing (409).
        """
        _require(Operation.STOP, record)
        grace = 0 if force else STOP_GRACE
        if record.ephemeral:
            return await self._destroy(record, grace=grace)
        record = self._move(record, desired=Desired.STOPPED)
        await self._lifecycle.work.run(self._lifecycle.take_down(record, grace=grace), patience=STOP_PATIENCE)
        return self._store.get(record.id) or record

    async def delete(self, record: Record) -> Record:
        """Remove a sandbox and everything in it; its name is free at once.

        Raises:
            HTTPError: It is changing (409), or there are forks of it (400).
        """
        _require(Operation.DELETE, record)
        forks = [fork for fork in self.children(record) if fork.desired is not Desired.DESTROYED]
        if forks:
            names = ", ".join(sorted(fork.name for fork in forks))
            raise HTTPError(400, f"sandbox {record.name!r} has forks; delete these first: {names}")
        return await self._destroy(record, grace=0)

    async def _expire(self, record: Record) -> Record:
        """Remove a sandbox whose time is over: forks have their own layers, and need no parent."""
        return await self._destroy(record, grace=0)

    async def recover(self, record: Record, *, skip_start: bool = False) -> Record:
        """Bring a sandbox back from an error.

        Raises:
            HTTPError: It has none, or one that cannot be recovered from (400).
        """
        _require(Operation.RECOVER, record)
        # One that failed while it was brought back from an archive has its files there still.
        rest = State.ARCHIVED if self._lifecycle.is_archived(record.id) else State.STOPPED
        record = self._move(record, state=rest, desired=Desired(rest), error_reason=None, recoverable=False)
        return record if skip_start else await self.start(record)

    async def archive(self, record: Record) -> Record:
        """Move the files of a stopped sandbox into a compressed file; starting it brings them back.

        Raises:
            HTTPError: It is not stopped, or ephemeral (400), or changing (409).
        """
        _require(Operation.ARCHIVE, record)
        record = self._move(record, desired=Desired.ARCHIVED)
        await self._lifecycle.work.run(self._lifecycle.archive(record), patience=STOP_PATIENCE)
        return self._store.get(record.id) or record

    def resize(self, record: Record, size: Size) -> Record:
        """Change the size of a sandbox; what is asked for is a limit from now on, also of one that runs.

        Raises:
            HTTPError: It cannot be of this size (400), or is changing (409).
        """
        _require(Operation.RESIZE, record)
        changes = size.changes(record)
        self.capacity.require(**changes)
        self.quotas.require(msgspec.structs.replace(record, **changes))
        limited = tuple({*record.limited, *changes})
        changed = self.change(record, limited=limited, **changes)
        if running := self.running(record.id):
            running.limit(changed.limits)
        return changed

    async def snapshot(self, record: Record, name: str, snapshots: Snapshots) -> Record:
        """Make a snapshot of the files of a sandbox; the memory of its programs is no part of it.

        Raises:
            HTTPError: It is neither started nor stopped (400), is changing (409), or the name is taken (409).
        """
        _require(Operation.SNAPSHOT, record)
        made = snapshots.reserve(name, record)
        await self._lifecycle.work.run(self._take(record, made, snapshots), patience=START_PATIENCE)
        return self.get(record.id)

    async def _take(self, record: Record, made: SnapshotRecord, snapshots: Snapshots) -> None:
        try:
            image = await self._lifecycle.capture(record, State.SNAPSHOTTING)
        except (OSError, LostRaceError) as error:
            snapshots.fail(made, str(error))
            return
        await snapshots.finish(made, image)

    async def fork(self, record: Record, name: str | None) -> Record:
        """Return a new sandbox with the files of this one as they are now; programs are not copied, nor their memory.

        Raises:
            HTTPError: It is neither started nor stopped (400), is changing, or the name is taken (409).
        """
        _require(Operation.FORK, record)
        record = self.change(record, forked=True)
        now = self.clock()
        identity = str(uuid4())
        child = msgspec.structs.replace(
            record,
            id=identity,
            name=name or identity,
            state=State.UNKNOWN,
            desired=Desired.STARTED,
            created_at=now,
            updated_at=now,
            last_activity_at=now,
            auth_token=new_token(),
            signing_key=token_hex(32),
            error_reason=None,
            parent=record.id,
            forked=False,
            linked=None,
            leads=False,
        )
        self.quotas.require(child)
        self._add(child)
        await self._lifecycle.work.run(self._lifecycle.fork(record, child), patience=START_PATIENCE)
        return self.get(child.id)

    def require_like_its_links(self, record: Record) -> None:
        """Refuse to give a sandbox a network of its own, or to take it, when others are linked with it.

        Raises:
            HTTPError: They would no longer be alike (501).
        """
        if record.linked is not None or record.leads:
            others = others_of(record, self._store.all())
            self._require_alike(*([record, *others] if others else []))

    def _require_alike(self, *linked: Record) -> None:
        """Refuse links between sandboxes of which some have a network of their own, now or at the next start.

        Raises:
            HTTPError: There are such (501).
        """
        apart = {is_limited(one) for one in linked}
        apart |= {one.id in self._lifecycle.gates for one in linked if self.running(one.id) is not None}
        if len(apart) > 1:
            raise not_in_this_version(
                "linkedSandbox between sandboxes with and without limits of the network or secrets"
                " (networkAllowList 0.0.0.0/0 is a limit that allows everything but this machine)"
            )

    def children(self, record: Record) -> list[Record]:
        """Return the forks of a sandbox."""
        if not record.forked:
            return []
        return [one for one in self._store.all() if one.parent == record.id and one.visible]

    def ancestors(self, record: Record) -> list[Record]:
        """Return the sandboxes that one comes from by forks, as far as they are still there, the oldest first."""
        found: list[Record] = []
        while record.parent is not None and len(found) < MOST_ANCESTORS:
            parent = self.look_up(record.parent)
            if parent is None:
                break
            found.insert(0, parent)
            record = parent
        return found

    async def collect(self) -> None:
        """Remove layers of sandboxes' files that nothing is made of any more."""
        await self._lifecycle.collect()

    async def change_network(self, record: Record, **changes: object) -> Record:
        """Change what a sandbox may reach; connections that are forbidden now are cut.

        Raises:
            HTTPError: It runs in the network of this machine, which cannot be taken from it while it runs (400).
        """
        running = self.running(record.id)
        wanted = msgspec.structs.replace(record, **changes)
        require_direct(wanted)
        self.require_like_its_links(wanted)
        if running is not None and running.way_out is None and is_limited(wanted):
            raise HTTPError(
                400, "a sandbox that was started with the machine's network cannot be limited; stop it first"
            )
        changed = self.change(record, **changes)
        self._lifecycle.gates.review(record.id)
        return changed

    def change(self, record: Record, **changes: object) -> Record:
        """Change settings of a sandbox, whatever it is doing; this is no activity.

        Raises:
            HTTPError: It changed its state meanwhile (409).
        """
        try:
            return self._store.change(record, updated_at=self.clock(), **changes)
        except LostRaceError as error:
            raise _modified(record) from error

    async def tick(self) -> None:
        """Stop, pause, archive and delete what is due, and end what uses more than it may."""
        self.activity.keep()
        await self._watch.look()
        for record in self._store.all():
            alone = record.linked is not None and self._store.get(record.linked) is None
            operation = Operation.DELETE if alone and not record.pending else due(record, self.clock())
            if operation is not None:
                logger.info("%s of sandbox %s is due", operation, record.id)
                with suppress(HTTPError):  # a client was faster; what is still due is due at the next tick
                    await self._due[operation](record)

    async def _bring_up(self, record: Record, way: State) -> Record:
        await self._lifecycle.work.run(self._lifecycle.bring_up(record, way), patience=START_PATIENCE)
        now = self.get(record.id)
        if now.state is State.ERROR:
            raise HTTPError(400, f"sandbox {now.id} failed to start: {now.error_reason}")
        return now

    async def _destroy(self, record: Record, *, grace: float) -> Record:
        freed = f"DESTROYED_{record.name}_{int(self.clock() * 1000)}"
        record = self._move(record, desired=Desired.DESTROYED, name=freed)
        await self._lifecycle.work.run(self._lifecycle.destroy(record, grace=grace), patience=STOP_PATIENCE)
        self.activity.forget(record.id)
        return self._store.get(record.id) or msgspec.structs.replace(record, state=State.DESTROYED)

    def _move(self, record: Record, **changes: object) -> Record:
        try:
            return self._lifecycle.move(record, **changes)
        except LostRaceError as error:
            raise _modified(record) from error

    def _note_activity(self, sandbox_id: str) -> None:
        if record := self._store.get(sandbox_id):
            self._store.change(record, last_activity_at=max(record.last_activity_at, self.clock()))


def _visible(record: Record | None, asked: str) -> Record:
    if record is None or not record.visible:
        raise not_found(asked)
    return record


def _require(operation: Operation, record: Record) -> None:
    if refused := refusal(operation, record.situation):
        raise HTTPError(refused.status, refused.message)


def _name_taken(name: str) -> HTTPError:
    return HTTPError(409, f"a sandbox with the name {name!r} exists already")


def _modified(record: Record) -> HTTPError:
    return HTTPError(409, f"sandbox {record.id} was modified by another operation")
