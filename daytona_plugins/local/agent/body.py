"""JSON bodies of requests, read with the leniency of the real daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import msgspec

from daytona_plugins.local.agent.errors import bad_request

if TYPE_CHECKING:
    from daytona_plugins.local.web import Request

T = TypeVar("T")


async def read_json(request: Request, kind: type[T], *, code: str = "BAD_REQUEST") -> T:
    """Return the body as *kind*; what follows the first JSON value is ignored.

    Raises:
        HTTPError: It is no JSON, or not of that shape (400).
    """
    data = await request.body()
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise bad_request(str(error), code=code) from error
    except msgspec.DecodeError:
        return _read_first_value(data, kind, code)


def _read_first_value(data: bytes, kind: type[T], code: str) -> T:
    """Only the standard library's decoder tells where a value ends; it is slower, so it comes second."""
    try:
        value, _end = json.JSONDecoder().raw_decode(data.decode("utf-8", "replace").lstrip())
        return msgspec.convert(value, kind)
    except (json.JSONDecodeError, msgspec.ValidationError) as error:
        raise bad_request(str(error) if data.strip() else "EOF", code=code) from error
