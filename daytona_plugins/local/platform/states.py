"""The life of a sandbox as tables: what is shown, what is allowed, what is refused and with which status.

A call writes where a sandbox should go (`desired`) and a task then drives where it is (`state`) towards that.
Clients see a state derived from the pair. A third value, *pending*, is true while the two differ and a task
is at work; most calls are refused as long as it is.

Nothing here knows the time or touches the world: values in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class State(StrEnum):
    """Where a sandbox is."""

    CREATING = "creating"
    RESTORING = "restoring"
    DESTROYED = "destroyed"
    DESTROYING = "destroying"
    STARTED = "started"
    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"
    ERROR = "error"
    BUILD_FAILED = "build_failed"
    PENDING_BUILD = "pending_build"
    BUILDING_SNAPSHOT = "building_snapshot"
    UNKNOWN = "unknown"
    PULLING_SNAPSHOT = "pulling_snapshot"
    ARCHIVED = "archived"
    ARCHIVING = "archiving"
    RESIZING = "resizing"
    SNAPSHOTTING = "snapshotting"
    FORKING = "forking"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"


class Desired(StrEnum):
    """Where a sandbox should be."""

    STARTED = "started"
    STOPPED = "stopped"
    ARCHIVED = "archived"
    DESTROYED = "destroyed"
    PAUSED = "paused"


S, D = State, Desired

FAILED = frozenset({S.ERROR, S.BUILD_FAILED})

SHOWN: dict[tuple[State, Desired], State] = {
    (S.STARTED, D.STOPPED): S.STOPPING,
    (S.STARTED, D.DESTROYED): S.DESTROYING,
    (S.STOPPED, D.STARTED): S.STARTING,
    (S.STOPPED, D.DESTROYED): S.DESTROYING,
    (S.STOPPED, D.ARCHIVED): S.ARCHIVING,
    (S.UNKNOWN, D.STARTED): S.CREATING,
}

ALLOWED: dict[Desired, frozenset[State]] = {
    D.STARTED: frozenset(
        {
            S.STARTED, S.STOPPED, S.STARTING, S.ARCHIVED, S.CREATING, S.UNKNOWN, S.RESTORING, S.PENDING_BUILD,
            S.BUILDING_SNAPSHOT, S.PULLING_SNAPSHOT, S.ARCHIVING, S.ERROR, S.BUILD_FAILED, S.RESIZING,
            S.SNAPSHOTTING, S.FORKING, S.PAUSED, S.RESUMING,
        }
    ),
    D.STOPPED: frozenset(
        {
            S.STARTED, S.STOPPING, S.STOPPED, S.ERROR, S.BUILD_FAILED, S.RESIZING, S.SNAPSHOTTING, S.FORKING,
            S.PAUSED, S.PAUSING,
        }
    ),
    D.ARCHIVED: frozenset({S.ARCHIVED, S.ARCHIVING, S.STOPPED, S.ERROR, S.BUILD_FAILED}),
    D.DESTROYED: frozenset(
        {
            S.DESTROYED, S.DESTROYING, S.STOPPED, S.STARTED, S.ARCHIVED, S.ERROR, S.BUILD_FAILED, S.ARCHIVING,
            S.PENDING_BUILD, S.PAUSED,
        }
    ),
    D.PAUSED: frozenset({S.STARTED, S.PAUSING, S.PAUSED}),
}  # fmt: skip  # a table of words reads best as words in rows

# Where a task may take a sandbox next. Every state that is being worked in may also fail.
NEXT: dict[State, frozenset[State]] = {
    S.UNKNOWN: frozenset({S.CREATING, S.PULLING_SNAPSHOT, S.ERROR}),
    S.PULLING_SNAPSHOT: frozenset({S.UNKNOWN, S.CREATING, S.ERROR}),
    S.PENDING_BUILD: frozenset({S.BUILDING_SNAPSHOT, S.BUILD_FAILED, S.DESTROYED}),
    S.BUILDING_SNAPSHOT: frozenset({S.UNKNOWN, S.BUILD_FAILED}),
    S.CREATING: frozenset({S.STARTED, S.ERROR}),
    S.STARTED: frozenset(
        {
            S.STOPPING, S.STOPPED, S.DESTROYING, S.PAUSING, S.RESIZING, S.SNAPSHOTTING, S.FORKING, S.ERROR,
        }
    ),
    S.STOPPING: frozenset({S.STOPPED, S.ERROR}),
    S.STOPPED: frozenset(
        {S.STARTING, S.ARCHIVING, S.RESIZING, S.SNAPSHOTTING, S.FORKING, S.DESTROYING, S.ERROR}
    ),
    S.STARTING: frozenset({S.STARTED, S.ERROR}),
    S.ARCHIVING: frozenset({S.ARCHIVED, S.STARTING, S.DESTROYING, S.ERROR}),
    S.ARCHIVED: frozenset({S.RESTORING, S.DESTROYED}),
    S.RESTORING: frozenset({S.STARTED, S.ERROR}),
    S.PAUSING: frozenset({S.PAUSED, S.STOPPED, S.DESTROYING, S.ERROR}),
    S.PAUSED: frozenset({S.RESUMING, S.STOPPING, S.STOPPED, S.DESTROYING, S.ERROR}),
    S.RESUMING: frozenset({S.STARTED, S.STOPPED, S.DESTROYING, S.ERROR}),
    S.RESIZING: frozenset({S.STARTED, S.STOPPED, S.ERROR}),
    S.SNAPSHOTTING: frozenset({S.STARTED, S.STOPPED, S.ERROR}),
    S.FORKING: frozenset({S.STARTED, S.STOPPED, S.ERROR}),
    S.ERROR: frozenset({S.STOPPED, S.ARCHIVED, S.DESTROYING}),
    S.BUILD_FAILED: frozenset({S.DESTROYING}),
    S.DESTROYING: frozenset({S.DESTROYED, S.ERROR}),
    S.DESTROYED: frozenset(),
}  # fmt: skip

# Where each state finds itself when the platform has gone, and every process of every sandbox with it.
AFTER_A_CRASH: dict[State, State] = {
    **dict.fromkeys((S.STARTED, S.STARTING, S.STOPPING, S.PAUSING, S.PAUSED, S.RESUMING), S.STOPPED),
    **dict.fromkeys((S.RESIZING, S.SNAPSHOTTING, S.FORKING, S.ARCHIVING, S.STOPPED), S.STOPPED),
    **dict.fromkeys((S.UNKNOWN, S.CREATING, S.PULLING_SNAPSHOT, S.RESTORING, S.ERROR), S.ERROR),
    **dict.fromkeys((S.PENDING_BUILD, S.BUILDING_SNAPSHOT, S.BUILD_FAILED), S.BUILD_FAILED),
    **dict.fromkeys((S.DESTROYING, S.DESTROYED), S.DESTROYED),
    S.ARCHIVED: S.ARCHIVED,
}

_SETTLES_AS: dict[State, Desired] = {
    S.STOPPED: D.STOPPED,
    S.ARCHIVED: D.ARCHIVED,
    S.DESTROYED: D.DESTROYED,
    S.ERROR: D.STARTED,
    S.BUILD_FAILED: D.STARTED,
}


def shown(state: State, desired: Desired, *, in_list: bool = False) -> State:
    """Return the state that a client is told."""
    if in_list and (state, desired) == (S.ARCHIVED, D.STARTED):
        return S.RESTORING
    return SHOWN.get((state, desired), state)


def is_pending(state: State, desired: Desired) -> bool:
    """Return whether a task is taking the sandbox from *state* to *desired*."""
    return state not in FAILED and desired is not D.ARCHIVED and str(state) != str(desired)


def is_visible(state: State, desired: Desired) -> bool:
    """Return whether the sandbox can still be read: destroyed ones, and failed ones being deleted, cannot."""
    return state is not S.DESTROYED and not (state in FAILED and desired is D.DESTROYED)


def after_a_crash(state: State, desired: Desired, *, ephemeral: bool) -> tuple[State, Desired]:
    """Return where a new platform process finds a sandbox that the last one left behind."""
    if desired is D.DESTROYED:
        return S.DESTROYED, D.DESTROYED
    landed = AFTER_A_CRASH[state]
    if ephemeral and landed is S.STOPPED:
        return S.DESTROYED, D.DESTROYED
    return landed, _SETTLES_AS[landed]


class Operation(StrEnum):
    """What may be asked of a sandbox, and be refused because of where it is."""

    START = "start"
    STOP = "stop"
    ARCHIVE = "archive"
    PAUSE = "pause"
    DELETE = "delete"
    RECOVER = "recover"
    RESIZE = "resize"
    SNAPSHOT = "snapshot"
    FORK = "fork"


class Situation(NamedTuple):
    """Everything about a sandbox that decides whether an operation is legal."""

    state: State
    desired: Desired
    ephemeral: bool = False
    recoverable: bool = False

    @property
    def pending(self) -> bool:
        """Whether a task is at work."""
        return is_pending(self.state, self.desired)


class Refusal(NamedTuple):
    """Why an operation is not legal, and the HTTP status that says so."""

    status: int
    message: str


@dataclass(frozen=True)
class _Check:
    """One reason to refuse; `message` may name the {operation} and the {state} shown."""

    fails: Callable[[Situation], bool]
    status: int
    message: str


def _is_unsettled(now: Situation) -> bool:
    return str(now.state) != str(now.desired)


def _is_unsettled_and_not_archiving(now: Situation) -> bool:
    return now.desired is not D.ARCHIVED and _is_unsettled(now)


def _is_pending_other_than_a_build(now: Situation) -> bool:
    waits_for_build = now.state is S.PENDING_BUILD and now.desired is D.STARTED
    return now.pending and not waits_for_build


def _only_in(*states: State) -> _Check:
    wanted = " or ".join(states)
    return _Check(
        lambda now: now.state not in states, 400, f"the sandbox is {{state}}; {{operation}} needs {wanted}"
    )


_IN_PROGRESS = "a change of state is in progress: the sandbox is {state}"

_ERRORED = _Check(lambda now: now.state in FAILED, 400, "the sandbox is in {state}; recover or delete it")
_UNSETTLED = _Check(_is_unsettled, 409, _IN_PROGRESS)
# Start calls an archiving off, so that one way of being unsettled is no reason to refuse.
_UNSETTLED_UNLESS_ARCHIVING = _Check(_is_unsettled_and_not_archiving, 409, _IN_PROGRESS)
_PENDING = _Check(lambda now: now.pending, 409, _IN_PROGRESS)
_PENDING_UNLESS_UNBUILT = _Check(_is_pending_other_than_a_build, 409, _IN_PROGRESS)
_EPHEMERAL = _Check(lambda now: now.ephemeral, 400, "an ephemeral sandbox cannot be kept by {operation}")
_UNRECOVERABLE = _Check(lambda now: not now.recoverable, 400, "the error of this sandbox is not recoverable")

# The order within a row decides which status a client sees, and clients act on the status.
CHECKS: dict[Operation, tuple[_Check, ...]] = {
    Operation.START: (
        _ERRORED,
        _UNSETTLED_UNLESS_ARCHIVING,
        _only_in(S.STARTED, S.STOPPED, S.ARCHIVING, S.ARCHIVED, S.PAUSED),
        _PENDING,
    ),
    Operation.STOP: (_ERRORED, _UNSETTLED, _only_in(S.STARTED, S.PAUSED), _PENDING),
    Operation.ARCHIVE: (_ERRORED, _UNSETTLED, _only_in(S.STOPPED), _EPHEMERAL, _PENDING),
    # The hosted platform pauses and forks VMs only (422 for containers). Here a pause holds the processes of a container still,
    # and a fork copies files, which are all that there is to copy.
    Operation.PAUSE: (_only_in(S.STARTED), _PENDING),
    Operation.DELETE: (_PENDING_UNLESS_UNBUILT,),
    Operation.RECOVER: (_only_in(S.ERROR), _UNRECOVERABLE),
    Operation.RESIZE: (_only_in(S.STARTED, S.STOPPED), _PENDING),
    Operation.SNAPSHOT: (_only_in(S.STARTED, S.STOPPED), _PENDING),
    Operation.FORK: (_only_in(S.STARTED, S.STOPPED), _PENDING),
}


def refusal(operation: Operation, now: Situation) -> Refusal | None:
    """Return why *operation* is refused to a sandbox in situation *now*, or None when it is legal."""
    for check in CHECKS[operation]:
        if check.fails(now):
            state = shown(now.state, now.desired)
            return Refusal(check.status, check.message.format(operation=operation, state=state))
    return None
