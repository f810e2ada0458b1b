"""Volumes: storage that outlives sandboxes and is shared by them."""

from __future__ import annotations

from typing import Final

from ..errors import DaytonaBadRequestError, DaytonaConflictError, DaytonaError, DaytonaNotFoundError
from ..models.enums import VolumeState
from ..models.volume import CreateVolume, Volume, Volumes
from ..protocols import waiting
from ..service import AsyncService, operation, segment

__all__ = ["AsyncVolumeService"]

READY_PATIENCE: Final = 60.0
_ON_THE_WAY: Final = frozenset({VolumeState.PENDING_CREATE, VolumeState.CREATING})


class AsyncVolumeService(AsyncService):
    """The volumes of an organization."""

    @operation("Failed to get volume: ")
    async def get(self, name: str, create: bool = False) -> Volume:
        """Return the volume with this name.

        Args:
            name: Its name.
            create: Create it if it does not exist, and return it once it can be mounted.

        Raises:
            DaytonaNotFoundError: There is none.
            DaytonaTimeoutError: The new volume was not ready within a minute.
        """
        try:
            return await self._named(name)
        except DaytonaNotFoundError:
            if not create:
                raise
        return await self._when_ready(await self._make(name))

    async def _named(self, name: str) -> Volume:
        return await self._api.call("GET", f"/volumes/by-name/{segment(name)}", into=Volume)

    async def _make(self, name: str) -> Volume:
        """Return a new volume, or the one that somebody else has made in between."""
        try:
            return await self._create(name)
        except (DaytonaBadRequestError, DaytonaConflictError) as error:
            try:
                return await self._named(name)
            except DaytonaNotFoundError:
                raise error from None

    async def _when_ready(self, volume: Volume) -> Volume:
        look = 0
        with self._api.transport.deadline(READY_PATIENCE):
            while volume.state in _ON_THE_WAY:
                await self._api.transport.sleep(waiting.polls(look))
                volume = await self._api.call("GET", f"/volumes/{segment(volume.id)}", into=Volume)
                look += 1
        if volume.state is VolumeState.ERROR:
            raise DaytonaError(f"volume {volume.name!r} could not be made: {volume.error_reason}")
        return volume

    @operation("Failed to create volume: ")
    async def create(self, name: str) -> Volume:
        """Create a volume and return it; it can be mounted once its state is `ready`.

        Raises:
            DaytonaBadRequestError: A volume with this name exists.
        """
        return await self._create(name)

    async def _create(self, name: str) -> Volume:
        return await self._api.call("POST", "/volumes", json=CreateVolume(name), into=Volume)

    @operation("Failed to delete volume: ")
    async def delete(self, volume: Volume) -> None:
        """Delete a volume and everything in it.

        Raises:
            DaytonaConflictError: A sandbox uses it.
        """
        await self._api.call("DELETE", f"/volumes/{segment(volume.id)}")

    @operation("Failed to list volumes: ")
    async def list(self) -> Volumes:
        """Return all volumes."""
        return await self._api.call("GET", "/volumes", into=Volumes)
