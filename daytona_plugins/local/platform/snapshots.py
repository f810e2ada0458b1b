"""What may be done with snapshots: names for images, from which sandboxes are made."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from daytona_plugins.local.images.errors import BuildError
from daytona_plugins.local.platform.creation import CreateBuildInfo, build_info_of, safe_name
from daytona_plugins.local.platform.images import DEFAULT_SNAPSHOT, DEFAULT_SNAPSHOT_ID, snapshot_ref
from daytona_plugins.local.platform.records import BuildInfo
from daytona_plugins.local.platform.regions import refuse_elsewhere
from daytona_plugins.local.platform.snapshot_store import SnapshotRecord
from daytona_plugins.local.platform.store import NameTakenError
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.platform.builds import Builds
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.snapshot_store import SnapshotStore

logger = logging.getLogger(__name__)

DEFAULT = SnapshotRecord(
    id=DEFAULT_SNAPSHOT_ID,
    name=DEFAULT_SNAPSHOT,
    state="active",
    created_at=1767225600.0,
    updated_at=1767225600.0,
    general=True,
    size=0,
)
LONGEST_PAGE = 200
QUOTA = 100
COOLDOWN = 600.0
"""How many seconds a snapshot that has changed cannot be activated."""
UNUSED_SECONDS = 14 * 24 * 3600.0
"""How long an active snapshot from which nobody makes a sandbox stays active."""
_NAME = re.compile(r"[A-Za-z0-9_.\-:]+(/[A-Za-z0-9_.\-:]+)*(@sha256:[0-9a-f]{64})?")
_LOCAL_IMAGE = re.compile(r"(oci|archive|dir):.+|host|scratch")
_UNFINISHED = frozenset({"pending", "pulling", "building", "snapshotting"})
_COUNTED = _UNFINISHED | {"active"}
_INTERRUPTED = "the platform ended while the snapshot was being made"


class CreateSnapshot(msgspec.Struct, rename="camel", kw_only=True):
    """The body of `POST /snapshots`; keys that are not here are ignored."""

    name: str
    image_name: str | None = None
    entrypoint: list[str] | None = None
    cpu: int | None = None
    gpu: int | None = None
    memory: int | None = None
    disk: int | None = None
    build_info: CreateBuildInfo | None = None
    region_id: str | None = None
    sandbox_class: str | None = None


class Snapshots:
    """All snapshots of one platform, as clients may see and change them."""

    def __init__(
        self, store: SnapshotStore, builds: Builds, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._builds = builds
        self._clock = clock

    def open(self) -> None:
        """Settle what the last platform process left half done."""
        for record in self._store.all():
            if record.state in _UNFINISHED:
                failed = "build_failed" if record.build_info else "error"
                self._change(record.id, state=failed, error_reason=_INTERRUPTED)

    def all(self) -> list[SnapshotRecord]:
        """Return every snapshot, the one that is always there included."""
        return [*self._store.all(), DEFAULT]

    def counted(self) -> int:
        """Return how many count against the quota."""
        return sum(one.state in _COUNTED for one in self._store.all())

    def lookup(self, id_or_name: str | None) -> SnapshotRecord | None:
        """Return a snapshot that somebody made, by id or name."""
        return self._store.find(id_or_name.strip()) if id_or_name and id_or_name.strip() else None

    def find(self, id_or_name: str) -> SnapshotRecord:
        """Return a snapshot by id or name.

        Raises:
            HTTPError: There is none (404).
        """
        found = self.lookup(id_or_name)
        if found is None and id_or_name in (DEFAULT.id, DEFAULT.name):
            return DEFAULT
        if found is None:
            raise HTTPError(404, f"snapshot {id_or_name!r} not found")
        return found

    def create(self, body: CreateSnapshot) -> SnapshotRecord:
        """Begin to make a snapshot of an image or of what a Dockerfile describes.

        Raises:
            HTTPError: The protocol refuses it (400, 404), or its name is taken (409).
        """
        _refuse(body)
        now = self._clock()
        record = SnapshotRecord(
            id=str(uuid4()),
            name=body.name,
            state="pending",
            created_at=now,
            updated_at=now,
            image_name=body.image_name or "",
            build_info=build_info_of(body.build_info),
            entrypoint=tuple(word for word in body.entrypoint or () if word) or None,
            cpu=body.cpu or 1,
            mem=body.memory or 1,
            disk=body.disk or 3,
            limited=tuple(name for name in ("cpu", "memory", "disk") if getattr(body, name)),
        )
        self._add(record)
        self._builds.begin(self._make(record))
        return record

    def reserve(self, name: str, source: Record) -> SnapshotRecord:
        """Return a snapshot that is being taken from a sandbox.

        Raises:
            HTTPError: The name cannot be used (400), or is taken (409).
        """
        if not name:
            raise HTTPError(400, "a snapshot has a name")
        safe_name(name)
        now = self._clock()
        record = SnapshotRecord(
            id=str(uuid4()),
            name=name,
            state="snapshotting",
            created_at=now,
            updated_at=now,
            cpu=source.cpu,
            mem=source.memory,
            disk=source.disk,
            limited=source.limited,
            source_sandbox_id=source.id,
        )
        self._add(record)
        return record

    async def finish(self, record: SnapshotRecord, image: Image) -> None:
        """Say what a snapshot that was being made has become."""
        size = await self._builds.size(image)
        if record.entrypoint:
            image = image.with_config(entrypoint=record.entrypoint, cmd=None)
        self._change(record.id, state="active", image=image, size=size, entrypoint=image.config.entrypoint)

    def fail(self, record: SnapshotRecord, reason: str) -> None:
        """Say why a snapshot could not be made."""
        logger.error("snapshot %s: %s", record.name, reason)
        self._change(record.id, state="build_failed" if record.build_info else "error", error_reason=reason)

    def note_use(self, record: SnapshotRecord) -> None:
        """Remember that a sandbox was made from it."""
        self._store.change(record.id, last_used_at=self._clock())

    def delete(self, snapshot_id: str) -> None:
        """Forget a snapshot; sandboxes made from it go on.

        Raises:
            HTTPError: The text is a name (400), or there is none of ours with this id (404).
        """
        self._store.remove(self._own(snapshot_id).id)

    def activate(self, snapshot_id: str) -> SnapshotRecord:
        """Make an inactive snapshot usable again.

        Raises:
            HTTPError: It is not inactive, or has become so a moment ago (400), or is not there (404).
        """
        record = self._own(snapshot_id)
        if record.state != "inactive":
            raise HTTPError(
                400, f"snapshot {record.name!r} is {record.state}; only an inactive one can be activated"
            )
        since = self._clock() - record.updated_at
        if since < COOLDOWN:
            raise HTTPError(
                400,
                f"snapshot {record.name!r} was deactivated just now; activate it in {COOLDOWN - since:.0f} seconds",
            )
        return self._change(record.id, state="active") or record

    def deactivate(self, snapshot_id: str) -> None:
        """Let no more sandboxes be made from a snapshot; fine when none can be already."""
        record = self._own(snapshot_id)
        if record.state != "inactive":
            self._change(record.id, state="inactive")

    async def tick(self) -> None:
        """Deactivate what has not been used for long."""
        long_ago = self._clock() - UNUSED_SECONDS
        for record in self._store.all():
            last = max(record.created_at, record.updated_at, record.last_used_at or 0)
            if record.state == "active" and last < long_ago:
                logger.info("snapshot %s has not been used for long, and is deactivated", record.name)
                self._change(record.id, state="inactive")

    async def _make(self, record: SnapshotRecord) -> None:
        info = build_of(record)
        async with self._builds.layers.in_use():
            self._change(record.id, state="building" if record.build_info else "pulling")
            try:
                image = await self._builds.image(info)
            except BuildError as error:
                self.fail(record, str(error))
            else:
                await self.finish(record, image)

    def _own(self, snapshot_id: str) -> SnapshotRecord:
        if not _is_uuid(snapshot_id):
            known = self._store.find(snapshot_id) or snapshot_id == DEFAULT.name
            raise HTTPError(400 if known else 404, f"{snapshot_id!r} is not the id of a snapshot")
        found = self._store.get(snapshot_id)
        if found is None:
            raise HTTPError(404, f"snapshot {snapshot_id!r} not found among your own")
        return found

    def _add(self, record: SnapshotRecord) -> None:
        try:
            if record.name == DEFAULT.name:
                raise NameTakenError(record.name)
            if (used := self.counted()) >= QUOTA:
                raise HTTPError(
                    400,
                    f"snapshot quota exceeded: {used} of {QUOTA} are in use; delete or deactivate one first",
                )
            self._store.add(record)
        except NameTakenError as error:
            raise HTTPError(409, f"a snapshot with the name {record.name!r} exists already") from error

    def _change(self, snapshot_id: str, **changes: object) -> SnapshotRecord | None:
        return self._store.change(snapshot_id, updated_at=self._clock(), **changes)


def build_of(record: SnapshotRecord) -> BuildInfo:
    """Return the build that makes the snapshot's image: an image that is only named is a Dockerfile of one line."""
    if record.build_info is not None:
        return record.build_info
    text = f"FROM {record.image_name}\n"
    return BuildInfo(dockerfile=text, context_hashes=(), snapshot_ref=snapshot_ref(text, ()))


def _refuse(body: CreateSnapshot) -> None:
    _refuse_name(body.name)
    if bool(body.image_name) == bool(body.build_info):
        raise HTTPError(400, "a snapshot comes from an image or from a build: give one of the two")
    if body.entrypoint and body.build_info:
        raise HTTPError(400, "the entrypoint of a build is in its Dockerfile")
    if body.image_name:
        _refuse_image(body.image_name)
    refuse_elsewhere(body.region_id)
    if body.sandbox_class not in (None, "container") or body.gpu:
        raise HTTPError(400, "no available runners: this platform has containers without GPUs")
    if any(size is not None and size < 0 for size in (body.cpu, body.memory, body.disk)):
        raise HTTPError(400, "resources must not be negative")


def _refuse_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise HTTPError(
            400, "a snapshot's name holds letters, digits, _ . - : and single slashes between them"
        )


def _refuse_image(name: str) -> None:
    if _LOCAL_IMAGE.fullmatch(name):
        return
    tag = name.rpartition("/")[2].partition("@")[0].partition(":")[2]
    if not _NAME.fullmatch(name) or (not tag and "@" not in name) or tag == "latest":
        raise HTTPError(400, f"image {name!r} needs a tag other than latest, or a digest")


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
