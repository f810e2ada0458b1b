"""JSON from clients, read with the leniency of the real daemon."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import msgspec

from daytona_plugins.local.agent.errors import bad_request

if TYPE_CHECKING:
    from daytona_plugins.local.web import Request

T = TypeVar("T")


class BadJSONError(ValueError):
    """It is no JSON, or not of the shape that was asked for; the text says where."""


async def read_json(request: Request, kind: type[T], *, code: str = "BAD_REQUEST") -> T:
    """Return the body as *kind*.

    Raises:
        HTTPError: It is no JSON, or not of that shape (400).
    """
    try:
        return parse(await request.body(), kind)
    except BadJSONError as error:
        raise bad_request(str(error), code=code) from error


def parse(data: bytes | str, kind: type[T]) -> T:
    """Return the first JSON value in *data* as *kind*.

    What follows the value is ignored, names fit whatever their case, and null means that nothing was said.

    Raises:
        BadJSONError: There is none.
    """
    try:
        return msgspec.convert(_named(_value(data), kind), kind)
    except msgspec.ValidationError as error:
        raise BadJSONError(str(error)) from error
    except RecursionError as error:
        raise BadJSONError("it is nested too deeply") from error


def _value(data: bytes | str) -> object:
    try:
        return msgspec.json.decode(data)
    except msgspec.ValidationError:  # a number that is too large
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _first_value(data if isinstance(data, str) else data.decode("utf-8", "replace"))


def _first_value(text: str) -> object:
    """Only the standard library's decoder tells where a value ends, and reads characters that are not whole."""
    try:
        value, _end = _DECODER.raw_decode(text.lstrip())
    except ValueError as error:
        raise BadJSONError(str(error) if text.strip() else "EOF") from error
    return msgspec.json.decode(_with_whole_characters(json.dumps(value, ensure_ascii=False)))


def _with_whole_characters(text: str) -> str:
    r"""Replace what JSON can say (`\ud800`) and no file name, argument or answer can hold."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _named(value: object, kind: type) -> object:
    """Return an object with the names of *kind*, if that has any: plug-ins may ask for a text or a list."""
    if not issubclass(kind, msgspec.Struct):
        return value
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    names, found = _names(kind), cast("dict[str, object]", value)
    return {names.get(key.lower(), key): each for key, each in found.items() if each is not None}


@functools.cache
def _names(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {field.encode_name.lower(): field.encode_name for field in msgspec.structs.fields(kind)}
