"""Waiting for a sandbox: which states end a wait, and when to look again.

A wait names the states it accepts and the states that mean it cannot succeed any more. Every other state, also one
this version has never heard of, is on the way. A state skipped between two looks is therefore never missed: what
counts is where the sandbox is, not what it passed.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from ..models.enums import SandboxDesiredState, SandboxState

__all__ = [
    "DESTROYED",
    "POLLS",
    "POLLS_BESIDE_EVENTS",
    "REFUSING_DELETION",
    "STARTED",
    "STOPPED",
    "Goal",
    "Schedule",
    "Verdict",
    "polls",
    "settled_from",
]

S = SandboxState
_BROKEN = frozenset({S.ERROR, S.BUILD_FAILED})


class Verdict(enum.Enum):
    """What a state means for a wait."""

    REACHED = enum.auto()
    FAILED = enum.auto()
    ON_THE_WAY = enum.auto()


class Goal(NamedTuple):
    """What a wait is for."""

    success: frozenset[SandboxState]
    failure: frozenset[SandboxState]

    def judge(self, state: SandboxState | None, desired: SandboxDesiredState | None = None) -> Verdict:
        """Return what *state* means for this goal, where the platform is to bring the sandbox to *desired*."""
        if state in self.success:
            return Verdict.REACHED
        if state is S.ARCHIVED and desired in {str(state) for state in self.success}:
            return Verdict.ON_THE_WAY  # the hosted platform shows it so until it begins to restore it
        return Verdict.FAILED if state in self.failure else Verdict.ON_THE_WAY


STARTED = Goal(frozenset({S.STARTED}), _BROKEN | {S.DESTROYED, S.DESTROYING, S.ARCHIVED})
STOPPED = Goal(frozenset({S.STOPPED, S.DESTROYED}), _BROKEN)
DESTROYED = Goal(frozenset({S.DESTROYED}), frozenset())

REFUSING_DELETION = frozenset(
    {
        S.CREATING,
        S.STARTING,
        S.STOPPING,
        S.RESTORING,
        S.RESIZING,
        S.SNAPSHOTTING,
        S.FORKING,
        S.PULLING_SNAPSHOT,
        S.BUILDING_SNAPSHOT,
        S.DESTROYING,
    }
)
"""States in which the platform refuses a deletion that it will accept a moment later."""


def settled_from(passing: SandboxState) -> Goal:
    """Return the goal of an operation during which the sandbox is in the state *passing*: to be at rest again."""
    return Goal(frozenset({S.STARTED, S.STOPPED, S.PAUSED, S.ARCHIVED}) - {passing}, _BROKEN | {S.DESTROYED})


POLLS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.0, 1.5)
"""Seconds between looks, the last one for ever: eight looks in the first five seconds."""


def polls(look: int) -> float:
    """Return how long to wait before look number *look* (the first is 0), where nobody else looks at the same."""
    return POLLS[min(look, len(POLLS) - 1)]


POLLS_BESIDE_EVENTS = (1.0, 2.0, 5.0)
"""The same while the platform tells what happens: it may lose something, so looking does not end."""

RESTART_AT = 2
RESTARTS = 2
JITTER = 0.1


class Schedule:
    """When to look again.

    Many clients that wait for the same thing must not look as one: each delay is prolonged by up to a tenth. A sandbox that
    has just changed its state is likely to change it again, so its looks come quickly once more, though not for ever: never
    more than twelve in the first five seconds.
    """

    def __init__(self) -> None:
        self._look = 0
        self._restarts = RESTARTS

    def next(self, fraction: float, *, told: bool = False) -> float:
        """Return the seconds until the next look.

        Args:
            fraction: Drawn evenly from 0 to 1 by the caller.
            told: Whether the platform tells what happens.
        """
        table = POLLS_BESIDE_EVENTS if told else POLLS
        delay = table[min(self._look, len(table) - 1)]
        self._look += 1
        return delay * (1 + JITTER * fraction)

    def changed(self) -> None:
        """Note that the last look showed another state than the one before."""
        if self._restarts and self._look > RESTART_AT:
            self._look = RESTART_AT
            self._restarts -= 1
