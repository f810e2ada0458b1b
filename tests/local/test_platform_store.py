from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import msgspec
import pytest

from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.states import Desired, State
from daytona_plugins.local.platform.store import (
    IllegalStateError,
    LostRaceError,
    NameTakenError,
    Store,
    UnusableDatabaseError,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from daytona_plugins.local.platform.records import Record


@pytest.fixture
def store(tmp_path: Path) -> Generator[Store]:
    store = Store(tmp_path / "platform.db")
    yield store
    store.close()


def a_record(name: str = "one") -> Record:
    return new_record(CreateSandbox(name=name), 1000.0)


def test_a_sandbox_is_found_by_id_and_by_name(store: Store) -> None:
    record = a_record()
    store.add(record)
    assert store.find(record.id) == store.find("one") == record


def test_an_id_is_tried_before_a_name(store: Store) -> None:
    first = a_record("first")
    store.add(first)
    store.add(a_record(name=first.id))
    assert store.find(first.id) == first


def test_a_name_is_used_once(store: Store) -> None:
    store.add(a_record())
    with pytest.raises(NameTakenError):
        store.add(a_record())


def test_what_was_written_is_there_when_the_file_is_opened_again(store: Store, tmp_path: Path) -> None:
    record = a_record()
    store.add(record)
    changed = store.change(record, state=State.CREATING)
    other = Store(tmp_path / "platform.db")  # the first one is still open, as after a kill
    assert other.all() == [changed]
    other.close()


def test_a_change_decided_on_an_old_state_is_lost(store: Store) -> None:
    record = a_record()
    store.add(record)
    store.change(record, state=State.CREATING)
    with pytest.raises(LostRaceError):
        store.change(record, state=State.ERROR)


def test_a_change_of_a_sandbox_that_is_gone_is_lost(store: Store) -> None:
    with pytest.raises(LostRaceError):
        store.change(a_record(), public=True)


def test_a_change_keeps_what_others_wrote_to_other_fields(store: Store) -> None:
    record = a_record()
    store.add(record)
    store.change(record, labels={"a": "b"})
    assert store.change(record, public=True).labels == {"a": "b"}


def test_a_pair_of_states_that_must_not_exist_is_not_written(store: Store) -> None:
    record = a_record()
    store.add(record)
    with pytest.raises(IllegalStateError):
        store.change(record, desired=Desired.ARCHIVED)
    assert store.get(record.id) == record


def test_a_removed_sandbox_frees_its_name(store: Store) -> None:
    record = a_record()
    store.add(record)
    store.remove(record.id)
    store.add(a_record())
    assert store.get(record.id) is None


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "platform.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(UnusableDatabaseError, match=r"platform\.db: it is of version 99"):
        Store(tmp_path / "platform.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "platform.db").write_text("no database " * 99)
    with pytest.raises(UnusableDatabaseError, match=r"platform\.db"):
        Store(tmp_path / "platform.db")


def test_a_record_survives_its_encoding(store: Store) -> None:
    record = msgspec.structs.replace(
        a_record(), labels={"ä": "ö"}, auto_stop_interval=0.5, auto_destroy_at=7.0
    )
    store.add(record)
    assert store.get(record.id) == record
