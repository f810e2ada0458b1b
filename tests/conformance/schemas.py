"""Tells in what a value differs from the schema that the published description of the API (v0.205) has for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTION = json.loads((Path(__file__).parents[1] / "data" / "api_schemas.json").read_text())
RESPONSES: dict[str, Any] = _DESCRIPTION["responses"]
"""The schema of what each operation answers, None where that is nothing or text."""
_SCHEMAS: dict[str, Any] = _DESCRIPTION["schemas"]
_SCHEMAS["Sandbox"]["required"].append("kvm")  # by clients of 0.226
_SCHEMAS["OidcConfig"]["required"].append("provider")

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict,
}  # fmt: skip  # a table
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def differences(value: Any, schema: Any, at: str = "$") -> list[str]:
    """Return where *value* is not what *schema* says; where it may be missing, it may be null."""
    return list(_differences(value, schema, at))


def _differences(value: Any, schema: Any, at: str) -> Iterator[str]:
    if isinstance(schema, str) or "$ref" in schema:
        yield from _differences(value, _SCHEMAS[schema if isinstance(schema, str) else schema["$ref"]], at)
        return
    for part in schema.get("allOf", ()):
        yield from _differences(value, part, at)
    if not _is_of_type(value, schema.get("type")):
        yield f"{at}: {value!r} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if schema.get("format") == "date-time" and not _TIME.fullmatch(value):
        yield f"{at}: {value!r} is no time of the API"
    yield from _differences_of_parts(value, schema, at)


def _differences_of_parts(value: Any, schema: Any, at: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _differences(item, schema.get("items", {}), f"{at}[{number}]")
    if isinstance(value, dict):
        properties, required = schema.get("properties", {}), schema.get("required", ())
        yield from (f"{at}.{name} is missing" for name in required if name not in value)
        for name in value.keys() & properties.keys():
            inner = properties[name]
            if value[name] is None and (name not in required or _is_nullable(inner)):
                continue
            yield from _differences(value[name], inner, f"{at}.{name}")


def _is_nullable(schema: Any) -> bool:
    return bool(schema.get("nullable"))


def _is_of_type(value: Any, name: str | None) -> bool:
    if name in ("integer", "number") and isinstance(value, bool):
        return False
    return name is None or isinstance(value, _TYPES[name])
