"""When a sandbox is due to be stopped, paused, archived or deleted without anybody asking: rules over a record and the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.platform.states import Desired, Operation, State

if TYPE_CHECKING:
    from daytona_plugins.local.platform.records import Record

_MINUTE = 60.0
FAILED_BUILD_SECONDS = 7 * 24 * 3600.0
"""How long a sandbox whose image could not be built is kept, to say so: there are no files in it."""


def due(record: Record, now: float) -> Operation | None:
    """Return what has to be done to the sandbox at the time *now*, if anything."""
    if record.pending or not record.visible:
        return None
    if record.auto_destroy_at is not None and now >= record.auto_destroy_at:
        return Operation.DELETE
    if record.state is State.BUILD_FAILED and now - record.last_activity_at >= FAILED_BUILD_SECONDS:
        return Operation.DELETE
    if _has_idled(record, record.auto_stop_interval, now):
        return Operation.STOP
    if _has_idled(record, record.auto_pause_interval, now):
        return Operation.PAUSE
    if _was_stopped_too_long(record, now):
        return Operation.DELETE
    if _was_stopped_long_enough(record, now):
        return Operation.ARCHIVE
    return None


def _has_idled(record: Record, minutes: float, now: float) -> bool:
    limit = minutes * _MINUTE
    return record.state is State.STARTED and limit > 0 and now - record.last_activity_at >= limit


def _was_stopped_long_enough(record: Record, now: float) -> bool:
    limit = record.auto_archive_interval * _MINUTE
    settled = (record.state, record.desired) == (State.STOPPED, Desired.STOPPED)
    return settled and not record.ephemeral and limit > 0 and now - record.last_activity_at >= limit


def _was_stopped_too_long(record: Record, now: float) -> bool:
    limit = record.auto_delete_interval * _MINUTE
    settled = (record.state, record.desired) == (State.STOPPED, Desired.STOPPED)
    return settled and limit >= 0 and now - record.last_activity_at >= limit
