"""Volumes: directories that outlive sandboxes and are shared by them.

A volume is ready as soon as it is made, because making it is making a directory. A deleted one keeps its record, so that
who asks for it learns what became of it, and gives its name and its files away.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from daytona_plugins.local.platform.mounts import MountRequest, problems_of
from daytona_plugins.local.platform.states import Desired
from daytona_plugins.local.runtime.runner import remove_tree
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.shelf import Shelf

QUOTA = 100
READY, DELETED = "ready", "deleted"
_UNSAFE_NAME = re.compile(r"<[^>]*>|[\x00-\x1f\x7f]")


class VolumeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One volume; times are seconds since the epoch."""

    id: str
    name: str
    state: str = READY
    created_at: float
    updated_at: float
    last_used_at: float | None = None


class Volumes:
    """All volumes of one platform."""

    def __init__(
        self,
        shelf: Shelf[VolumeRecord],
        directory: Path,
        sandboxes: Callable[[], Iterable[Record]],
        clock: Callable[[], float],
    ) -> None:
        self._shelf = shelf
        self._directory = directory
        self._sandboxes = sandboxes
        self._clock = clock

    async def open(self) -> None:
        """Remove what a process that was killed left: files of deleted volumes, and volumes that nobody was told of."""
        self._directory.mkdir(parents=True, exist_ok=True)
        known = {volume.id: volume for volume in self._shelf.all()}
        for directory in self._directory.iterdir():
            if directory.name not in known:
                with suppress(OSError):  # it holds files, which we know nothing about
                    directory.rmdir()
            elif known[directory.name].state == DELETED:
                await remove_tree(directory)

    def all(self, *, deleted: bool = False) -> list[VolumeRecord]:
        """Return every volume, the most recently used one first."""
        found = [volume for volume in self._shelf.all() if deleted or volume.state != DELETED]
        return sorted(found, key=lambda volume: volume.last_used_at or volume.created_at, reverse=True)

    def get(self, volume_id: str) -> VolumeRecord:
        """Return a volume, also a deleted one.

        Raises:
            HTTPError: There is none (404).
        """
        found = self._shelf.get(volume_id)
        if found is None:
            raise HTTPError(404, f"volume {volume_id!r} not found")
        return found

    def named(self, name: str) -> VolumeRecord:
        """Return the volume with this name.

        Raises:
            HTTPError: There is none (404).
        """
        for volume in self.all():
            if volume.name == name:
                return volume
        raise HTTPError(404, f"volume {name!r} not found")

    def create(self, name: str) -> VolumeRecord:
        """Return a new volume; without a name its id is its name.

        Raises:
            HTTPError: The name is taken or unusable, or there are too many volumes (400).
        """
        there = self.all()
        if _UNSAFE_NAME.search(name):
            raise HTTPError(400, "a name holds no HTML tags and no control characters")
        if any(volume.name == name for volume in there):
            raise HTTPError(400, f"a volume with the name {name!r} exists already")
        if len(there) >= QUOTA:
            raise HTTPError(400, f"there are {QUOTA} volumes, and cannot be more")
        identity, now = str(uuid4()), self._clock()
        (self._directory / identity).mkdir(parents=True)
        return self._shelf.put(
            VolumeRecord(id=identity, name=name or identity, created_at=now, updated_at=now)
        )

    async def delete(self, volume_id: str) -> None:
        """Delete a volume and what is in it.

        Raises:
            HTTPError: It is deleted already (400), or a sandbox uses it (409).
        """
        volume = self.get(volume_id)
        if volume.state != READY:
            raise HTTPError(400, f"volume {volume.name!r} is {volume.state}")
        if users := [record.name for record in self._users(volume.id)]:
            raise HTTPError(409, f"volume {volume.name!r} is used by {', '.join(sorted(users))}")
        deleted = msgspec.structs.replace(
            volume, state=DELETED, name=f"{volume.name}-deleted", updated_at=self._clock()
        )
        self._shelf.put(deleted)
        await remove_tree(self._directory / volume.id)

    def mounted(self, requests: Iterable[MountRequest]) -> tuple[MountRequest, ...]:
        """Return what was asked for with ids in place of names, and note that the volumes are used.

        Raises:
            HTTPError: A volume is not there (404), or cannot be mounted like this (400).
        """
        wanted = [(request, self._usable(request.volume_id)) for request in requests]
        if problems := [text for request, _ in wanted for text in problems_of(request)]:
            raise HTTPError(400, "; ".join(problems))
        for volume in {volume.id: volume for _, volume in wanted}.values():
            self._shelf.put(msgspec.structs.replace(volume, last_used_at=self._clock()))
        return tuple(msgspec.structs.replace(request, volume_id=volume.id) for request, volume in wanted)

    def _usable(self, id_or_name: str) -> VolumeRecord:
        found = [volume for volume in self.all() if id_or_name in (volume.id, volume.name)]
        if len({volume.id for volume in found}) > 1:
            raise HTTPError(400, f"{id_or_name!r} is the id of one volume and the name of another")
        if found:
            return found[0]
        deleted = self._shelf.get(id_or_name)
        if deleted is not None:
            raise HTTPError(400, f"volume {id_or_name!r} is {deleted.state}")
        raise HTTPError(404, f"volume {id_or_name!r} not found")

    def _users(self, volume_id: str) -> list[Record]:
        return [
            record
            for record in self._sandboxes()
            if record.desired is not Desired.DESTROYED
            and any(mount.volume_id == volume_id for mount in record.volumes)
        ]
