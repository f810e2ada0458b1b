"""Numbers in paths and queries, which are text and may be anything."""

from __future__ import annotations

from typing import Final

DIGITS_LIMIT: Final = 18


def whole_number(text: str) -> int | None:
    """Return what decimal digits stand for; None if *text* is anything else, or has more of them than a number here can."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS_LIMIT else None
