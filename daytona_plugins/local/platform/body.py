"""Reads the JSON bodies of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from daytona_plugins.local.web import Request

LIMIT = 4 * 1024 * 1024

_Body = TypeVar("_Body")


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Return the body of *request*.

    Raises:
        HTTPError: It is not JSON, or one of its values is missing or of the wrong type (400).
    """
    try:
        return msgspec.json.decode(await request.body(LIMIT), type=kind)
    except msgspec.DecodeError as error:
        raise HTTPError(400, str(error)) from error
