"""Being told to slow down: one 429 speaks for all tasks of a client.

The platform counts requests in buckets (making sandboxes, taking them through their lives, listing them, the rest). A
refusal closes its bucket for everybody, for as long as it asks; then one request goes ahead, and with every one that
passes twice as many may follow. So a thousand tasks come back as a trickle that grows, not as the crowd that was sent
away. A bucket that nobody was refused in does not exist, and costs nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Bucket", "Throttle", "bucket_of"]

_WIDE_OPEN: Final = 1024
_LOOK_AGAIN: Final = 0.02
_LIFECYCLE: Final = r".*/sandbox/[^/]+/(?:start|stop|pause|resize|recover|archive)"


class Bucket(NamedTuple):
    """What is counted together: a server's requests of one kind."""

    host: str
    kind: str


def bucket_of(method: str, host: str, target: str) -> Bucket:
    """Return the bucket that a request counts in."""
    path = target.partition("?")[0].rstrip("/")
    if path.endswith("/sandbox"):
        return Bucket(host, "sandbox-create" if method == "POST" else "sandbox-list")
    if method == "POST" and path.endswith("/fork"):
        return Bucket(host, "sandbox-create")
    if "/toolbox/" in path:
        return Bucket(host, "toolbox")
    single = method == "DELETE" and path.rpartition("/")[0].endswith("/sandbox")
    return Bucket(host, "sandbox-lifecycle" if single or re.fullmatch(_LIFECYCLE, path) else "authenticated")


class _State:
    __slots__ = ("resume_at", "under_way", "window")

    def __init__(self) -> None:
        self.resume_at = 0.0
        self.window = 1
        self.under_way = 0


class Throttle:
    """Which requests have to wait."""

    def __init__(self) -> None:
        self._states: dict[Bucket, _State] = {}
        self.active = False
        """Whether any bucket is less than wide open."""

    def admit(self, bucket: Bucket, now: float) -> float:
        """Return 0 when a request may go, which must then end with one of the others; else the seconds to wait."""
        state = self._states.get(bucket)
        if state is None:
            return 0.0
        if now < state.resume_at:
            return state.resume_at - now
        if state.under_way >= state.window:
            return _LOOK_AGAIN
        state.under_way += 1
        return 0.0

    def ended(self, bucket: Bucket) -> None:
        """Note that an admitted request has come to nothing."""
        state = self._states.get(bucket)
        if state is not None:
            state.under_way = max(0, state.under_way - 1)

    def refused(self, bucket: Bucket, now: float, wanted: float) -> None:
        """Close the bucket for *wanted* seconds."""
        self.active = True
        state = self._states.setdefault(bucket, _State())
        state.under_way = max(0, state.under_way - 1)
        state.resume_at = max(state.resume_at, now + wanted)
        state.window = 1

    def passed(self, bucket: Bucket, now: float) -> None:
        """Open the bucket wider; one that is open wide enough is forgotten."""
        state = self._states.get(bucket)
        if state is None:
            return
        state.under_way = max(0, state.under_way - 1)
        if now < state.resume_at:
            return  # it was on its way before the refusal
        state.window *= 2
        if state.window > _WIDE_OPEN:
            del self._states[bucket]
            self.active = bool(self._states)
