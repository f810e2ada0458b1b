"""Tells people when a sandbox is not made of the image that they have named."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["tell_of_substitute"]

LABEL: Final = "daytona.local/substitute"
"""By this label a platform says what differs."""


def tell_of_substitute(labels: Mapping[str, str]) -> None:
    """Log a warning if the labels of a new sandbox speak of another image; the same one is told once."""
    if difference := labels.get(LABEL):
        _warn(difference)


@cache
def _warn(difference: str) -> None:
    import logging  # most programs are told nothing

    logging.getLogger("daytona").warning("not the image that was named: %s", difference)
