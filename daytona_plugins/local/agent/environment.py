"""Environment variables that clients ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Variables = dict[str, str | None]
"""As they come: null stands for nothing at all, which is a value."""


def values_of(variables: Variables | None) -> dict[str, str]:
    """Return what a process gets."""
    return {name: value or "" for name, value in (variables or {}).items()}


def unusable_name(variables: Mapping[str, str | None] | None) -> str | None:
    """Return the first name that no process can be given, by itself or for its value; None if all are fine."""
    for name, value in (variables or {}).items():
        if not name or "=" in name or "\0" in name or "\0" in (value or ""):
            return name
    return None
