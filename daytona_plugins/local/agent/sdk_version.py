"""How old a client says it is, and what that means for the logs it gets."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.websocket import VERSION_TOKEN, offered_subprotocols

if TYPE_CHECKING:
    from daytona_plugins.local.web import Request

Version = tuple[int, int, int, bool]
"""Major, minor, patch, and whether it is a release."""

FIRST_WITH_MARKERS: Final[Version] = (0, 27, 0, True)
FIRST_WITH_WORK_DIR: Final[Version] = (0, 103, 0, True)
FIRST_WITH_STREAMS: Final[Version] = (0, 167, 0, True)
_VERSION: Final = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(\D.*)?", re.DOTALL)


class LogForm(enum.Enum):
    """What a log looks like to a client."""

    COMBINED = enum.auto()
    """Text without markers."""
    RAW = enum.auto()
    """Text with markers."""
    SPLIT = enum.auto()
    """JSON: with markers, and each stream by itself."""


def log_form(request: Request) -> LogForm:
    """Return the form that the client of *request* understands."""
    text = _version_text(request)
    if text is None:
        wanted = request.headers.get("x-daytona-split-output") == "true"
        return LogForm.RAW if wanted else LogForm.COMBINED
    version = parse_version(text)
    if "dev" in text or (version is not None and version >= FIRST_WITH_STREAMS):
        return LogForm.SPLIT
    return LogForm.COMBINED if version is not None and version < FIRST_WITH_MARKERS else LogForm.RAW


def starts_at_home(request: Request) -> bool:
    """Return whether the client is so old that its sessions start in the home directory."""
    text = _version_text(request)
    version = parse_version(text) if text is not None and text != "0.0.0-dev" else None
    return version is not None and version < FIRST_WITH_WORK_DIR


def parse_version(text: str) -> Version | None:
    """Return a semantic version in a form that can be compared; None if it is none."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        return None
    major, minor, patch, suffix = found.groups()
    return int(major), int(minor or 0), int(patch or 0), not suffix or suffix.startswith("+")


def _version_text(request: Request) -> str | None:
    header = request.headers.get("x-daytona-sdk-version")
    if header:
        return header
    tokens = offered_subprotocols(request)
    return next((t.removeprefix(VERSION_TOKEN) for t in tokens if t.startswith(VERSION_TOKEN)), None)
