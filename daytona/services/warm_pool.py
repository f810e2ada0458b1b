"""Warm pools: sandboxes that are started before anybody asks for them."""

from __future__ import annotations

from ..models.warm_pool import CreateWarmPool, UpdateWarmPool, WarmPool, WarmPools
from ..service import AsyncService, operation, segment

__all__ = ["AsyncWarmPoolService"]


class AsyncWarmPoolService(AsyncService):
    """The warm pools of an organization."""

    @operation("Failed to create warm pool: ")
    async def create(self, snapshot: str, pool: int, target: str | None = None) -> WarmPool:
        """Create a pool and return it; it fills up gradually.

        Args:
            snapshot: The snapshot that its sandboxes are created from.
            pool: How many sandboxes to keep ready.
            target: The region; None means the organization's.

        Raises:
            DaytonaConflictError: The snapshot already has a pool in this region.
        """
        body = CreateWarmPool(snapshot, pool, target)
        return await self._api.call("POST", "/warm-pools", json=body, into=WarmPool)

    @operation("Failed to update warm pool: ")
    async def update(self, warm_pool_id: str, pool: int) -> WarmPool:
        """Change how many sandboxes are kept ready and return the pool; 0 empties it.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        path = f"/warm-pools/{segment(warm_pool_id)}"
        return await self._api.call("PATCH", path, json=UpdateWarmPool(pool), into=WarmPool)

    @operation("Failed to delete warm pool: ")
    async def delete(self, warm_pool_id: str) -> None:
        """Delete a pool and the sandboxes waiting in it.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        await self._api.call("DELETE", f"/warm-pools/{segment(warm_pool_id)}")

    @operation("Failed to list warm pools: ")
    async def list(self) -> WarmPools:
        """Return all pools."""
        return await self._api.call("GET", "/warm-pools", into=WarmPools)
