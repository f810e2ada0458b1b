"""The routes below `/api/warm-pools`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform.body import read_body
from daytona_plugins.local.platform.creation import DEFAULT_USER
from daytona_plugins.local.platform.regions import ORGANIZATION_ID, REGION_ID, refuse_elsewhere
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.platform.warm_pools import PoolRecord, WarmPools
    from daytona_plugins.local.web import Request, Router


class CreateWarmPool(msgspec.Struct):
    """The body of `POST /warm-pools`."""

    snapshot: str
    pool: int
    target: str | None = None


class UpdateWarmPool(msgspec.Struct):
    """The body of `PATCH /warm-pools/{id}`."""

    pool: int


class WarmPoolRoutes:
    """Everything that can be asked about warm pools."""

    def __init__(self, pools: WarmPools) -> None:
        self._pools = pools

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("GET", "/api/warm-pools", self.list)
        router.add("POST", "/api/warm-pools", self.create)
        router.add("PATCH", "/api/warm-pools/{id}", self.update)
        router.add("DELETE", "/api/warm-pools/{id}", self.delete)

    async def list(self, _request: Request) -> Response:
        """List all pools."""
        return json_response([self._shown(pool) for pool in self._pools.all()])

    async def create(self, request: Request) -> Response:
        """Make a pool."""
        body = await read_body(request, CreateWarmPool)
        refuse_elsewhere(body.target)
        return json_response(self._shown(self._pools.create(body.snapshot, body.pool, REGION_ID)), 201)

    async def update(self, request: Request) -> Response:
        """Change the size of a pool."""
        self._pools.get(request.params["id"])
        body = await read_body(request, UpdateWarmPool)
        return json_response(self._shown(self._pools.resize(request.params["id"], body.pool)))

    async def delete(self, request: Request) -> Response:
        """Forget a pool."""
        self._pools.delete(request.params["id"])
        return Response(204)

    def _shown(self, pool: PoolRecord) -> dict[str, object]:
        return {
            "id": pool.id,
            "organizationId": ORGANIZATION_ID,
            "snapshot": pool.snapshot,
            "target": pool.target,
            "pool": pool.size,
            "currentSize": len(self._pools.ready(pool)),
            "cpu": pool.cpu,
            "mem": pool.mem,
            "disk": pool.disk,
            "osUser": DEFAULT_USER,
            "env": {},
            "errorReason": pool.error_reason,
            "createdAt": iso(pool.created_at),
            "updatedAt": iso(pool.updated_at),
        }
