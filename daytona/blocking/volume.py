"""Volumes: storage that outlives sandboxes and is shared by them, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.volume`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from daytona.models.volume import Volume, Volumes
from daytona.service import BlockingService, step
from daytona.services.volume import AsyncVolumeService

__all__ = ["VolumeService"]


class VolumeService(BlockingService[AsyncVolumeService]):
    """The volumes of an organization."""

    def get(self, name: str, create: bool = False) -> Volume:
        """Return the volume with this name.

        Args:
            name: Its name.
            create: Create it if it does not exist, and return it once it can be mounted.

        Raises:
            DaytonaNotFoundError: There is none.
            DaytonaTimeoutError: The new volume was not ready within a minute.
        """
        return step(self._core.get(name, create))

    def create(self, name: str) -> Volume:
        """Create a volume and return it; it can be mounted once its state is `ready`.

        Raises:
            DaytonaBadRequestError: A volume with this name exists.
        """
        return step(self._core.create(name))

    def delete(self, volume: Volume) -> None:
        """Delete a volume and everything in it.

        Raises:
            DaytonaConflictError: A sandbox uses it.
        """
        step(self._core.delete(volume))

    def list(self) -> Volumes:
        """Return all volumes."""
        return step(self._core.list())
