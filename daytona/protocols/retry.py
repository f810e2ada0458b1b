"""When a call is made again: a table, and the delay before the next attempt.

The rows are tried in order and the first that fits decides. What they protect is one promise: a command never runs
twice because the network failed. A request whose answer has begun is not sent again at all; one that may have reached
the server is sent again only where a repetition changes nothing.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TABLE", "Fault", "Policy", "Row", "delay", "retry_after"]


class Fault(enum.Enum):
    """How an attempt failed."""

    CONNECT = "no connection could be made"
    STALE = "a connection used before was closed before the request reached the server"
    BROKEN = "the connection broke after the request may have arrived"
    UNAVAILABLE = "the server answered 502, 503 or 504"
    RATE_LIMITED = "the server answered 429"


_ANY = None
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Row(NamedTuple):
    """One line of the table: a fault, and the methods that may be sent again after it (None: any)."""

    fault: Fault
    methods: frozenset[str] | None
    waits: bool
    """Whether to wait before the next attempt."""


TABLE = (
    Row(Fault.CONNECT, _ANY, waits=True),
    Row(Fault.STALE, _ANY, waits=False),
    Row(Fault.BROKEN, _REPEATABLE, waits=True),
    Row(Fault.UNAVAILABLE, _REPEATABLE, waits=True),
    Row(Fault.RATE_LIMITED, _ANY, waits=True),
)

FAULT_OF_STATUS = {
    429: Fault.RATE_LIMITED,
    502: Fault.UNAVAILABLE,
    503: Fault.UNAVAILABLE,
    504: Fault.UNAVAILABLE,
}


class Policy(NamedTuple):
    """How often and how patiently: seconds throughout."""

    attempts: int = 4
    first_delay: float = 0.25
    longest_delay: float = 8.0
    longest_retry_after: float = 60.0


def row_for(fault: Fault, method: str, *, replayable: bool) -> Row | None:
    """Return the line that lets the call be made again, or None: the failure is final.

    A body that was streamed cannot be sent twice, so only a failure to connect leaves it whole.
    """
    for row in TABLE:
        if row.fault is fault and (row.methods is None or method in row.methods):
            return row if replayable or fault is Fault.CONNECT else None
    return None


def delay(policy: Policy, attempt: int, fraction: float, wanted: float | None) -> float:
    """Return how long to wait after *attempt* (the first is 1).

    Full jitter: *fraction*, drawn evenly from 0 to 1 by the caller, of an exponentially growing ceiling. What the
    server *wanted* (`retry_after`) is never undercut, only spread, so that many clients do not come back as one.
    """
    ceiling = min(policy.longest_delay, policy.first_delay * 2.0 ** min(attempt - 1, 64))
    if wanted is None:
        return ceiling * fraction
    return min(wanted, policy.longest_retry_after) + policy.first_delay * fraction


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a 429 or 503 asks to wait: `Retry-After`, else the longest `Retry-After-<bucket>`.

    The platform's own limiter sends the suffixed ones, a header for each of its buckets. It uses no HTTP dates: they
    count as absent.
    """
    plain = _seconds(headers.get("retry-after"))
    if plain is not None:
        return plain
    suffixed = [_seconds(value) for name, value in headers.items() if name.startswith("retry-after-")]
    return max((seconds for seconds in suffixed if seconds is not None), default=None)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None
