from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from daytona_plugins.local.platform.states import (
    AFTER_A_CRASH,
    ALLOWED,
    CHECKS,
    FAILED,
    NEXT,
    Desired,
    Operation,
    Situation,
    State,
    after_a_crash,
    is_pending,
    is_visible,
    refusal,
    shown,
)

LEGAL_PAIRS = [(state, desired) for desired, states in ALLOWED.items() for state in states]
legal_pairs = st.sampled_from(LEGAL_PAIRS)

SETTLED = {
    "started": Situation(State.STARTED, Desired.STARTED),
    "stopped": Situation(State.STOPPED, Desired.STOPPED),
    "archiving": Situation(State.ARCHIVING, Desired.ARCHIVED),
    "archived": Situation(State.ARCHIVED, Desired.ARCHIVED),
    "paused": Situation(State.PAUSED, Desired.PAUSED),
    "error": Situation(State.ERROR, Desired.STARTED),
    "build_failed": Situation(State.BUILD_FAILED, Desired.STARTED),
}
BUSY = [
    Situation(State.UNKNOWN, Desired.STARTED),
    Situation(State.CREATING, Desired.STARTED),
    Situation(State.STARTING, Desired.STARTED),
    Situation(State.STOPPED, Desired.STARTED),
    Situation(State.STARTED, Desired.STOPPED),
    Situation(State.STOPPING, Desired.STOPPED),
    Situation(State.DESTROYING, Desired.DESTROYED),
    Situation(State.STARTED, Desired.DESTROYED),
    Situation(State.PAUSING, Desired.PAUSED),
    Situation(State.RESUMING, Desired.STARTED),
]

# The protocol's table, row by row, for the columns of SETTLED; 200 means accepted.
# Of containers the hosted platform pauses and forks none (422); here both can be done, in the states where it does so to VMs,
# and as a fork copies files, it is as legal as a snapshot.
TABLE = """
    start     200 200 200 200 200 400 400
    stop      200 400 409 400 200 400 400
    archive   400 200 409 400 400 400 400
    pause     200 400 400 400 400 400 400
    delete    200 200 200 200 200 200 200
    recover   400 400 400 400 400 400 400
    resize    200 200 400 400 400 400 400
    snapshot  200 200 400 400 400 400 400
    fork      200 200 400 400 400 400 400
"""
EXPECTED = {
    name: dict(zip(SETTLED, map(int, row), strict=True))
    for name, *row in map(str.split, TABLE.strip().splitlines())
}


def status_of(operation: Operation, situation: Situation) -> int:
    refused = refusal(operation, situation)
    return refused.status if refused else 200


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("column", SETTLED)
def test_a_settled_sandbox_answers_as_the_table_says(operation: Operation, column: str) -> None:
    assert status_of(operation, SETTLED[column]) == EXPECTED[operation][column]


@pytest.mark.parametrize("situation", BUSY, ids=str)
@pytest.mark.parametrize("operation", [Operation.START, Operation.STOP, Operation.ARCHIVE, Operation.DELETE])
def test_a_busy_sandbox_answers_409(operation: Operation, situation: Situation) -> None:
    assert status_of(operation, situation) == 409


@pytest.mark.parametrize("situation", BUSY, ids=str)
@pytest.mark.parametrize("operation", [Operation.PAUSE, Operation.RESIZE, Operation.SNAPSHOT])
def test_operations_that_look_at_the_state_first_answer_400_or_409_when_busy(
    operation: Operation, situation: Situation
) -> None:
    assert status_of(operation, situation) in {400, 409}


def test_a_sandbox_that_waits_for_its_build_may_be_deleted_once() -> None:
    assert status_of(Operation.DELETE, Situation(State.PENDING_BUILD, Desired.STARTED)) == 200
    assert status_of(Operation.DELETE, Situation(State.PENDING_BUILD, Desired.DESTROYED)) == 409


def test_an_ephemeral_sandbox_is_never_archived() -> None:
    assert status_of(Operation.ARCHIVE, SETTLED["stopped"]._replace(ephemeral=True)) == 400


def test_only_a_recoverable_error_is_recovered() -> None:
    assert status_of(Operation.RECOVER, SETTLED["error"]._replace(recoverable=True)) == 200


@given(legal_pairs)
def test_a_settled_pair_is_never_pending(pair: tuple[State, Desired]) -> None:
    state, desired = pair
    if str(state) == str(desired) or state in FAILED or desired is Desired.ARCHIVED:
        assert not is_pending(state, desired)
    else:
        assert is_pending(state, desired)


@pytest.mark.parametrize(
    ("state", "desired", "expected"),
    [
        ("started", "stopped", "stopping"),
        ("started", "destroyed", "destroying"),
        ("stopped", "started", "starting"),
        ("stopped", "destroyed", "destroying"),
        ("stopped", "archived", "archiving"),
        ("unknown", "started", "creating"),
        ("archived", "destroyed", "archived"),
        ("error", "destroyed", "error"),
        ("paused", "destroyed", "paused"),
        ("archived", "started", "archived"),
    ],
)
def test_the_shown_state_is_derived_from_the_pair(state: str, desired: str, expected: str) -> None:
    assert shown(State(state), Desired(desired)) == expected


def test_a_list_shows_an_archived_sandbox_being_started_as_restoring() -> None:
    assert shown(State.ARCHIVED, Desired.STARTED, in_list=True) is State.RESTORING


@given(legal_pairs, st.booleans())
def test_after_a_crash_every_sandbox_is_in_a_legal_state_and_nothing_is_pending(
    pair: tuple[State, Desired], ephemeral: bool
) -> None:
    state, desired = after_a_crash(*pair, ephemeral=ephemeral)
    assert state in ALLOWED[desired]
    assert not is_pending(state, desired)


@given(legal_pairs)
def test_after_a_crash_only_what_was_to_be_destroyed_is_gone(pair: tuple[State, Desired]) -> None:
    state, _ = after_a_crash(*pair, ephemeral=False)
    assert (state is State.DESTROYED) == (pair[1] is Desired.DESTROYED)


def test_after_a_crash_an_ephemeral_sandbox_is_gone() -> None:
    assert after_a_crash(State.STARTED, Desired.STARTED, ephemeral=True) == (
        State.DESTROYED,
        Desired.DESTROYED,
    )


def test_after_a_crash_an_ephemeral_sandbox_that_failed_can_still_be_looked_at() -> None:
    state, _ = after_a_crash(State.ERROR, Desired.STARTED, ephemeral=True)
    assert state is State.ERROR


def test_destroyed_sandboxes_and_failed_ones_being_deleted_are_not_visible() -> None:
    assert not is_visible(State.DESTROYED, Desired.DESTROYED)
    assert not is_visible(State.ERROR, Desired.DESTROYED)
    assert is_visible(State.ERROR, Desired.STARTED)


def test_the_tables_cover_every_state_and_operation() -> None:
    assert set(NEXT) == set(State)
    assert set(AFTER_A_CRASH) == set(State)
    assert set(CHECKS) == set(Operation)
    assert frozenset().union(*ALLOWED.values()) == set(State)


@given(st.sampled_from(list(State)))
def test_every_state_can_reach_destroyed(state: State) -> None:
    reached: frozenset[State] = frozenset()
    frontier = frozenset({state})
    while frontier:
        reached |= frontier
        frontier = frozenset[State]().union(*(NEXT[one] for one in frontier)) - reached
    assert State.DESTROYED in reached
