"""Times on the wire, and as seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Return a time as the wire spells it: UTC, milliseconds, `Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(time: datetime) -> float:
    """Return a time that a client has named in seconds; without a zone it is meant in UTC."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
