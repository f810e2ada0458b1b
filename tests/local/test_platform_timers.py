from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.states import FAILED, Desired, Operation, State
from daytona_plugins.local.platform.timers import FAILED_BUILD_SECONDS, due

if TYPE_CHECKING:
    from daytona_plugins.local.platform.records import Record

MINUTE = 60.0


def a_sandbox(state: State = State.STARTED, **changes: object) -> Record:
    """A settled sandbox that was last used at the time 0."""
    record = new_record(CreateSandbox(), 0.0)
    desired = Desired.STARTED if state in FAILED else Desired(state.value)
    return msgspec.structs.replace(record, state=state, desired=desired, **changes)


def test_an_idle_sandbox_is_stopped_when_its_interval_is_over() -> None:
    record = a_sandbox(auto_stop_interval=1)
    assert due(record, MINUTE - 1) is None
    assert due(record, MINUTE) is Operation.STOP


def test_an_interval_of_zero_never_stops() -> None:
    assert due(a_sandbox(auto_stop_interval=0), 1e9) is None


def test_an_idle_sandbox_is_paused_when_its_interval_is_over() -> None:
    record = a_sandbox(auto_stop_interval=0, auto_pause_interval=1)
    assert due(record, MINUTE - 1) is None
    assert due(record, MINUTE) is Operation.PAUSE


def test_a_paused_sandbox_stays_so() -> None:
    assert due(a_sandbox(State.PAUSED, auto_stop_interval=0, auto_pause_interval=1), 1e9) is None


def test_a_stopped_sandbox_is_deleted_when_its_interval_is_over() -> None:
    record = a_sandbox(State.STOPPED, auto_delete_interval=2)
    assert due(record, 2 * MINUTE - 1) is None
    assert due(record, 2 * MINUTE) is Operation.DELETE


def test_a_negative_interval_never_deletes() -> None:
    assert due(a_sandbox(State.STOPPED, auto_delete_interval=-1, auto_archive_interval=1e9), 1e9) is None


def test_a_stopped_sandbox_is_archived_when_its_interval_is_over() -> None:
    record = a_sandbox(State.STOPPED, auto_archive_interval=3)
    assert due(record, 3 * MINUTE - 1) is None
    assert due(record, 3 * MINUTE) is Operation.ARCHIVE


def test_a_stopped_sandbox_that_became_ephemeral_is_deleted_at_once() -> None:
    assert due(a_sandbox(State.STOPPED, auto_delete_interval=0), 0.0) is Operation.DELETE


def test_what_never_was_is_forgotten_and_what_has_files_is_not() -> None:
    assert due(a_sandbox(State.BUILD_FAILED), FAILED_BUILD_SECONDS - 1) is None
    assert due(a_sandbox(State.BUILD_FAILED), FAILED_BUILD_SECONDS) is Operation.DELETE
    assert due(a_sandbox(State.ERROR), 1e9) is None


@pytest.mark.parametrize("state", [State.STARTED, State.STOPPED, State.PAUSED])
def test_a_lifetime_ends_in_any_state(state: State) -> None:
    record = a_sandbox(state, auto_stop_interval=0, auto_destroy_at=10.0)
    assert due(record, 9.0) is None
    assert due(record, 10.0) is Operation.DELETE


def test_a_sandbox_that_is_changing_is_left_alone() -> None:
    record = msgspec.structs.replace(
        a_sandbox(auto_stop_interval=1, auto_destroy_at=1.0), desired=Desired.STOPPED
    )
    assert due(record, 1e9) is None
