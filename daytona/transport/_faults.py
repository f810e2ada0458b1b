"""What goes wrong on the way: the error to raise, and what the retry table is to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DaytonaConnectionError, DaytonaConnectionTimeoutError, DaytonaError
from ..protocols import retry
from ._deadline import at_most, silence

if TYPE_CHECKING:
    from ..errors import Outcome
    from ..protocols.http1 import ProtocolError
    from ..protocols.rest import Request

__all__ = ["AttemptFailed", "broken_off", "timed_out", "url_of"]


class AttemptFailed(Exception):
    """One attempt at a request failed: the fault that the retry table knows, and the error if it is the last one."""

    def __init__(self, fault: retry.Fault, error: DaytonaError) -> None:
        self.fault = fault
        self.error = error


def broken_off(
    request: Request, error: OSError | ProtocolError, *, begun: bool, stale: bool
) -> AttemptFailed | DaytonaError:
    """Return what to raise for an exchange that the network or the peer broke off.

    Args:
        request: What was asked.
        error: How it ended.
        begun: Whether a byte of the answer has arrived.
        stale: Whether the connection had been closed before the request could reach the server.
    """
    if isinstance(error, TimeoutError):
        allowed = silence()
        if allowed is not None and at_most(1.0):
            return _stalled(request, allowed)
        return timed_out(request, "waiting for the answer", "unknown")
    broken = DaytonaConnectionError(
        f"{request.method} {url_of(request)} got no complete answer: {error}",
        method=request.method,
        path=request.target,
        retryable=True,
        outcome="unknown",
    )
    return broken if begun else AttemptFailed(retry.Fault.STALE if stale else retry.Fault.BROKEN, broken)


def timed_out(request: Request, doing: str, outcome: Outcome) -> DaytonaError:
    """Return the error for a call whose time ran out while it was *doing* something."""
    return DaytonaConnectionTimeoutError(
        f"{request.method} {url_of(request)} took longer than its timeout, {doing}",
        method=request.method,
        path=request.target,
        retryable=True,
        outcome=outcome,
    )


def _stalled(request: Request, allowed: float) -> DaytonaError:
    return DaytonaConnectionTimeoutError(
        f"{request.method} {url_of(request)} stalled: nothing moved for {allowed:g} seconds",
        method=request.method,
        path=request.target,
        retryable=True,
        outcome="unknown",
    )


def url_of(request: Request) -> str:
    """Return where a request goes, without its query, which may hold secrets."""
    origin = request.origin
    return f"{origin.scheme}://{origin.host}:{origin.port}{request.target.partition('?')[0]}"
