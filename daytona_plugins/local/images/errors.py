"""What can go wrong when an image is made."""

from __future__ import annotations


class BuildError(Exception):
    """An image could not be built; the text names the step and ends with what it printed."""
