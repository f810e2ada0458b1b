"""The routes below `/api/volumes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform.body import read_body
from daytona_plugins.local.platform.regions import ORGANIZATION_ID
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.platform.volumes import VolumeRecord, Volumes
    from daytona_plugins.local.web import Request, Router


class CreateVolume(msgspec.Struct):
    """The body of `POST /volumes`."""

    name: str


class VolumeRoutes:
    """Everything that can be asked about volumes."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("GET", "/api/volumes", self.list)
        router.add("POST", "/api/volumes", self.create)
        router.add("GET", "/api/volumes/by-name/{name}", self.by_name)
        router.add("GET", "/api/volumes/{id}", self.get)
        router.add("DELETE", "/api/volumes/{id}", self.delete)

    async def list(self, request: Request) -> Response:
        """List volumes; any value of `includeDeleted` means yes."""
        deleted = bool(request.query.first("includeDeleted"))
        return json_response([shown(volume) for volume in self._volumes.all(deleted=deleted)])

    async def create(self, request: Request) -> Response:
        """Make a volume."""
        body = await read_body(request, CreateVolume)
        return json_response(shown(self._volumes.create(body.name)))

    async def by_name(self, request: Request) -> Response:
        """Show the volume with a name."""
        return json_response(shown(self._volumes.named(request.params["name"])))

    async def get(self, request: Request) -> Response:
        """Show a volume."""
        return json_response(shown(self._volumes.get(request.params["id"])))

    async def delete(self, request: Request) -> Response:
        """Delete a volume."""
        await self._volumes.delete(request.params["id"])
        return Response(200)


def shown(volume: VolumeRecord) -> dict[str, object]:
    """Return a volume as the wire shows it."""
    return {
        "id": volume.id,
        "name": volume.name,
        "organizationId": ORGANIZATION_ID,
        "state": volume.state,
        "createdAt": iso(volume.created_at),
        "updatedAt": iso(volume.updated_at),
        "lastUsedAt": None if volume.last_used_at is None else iso(volume.last_used_at),
        "errorReason": None,
    }
