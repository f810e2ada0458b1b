"""Waiting for a sandbox: what every state means for every goal."""

from __future__ import annotations

import itertools

import pytest

from daytona.models.enums import SandboxDesiredState, SandboxState
from daytona.protocols.waiting import (
    DESTROYED,
    POLLS,
    POLLS_BESIDE_EVENTS,
    STARTED,
    STOPPED,
    Goal,
    Schedule,
    Verdict,
    polls,
    settled_from,
)

S = SandboxState
REACHED, FAILED, ON_THE_WAY = Verdict.REACHED, Verdict.FAILED, Verdict.ON_THE_WAY

SETTLED = {S.STARTED, S.STOPPED, S.PAUSED, S.ARCHIVED}
GOALS: dict[str, tuple[Goal, set[SandboxState], set[SandboxState]]] = {
    "started": (STARTED, {S.STARTED}, {S.ERROR, S.BUILD_FAILED, S.DESTROYED, S.DESTROYING, S.ARCHIVED}),
    "stopped": (STOPPED, {S.STOPPED, S.DESTROYED}, {S.ERROR, S.BUILD_FAILED}),
    "destroyed": (DESTROYED, {S.DESTROYED}, set()),
    "resized": (settled_from(S.RESIZING), SETTLED, {S.ERROR, S.BUILD_FAILED, S.DESTROYED}),
    "paused": (settled_from(S.PAUSING), SETTLED, {S.ERROR, S.BUILD_FAILED, S.DESTROYED}),
    "snapshotted": (settled_from(S.SNAPSHOTTING), SETTLED, {S.ERROR, S.BUILD_FAILED, S.DESTROYED}),
    "paused-from-started": (
        settled_from(S.STARTED),
        SETTLED - {S.STARTED},
        {S.ERROR, S.BUILD_FAILED, S.DESTROYED},
    ),
}


@pytest.mark.parametrize(("name", "state"), list(itertools.product(GOALS, SandboxState)), ids=str)
def test_every_state_for_every_goal(name: str, state: SandboxState) -> None:
    goal, reached, failed = GOALS[name]
    assert goal.judge(state) is (REACHED if state in reached else FAILED if state in failed else ON_THE_WAY)


def test_an_archived_sandbox_that_is_to_be_started_is_on_the_way() -> None:
    assert STARTED.judge(S.ARCHIVED, SandboxDesiredState.STARTED) is ON_THE_WAY
    assert STARTED.judge(S.ARCHIVED, SandboxDesiredState.ARCHIVED) is FAILED
    assert STARTED.judge(S.ERROR, SandboxDesiredState.STARTED) is FAILED
    assert settled_from(S.RESIZING).judge(S.ARCHIVED, SandboxDesiredState.ARCHIVED) is REACHED


@pytest.mark.parametrize("name", GOALS)
def test_a_state_of_the_future_is_on_the_way(name: str) -> None:
    goal = GOALS[name][0]
    assert goal.judge(SandboxState("defrosting")) is ON_THE_WAY
    assert goal.judge(None) is ON_THE_WAY


@pytest.mark.parametrize(
    ("name", "passed", "verdict"),
    [
        ("started", [S.STOPPED, S.STARTED], REACHED),  # restoring and starting happened between two looks
        ("stopped", [S.STARTED, S.DESTROYED], REACHED),  # an ephemeral sandbox: it never showed as stopped
        ("resized", [S.STOPPED], REACHED),  # resized before the first look
        ("destroyed", [S.ERROR, S.DESTROYED], REACHED),  # a broken sandbox can still be deleted
        ("started", [S.CREATING, S.PULLING_SNAPSHOT, S.BUILD_FAILED], FAILED),
        ("destroyed", [S.STARTED, S.ERROR], ON_THE_WAY),
    ],
)
def test_a_skipped_state_is_not_missed(name: str, passed: list[SandboxState], verdict: Verdict) -> None:
    goal = GOALS[name][0]
    verdicts = [goal.judge(state) for state in passed]
    assert set(verdicts[:-1]) <= {ON_THE_WAY}
    assert verdicts[-1] is verdict


def test_success_and_failure_never_overlap() -> None:
    assert not any(goal.success & goal.failure for goal, _, _ in GOALS.values())


def test_there_are_at_most_twelve_looks_in_five_seconds() -> None:
    for changes in itertools.combinations(range(12), 3):
        assert 5 <= looks_in_five_seconds(changes) <= 12


def looks_in_five_seconds(changes: tuple[int, ...]) -> int:
    """Count the looks, the one at the beginning included, when these show another state than the one before."""
    schedule = Schedule()
    looks, elapsed = 1, 0.0
    while (elapsed := elapsed + schedule.next(0.0)) <= 5.0:
        looks += 1
        if looks in changes:
            schedule.changed()
    return looks


def test_looks_come_ever_more_slowly_and_never_stop() -> None:
    schedule = Schedule()
    delays = [schedule.next(0.0) for _ in range(100)]
    assert delays == sorted(delays)
    assert delays == [polls(look) for look in range(100)]
    assert delays[0] <= 0.1
    assert delays[-1] == POLLS[-1] <= 2.0


def test_clients_do_not_look_as_one() -> None:
    early, late = Schedule(), Schedule()
    for _ in range(10):
        assert early.next(0.0) < late.next(1.0) <= 1.1 * POLLS[-1]


def test_a_change_brings_quick_looks_back_but_not_for_ever() -> None:
    schedule = Schedule()
    after_changes: list[float] = []
    for _ in range(4):
        for _ in range(8):
            schedule.next(0.0)
        schedule.changed()
        after_changes.append(schedule.next(0.0))
    assert after_changes == [POLLS[2], POLLS[2], POLLS[-1], POLLS[-1]]


def test_a_change_while_looks_are_quick_anyway_changes_nothing() -> None:
    schedule = Schedule()
    delays: list[float] = []
    for _ in range(2):
        schedule.changed()
        delays.append(schedule.next(0.0))
    schedule.changed()
    delays += [schedule.next(0.0) for _ in range(6)]
    assert tuple(delays) == POLLS
    for _ in range(2):
        schedule.changed()  # neither of the two times when it counts has been used up
        assert [schedule.next(0.0), schedule.next(0.0)] == [POLLS[2], POLLS[3]]


def test_a_platform_that_tells_is_looked_at_less_often() -> None:
    schedule = Schedule()
    assert [schedule.next(0.0, told=True) for _ in range(5)] == [*POLLS_BESIDE_EVENTS, 5.0, 5.0]
