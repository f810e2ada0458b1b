"""Tests that need a kernel which redirects connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def need_redirection(notes: Iterable[str]) -> None:
    """Skip the test if the notes of a limited sandbox say that only the proxy leads out of it."""
    if any("Only programs that use a proxy" in note for note in notes):
        pytest.skip("this kernel redirects nothing")
