"""The routes below `/api/secret`: no answer holds a value."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.platform.body import read_body
from daytona_plugins.local.platform.secret_store import CreateSecret, UpdateSecret
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.secret_store import SecretRecord, Secrets
    from daytona_plugins.local.web import Query, Request, Router

DEFAULT_LIMIT, MAX_LIMIT = 100, 200

_SORTS: dict[str, Callable[[SecretRecord], tuple[str | float, str]]] = {
    "name": lambda secret: (secret.name, secret.id),
    "createdAt": lambda secret: (secret.created_at, secret.id),
    "updatedAt": lambda secret: (secret.updated_at, secret.id),
}
_decode_place = msgspec.json.Decoder(tuple[str | float, str]).decode


class SecretRoutes:
    """Everything that can be asked about secrets."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("GET", "/api/secret", self.list)
        router.add("POST", "/api/secret", self.create)
        router.add("GET", "/api/secret/paginated", self.page)
        router.add("GET", "/api/secret/{id}", self.get)
        router.add("PATCH", "/api/secret/{id}", self.update)
        router.add("DELETE", "/api/secret/{id}", self.delete)

    async def list(self, _request: Request) -> Response:
        """List all secrets, as older clients ask for them."""
        return json_response([shown(secret) for secret in self._secrets.all()])

    async def create(self, request: Request) -> Response:
        """Keep a secret."""
        return json_response(shown(self._secrets.create(await read_body(request, CreateSecret))), 201)

    async def page(self, request: Request) -> Response:
        """List secrets, a page at a time."""
        items, total, cursor = page_of(self._secrets.all(), request.query)
        return json_response(
            {"items": [shown(secret) for secret in items], "total": total, "nextCursor": cursor}
        )

    async def get(self, request: Request) -> Response:
        """Show a secret."""
        return json_response(shown(self._secrets.get(request.params["id"])))

    async def update(self, request: Request) -> Response:
        """Change a secret."""
        self._secrets.get(request.params["id"])
        body = await read_body(request, UpdateSecret)
        return json_response(shown(self._secrets.update(request.params["id"], body)))

    async def delete(self, request: Request) -> Response:
        """Forget a secret."""
        self._secrets.delete(request.params["id"])
        return Response(204)


def page_of(secrets: list[SecretRecord], query: Query) -> tuple[list[SecretRecord], int, str | None]:
    """Return the secrets that *query* asks for, how many there are in all, and where the next page starts.

    Raises:
        HTTPError: A parameter is out of bounds or cannot be read (400).
    """
    place, descending = _order(query)
    name = query.first("name")
    found = sorted((one for one in secrets if name in one.name), key=place, reverse=descending)
    rest = found
    if cursor := query.first("cursor"):
        last = _place_of(cursor)
        rest = [one for one in found if (place(one) < last if descending else place(one) > last)]
    limit = _limit(query)
    more = len(rest) > limit
    return rest[:limit], len(found), _cursor(place(rest[limit - 1])) if more else None


def _order(query: Query) -> tuple[Callable[[SecretRecord], tuple[str | float, str]], bool]:
    sort, order = query.first("sort", "createdAt"), query.first("order", "desc")
    if sort not in _SORTS or order not in ("asc", "desc"):
        raise HTTPError(400, f"secrets are sorted by {', '.join(_SORTS)}, asc or desc")
    return _SORTS[sort], order == "desc"


def _limit(query: Query) -> int:
    text = query.first("limit", str(DEFAULT_LIMIT))
    limit = whole_number(text)
    if limit is None or not 1 <= limit <= MAX_LIMIT:
        raise HTTPError(400, f"limit is a number from 1 to {MAX_LIMIT}")
    return limit


def _cursor(place: tuple[str | float, str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place_of(cursor: str) -> tuple[str | float, str]:
    try:
        return _decode_place(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise HTTPError(400, "this cursor is not from here") from error


def shown(secret: SecretRecord) -> dict[str, object]:
    """Return a secret as the wire shows it."""
    return {
        "id": secret.id,
        "name": secret.name,
        "description": secret.description,
        "placeholder": secret.placeholder,
        "hosts": secret.hosts,
        "createdAt": iso(secret.created_at),
        "updatedAt": iso(secret.updated_at),
    }
