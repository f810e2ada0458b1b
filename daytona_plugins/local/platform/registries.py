"""Registries of images that want to know who asks: their addresses, and as whom to ask.

The embedded platform has no registry of its own, so there is none to push to; these are for images that are pulled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import msgspec

from daytona_plugins.local.images.logins import host_of
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.shelf import Shelf
    from daytona_plugins.local.web import Request, Router

BODY_LIMIT = 64 * 1024

_Body = TypeVar("_Body")


class RegistryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One registry; times are seconds since the epoch."""

    id: str
    name: str
    url: str
    username: str
    password: str
    project: str = ""
    created_at: float
    updated_at: float


class Registry(msgspec.Struct):
    """The body of `POST /docker-registry`."""

    name: str
    url: str
    username: str
    password: str
    project: str | None = None


class Update(msgspec.Struct):
    """The body of `PATCH /docker-registry/{id}`: what is left out stays."""

    name: str
    url: str
    username: str
    password: str | None = None
    project: str | None = None


class Registries:
    """All registries of one platform; `images.logins` finds them where they are kept."""

    def __init__(self, shelf: Shelf[RegistryRecord], clock: Callable[[], float]) -> None:
        self._shelf = shelf
        self._clock = clock

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("GET", "/api/docker-registry", self.list)
        router.add("POST", "/api/docker-registry", self.create)
        router.add("GET", "/api/docker-registry/{id}", self.get)
        router.add("PATCH", "/api/docker-registry/{id}", self.update)
        router.add("DELETE", "/api/docker-registry/{id}", self.delete)

    async def list(self, _request: Request) -> Response:
        """List the registries."""
        return json_response([_shown(one) for one in self._shelf.all()])

    async def create(self, request: Request) -> Response:
        """Remember a registry."""
        body = await _read(request, Registry)
        now = self._clock()
        record = RegistryRecord(
            id=str(uuid4()),
            name=body.name,
            url=body.url,
            username=body.username,
            password=body.password,
            project=body.project or "",
            created_at=now,
            updated_at=now,
        )
        return json_response(_shown(self._put(record)), 201)

    async def get(self, request: Request) -> Response:
        """Show a registry."""
        return json_response(_shown(self._find(request)))

    async def update(self, request: Request) -> Response:
        """Change a registry."""
        record = self._find(request)
        body = await _read(request, Update)
        changed = msgspec.structs.replace(
            record,
            name=body.name,
            url=body.url,
            username=body.username,
            password=record.password if body.password is None else body.password,
            project=record.project if body.project is None else body.project,
            updated_at=self._clock(),
        )
        return json_response(_shown(self._put(changed)))

    async def delete(self, request: Request) -> Response:
        """Forget a registry."""
        self._shelf.remove(self._find(request).id)
        return Response(204)

    def _put(self, record: RegistryRecord) -> RegistryRecord:
        if not record.name or not host_of(record.url):
            raise HTTPError(400, "a registry has a name and a url")
        return self._shelf.put(record)

    def _find(self, request: Request) -> RegistryRecord:
        found = self._shelf.get(request.params["id"])
        if found is None:
            raise HTTPError(404, f"registry {request.params['id']!r} not found")
        return found


async def _read(request: Request, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(await request.body(BODY_LIMIT), type=kind)
    except msgspec.DecodeError as error:
        raise HTTPError(400, str(error)) from error


def _shown(record: RegistryRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "name": record.name,
        "url": record.url,
        "username": record.username,
        "project": record.project,
        "registryType": "organization",
        "createdAt": iso(record.created_at),
        "updatedAt": iso(record.updated_at),
    }
