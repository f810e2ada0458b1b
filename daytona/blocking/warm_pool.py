"""Warm pools: sandboxes that are started before anybody asks for them, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.warm_pool`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from daytona.models.warm_pool import WarmPool, WarmPools
from daytona.service import BlockingService, step
from daytona.services.warm_pool import AsyncWarmPoolService

__all__ = ["WarmPoolService"]


class WarmPoolService(BlockingService[AsyncWarmPoolService]):
    """The warm pools of an organization."""

    def create(self, snapshot: str, pool: int, target: str | None = None) -> WarmPool:
        """Create a pool and return it; it fills up gradually.

        Args:
            snapshot: The snapshot that its sandboxes are created from.
            pool: How many sandboxes to keep ready.
            target: The region; None means the organization's.

        Raises:
            DaytonaConflictError: The snapshot already has a pool in this region.
        """
        return step(self._core.create(snapshot, pool, target))

    def update(self, warm_pool_id: str, pool: int) -> WarmPool:
        """Change how many sandboxes are kept ready and return the pool; 0 empties it.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return step(self._core.update(warm_pool_id, pool))

    def delete(self, warm_pool_id: str) -> None:
        """Delete a pool and the sandboxes waiting in it.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        step(self._core.delete(warm_pool_id))

    def list(self) -> WarmPools:
        """Return all pools."""
        return step(self._core.list())
