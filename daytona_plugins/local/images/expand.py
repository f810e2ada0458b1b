"""Variables in a Dockerfile: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+instead}`, and `\\$` for a dollar sign."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\\(?P<escaped>\$)|\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-+])(?P<word>[^}]*))?\})"
)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return *text* with its variables replaced; one that is not there is empty."""
    return _REFERENCE.sub(lambda found: _value(found, variables), text)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    value = variables.get(found["plain"] or found["name"])
    how, word = found["how"] or "", found["word"] or ""
    counts = bool(value) if how.startswith(":") else value is not None
    if how.endswith("-"):
        return value if counts and value is not None else expand(word, variables)
    if how.endswith("+"):
        return expand(word, variables) if counts else ""
    return value or ""
