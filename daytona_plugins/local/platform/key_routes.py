"""The routes below `/api/api-keys`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform.body import read_body
from daytona_plugins.local.platform.regions import ORGANIZATION_ID, USER_ID
from daytona_plugins.local.platform.times import iso, seconds_of
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.platform.keys import KeyRecord, Keys
    from daytona_plugins.local.web import Request, Router


class CreateKey(msgspec.Struct, rename="camel", kw_only=True):
    """The body of `POST /api-keys`."""

    name: str
    permissions: list[str]
    expires_at: datetime | None = None


class KeyRoutes:
    """Everything that can be asked about keys."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("GET", "/api/api-keys", self.list)
        router.add("POST", "/api/api-keys", self.create)
        router.add("GET", "/api/api-keys/current", self.current)
        router.add("GET", "/api/api-keys/{name}", self.get)
        router.add("DELETE", "/api/api-keys/{name}", self.revoke)
        router.add("DELETE", "/api/api-keys/{user}/{name}", self.revoke)

    async def list(self, _request: Request) -> Response:
        """List all keys."""
        return json_response([shown(record) for record in self._keys.all()])

    async def create(self, request: Request) -> Response:
        """Make a key; this is the only answer that holds it."""
        body = await read_body(request, CreateKey)
        if not body.name.strip():
            raise HTTPError(400, "an API key has a name")
        until = None if body.expires_at is None else seconds_of(body.expires_at)
        key, record = self._keys.make(body.name, body.permissions, until, maker=self._keys.holder(request))
        told = ("name", "createdAt", "permissions", "expiresAt")
        return json_response({name: shown(record)[name] for name in told} | {"value": key}, 201)

    async def current(self, request: Request) -> Response:
        """Say what the key of this request may do."""
        return json_response(shown(self._keys.holder(request)))

    async def get(self, request: Request) -> Response:
        """Show a key, without what it opens with."""
        return json_response(shown(self._keys.named(request.params["name"])))

    async def revoke(self, request: Request) -> Response:
        """End a key."""
        if request.params.get("user", USER_ID) != USER_ID:
            raise HTTPError(404, f"user {request.params['user']!r} not found")
        self._keys.revoke(request.params["name"])
        return Response(204)


def shown(record: KeyRecord) -> dict[str, object]:
    """Return a key as the wire shows it."""
    return {
        "name": record.name,
        "value": record.shown,
        "createdAt": iso(record.created_at),
        "permissions": record.permissions,
        "lastUsedAt": None if record.last_used_at is None else iso(record.last_used_at),
        "expiresAt": None if record.expires_at is None else iso(record.expires_at),
        "userId": USER_ID,
        "organizationId": ORGANIZATION_ID,
    }
