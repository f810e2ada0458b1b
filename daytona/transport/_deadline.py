"""One deadline for a whole operation, however many requests, retries and waits it is made of.

The deadline travels in a context variable: every thread and every task has its own, and nothing has to be passed
along. An inner deadline can only shorten an outer one. Nothing is armed and nothing fires: whoever is about to wait
asks how much time is `left` and waits no longer, so there are no signals, no timer threads and no injected exceptions.

Beside it, `Silence` says how long the peer may keep one read or write waiting. Only such waits count: neither the time
that a caller takes for a piece of a transfer, nor the wait for a free connection.

Neither must be held open across a `yield` of an async generator, whose caller lives in another context.
"""

from __future__ import annotations

import math
import time
from contextvars import ContextVar, Token, copy_context
from typing import TYPE_CHECKING

from ..errors import DaytonaValidationError

if TYPE_CHECKING:
    from contextvars import Context
    from types import TracebackType

__all__ = [
    "Deadline",
    "Silence",
    "left",
    "patience",
    "seconds",
    "silence",
    "until",
    "without_deadline",
]

_deadline: ContextVar[float | None] = ContextVar("daytona_deadline", default=None)
_silence: ContextVar[float | None] = ContextVar("daytona_silence", default=None)

now = time.monotonic


def seconds(timeout: float | None) -> float | None:
    """Return *timeout* in seconds, or None for "no limit", which is written None or 0.

    Raises:
        DaytonaValidationError: It is negative, infinite or not a number.
    """
    if timeout is None or timeout == 0:
        return None
    if not math.isfinite(timeout) or timeout < 0:
        raise DaytonaValidationError(
            f"timeout={timeout!r} is not a number of seconds; None or 0 means no limit"
        )
    return float(timeout)


def left() -> float | None:
    """Return the seconds left for the running operation, None when it has no deadline.

    Raises:
        TimeoutError: None are left.
    """
    deadline = _deadline.get()
    return None if deadline is None else until(deadline)


def until(expiry: float | None) -> float | None:
    """Return the seconds until *expiry*, by the clock of `now`; None when there is no limit.

    Raises:
        TimeoutError: There are none.
    """
    if expiry is None:
        return None
    remaining = expiry - now()
    if remaining <= 0:
        raise TimeoutError("the time is up")
    return remaining


def silence() -> float | None:
    """Return the seconds that the peer may keep us waiting for a sign of progress, None when that is not limited."""
    return _silence.get()


def patience() -> float | None:
    """Return the seconds that one wait for the peer may take: what is `left`, and no more than the silence allowed.

    Raises:
        TimeoutError: No time is left.
    """
    deadline, allowed = _deadline.get(), _silence.get()
    if deadline is None:
        return allowed
    remaining = until(deadline)
    return remaining if allowed is None or remaining is None else min(remaining, allowed)


def at_most(wanted: float) -> float:
    """Return *wanted* seconds, or fewer when the running operation has fewer left (0 when none)."""
    deadline = _deadline.get()
    return wanted if deadline is None else max(0.0, min(wanted, deadline - now()))


def without_deadline() -> Context:
    """Return a copy of the running context for something that outlives the running operation."""
    context = copy_context()
    context.run(_deadline.set, None)
    context.run(_silence.set, None)
    return context


class Deadline:
    """`with Deadline(5.0):` what is awaited inside takes five seconds at most.

    It may be entered again, so that a generator can leave it at every `yield`; time runs from the first entry.
    """

    __slots__ = ("_expiry", "_seconds", "_token")

    def __init__(self, timeout: float | None) -> None:
        self._seconds = seconds(timeout)
        self._expiry: float | None = None
        self._token: Token[float | None] | None = None

    def __enter__(self) -> None:
        if self._seconds is None:
            return
        if self._expiry is None:
            self._expiry = now() + self._seconds
        outer = _deadline.get()
        self._token = _deadline.set(self._expiry if outer is None else min(self._expiry, outer))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _deadline.reset(self._token)
            self._token = None


class Silence:
    """`with Silence(60.0):` the peer may keep each read and write inside waiting for a minute, and no longer."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, timeout: float | None) -> None:
        self._seconds = seconds(timeout)
        self._token: Token[float | None] | None = None

    def __enter__(self) -> None:
        self._token = _silence.set(self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _silence.reset(self._token)
            self._token = None
