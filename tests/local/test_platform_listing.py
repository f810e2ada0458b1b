from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, strategies as st

from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.listing import page
from daytona_plugins.local.platform.states import Desired, State
from daytona_plugins.local.web import HTTPError, Query

if TYPE_CHECKING:
    from daytona_plugins.local.platform.records import Record


def a_record(name: str, created: float = 0.0, **changes: object) -> Record:
    record = new_record(CreateSandbox(name=name), created)
    return msgspec.structs.replace(record, **{"state": State.STARTED, **changes})


def names(records: list[Record], **query: object) -> list[str]:
    found, _ = page(records, Query(urlencode(query, doseq=True)))
    return [record.name for record in found]


def refused(**query: object) -> int:
    with pytest.raises(HTTPError) as caught:
        page([], Query(urlencode(query)))
    return caught.value.status


@given(
    values=st.lists(st.integers(0, 3), max_size=12),
    limit=st.integers(1, 5),
    sort=st.sampled_from(["name", "cpu", "memoryGib", "lastActivityAt", "createdAt"]),
    order=st.sampled_from(["asc", "desc"]),
)
def test_pages_put_together_are_the_whole_list_in_order(
    values: list[int], limit: int, sort: str, order: str
) -> None:
    records = [a_record(str(value), float(value), cpu=value + 1) for value in values]
    whole, _ = page(records, Query(urlencode({"limit": 200, "sort": sort, "order": order})))
    found: list[Record] = []
    cursor: str | None = ""
    while cursor is not None:
        query = Query(urlencode({"limit": limit, "sort": sort, "order": order, "cursor": cursor}))
        items, cursor = page(records, query)
        found += items
    assert found == whole


def test_the_last_used_comes_first() -> None:
    records = [a_record("old", 1.0), a_record("new", 2.0)]
    assert names(records) == ["new", "old"]


def test_names_and_ids_match_by_prefix_in_any_case() -> None:
    records = [a_record("Alpha"), a_record("beta")]
    assert names(records, name="al") == ["Alpha"]
    assert names(records, id=records[1].id[:13].upper()) == ["beta"]


def test_all_labels_must_match() -> None:
    records = [a_record("one", labels={"a": "1"}), a_record("both", labels={"a": "1", "b": "2"})]
    assert names(records, labels='{"a":"1","b":"2"}') == ["both"]


def test_the_raw_state_is_what_is_matched() -> None:
    records = [a_record("ending", desired=Desired.STOPPED), a_record("made", state=State.UNKNOWN)]
    assert names(records, states=["started"]) == ["ending"]
    assert names(records, states=["unknown", "started"], sort="name") == ["made", "ending"]


def test_failed_sandboxes_being_deleted_are_listed_on_demand() -> None:
    records = [a_record("gone", state=State.ERROR, desired=Desired.DESTROYED)]
    assert names(records) == []
    assert names(records, includeErroredDeleted="true") == ["gone"]


def test_sizes_flags_and_times_narrow_the_list() -> None:
    records = [a_record("small", 10.0), a_record("big", 20.0, cpu=4, public=True)]
    assert names(records, minCpu=2) == ["big"]
    assert names(records, maxCpu=1) == ["small"]
    assert names(records, isPublic="true") == ["big"]
    assert names(records, createdAtAfter="1970-01-01T00:00:15.000Z") == ["big"]
    assert names(records, createdAtBefore="1970-01-01T00:00:15.000000+0000") == ["small"]
    assert names(records, regionIds="elsewhere") == []
    assert names(records, snapshots=["host"], sort="name", order="asc") == ["big", "small"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "many"},
        {"cursor": "???"},
        {"cursor": "bm90IGpzb24="},
        {"labels": "{"},
        {"states": "destroyed"},
        {"states": "unheard-of"},
        {"sort": "colour"},
        {"order": "sideways"},
        {"minCpu": 0},
        {"createdAtAfter": "yesterday"},
    ],
)
def test_what_cannot_be_read_is_refused(query: dict[str, object]) -> None:
    assert refused(**query) == 400


def test_a_cursor_of_another_sort_is_refused() -> None:
    records = [a_record(name) for name in "abc"]
    _, cursor = page(records, Query("limit=1&sort=name"))
    with pytest.raises(HTTPError) as caught:
        page(records, Query(urlencode({"cursor": cursor, "sort": "cpu"})))
    assert caught.value.status == 400
