"""Snapshots: what sandboxes are made from, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.snapshot`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from collections.abc import Callable
from daytona.models.params import CreateSnapshotParams
from daytona.models.snapshot import PaginatedSnapshots, Snapshot
from daytona.service import BlockingService, step
from daytona.services.snapshot import AsyncSnapshotService

__all__ = ["SnapshotService"]


class SnapshotService(BlockingService[AsyncSnapshotService]):
    """The snapshots of an organization."""

    def get(self, name: str) -> Snapshot:
        """Return the snapshot with this name or id.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return step(self._core.get(name))

    def create(
        self,
        params: CreateSnapshotParams,
        *,
        on_logs: Callable[[str], None] | None = None,
        timeout: float | None = 0,
    ) -> Snapshot:
        """Create a snapshot from which sandboxes can be created, and return it once it is ready.

        Args:
            params: Its name, and its image: a name, or an `Image` to build.
            on_logs: Called with each step, and with each line of the build log.
            timeout: Seconds for the whole call; None or 0 means no limit.

        Raises:
            DaytonaConflictError: A snapshot with this name exists.
            DaytonaTimeoutError: It took longer than *timeout*.
        """
        return step(self._core.create(params, on_logs=on_logs, timeout=timeout))

    def delete(self, snapshot: Snapshot | str) -> None:
        """Delete a snapshot, given as an object, an id or a name; sandboxes created from it are not affected.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        step(self._core.delete(snapshot))

    def activate(self, snapshot: Snapshot | str) -> Snapshot:
        """Make an inactive snapshot, given as an object, an id or a name, usable again.

        Raises:
            DaytonaBadRequestError: It is not inactive.
            DaytonaNotFoundError: There is none.
        """
        return step(self._core.activate(snapshot))

    def deactivate(self, snapshot: Snapshot | str) -> None:
        """Prevent further sandboxes from being created from a snapshot, given as an object, an id or a name.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        step(self._core.deactivate(snapshot))

    def list(
        self, page: int | None = None, limit: int | None = None, source_sandbox_id: str | None = None
    ) -> PaginatedSnapshots:
        """Return one page of snapshots, your own first.

        Args:
            page: Its number; the first is 1.
            limit: How many snapshots a page has.
            source_sandbox_id: Only snapshots that were created from this sandbox.
        """
        return step(self._core.list(page, limit, source_sandbox_id))
