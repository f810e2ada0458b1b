"""`GET /sandbox`: filters, an order, and pages that a cursor continues.

A cursor holds the place after the last item, not a number of items, so that sandboxes which come and go between
two pages neither repeat nor hide others. The order is total: the id decides where all else is equal.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.platform.regions import REGION_ID
from daytona_plugins.local.platform.states import FAILED, Desired, State
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.web import Query

    Predicate: TypeAlias = Callable[[Record], bool]

DEFAULT_LIMIT = 100
MAX_LIMIT = 200
SANDBOX_CLASS = "container"

Place: TypeAlias = tuple[str | float, str]

_SORTS: dict[str, Callable[[Record], str | float]] = {
    "name": lambda record: record.name,
    "cpu": lambda record: record.cpu,
    "memoryGib": lambda record: record.memory,
    "diskGib": lambda record: record.disk,
    "lastActivityAt": lambda record: record.last_activity_at,
    "createdAt": lambda record: record.created_at,
}
_NUMBERED_SORTS: dict[str, Callable[[Record], str | float]] = {
    "id": lambda record: record.id,
    "name": lambda record: record.name,
    "state": lambda record: record.state,
    "snapshot": lambda record: record.snapshot or "",
    "region": lambda _: REGION_ID,
    "updatedAt": lambda record: record.updated_at,
    "createdAt": lambda record: record.created_at,
    "lastActivityAt": lambda record: record.last_activity_at,
}
_LOWEST: dict[str, Callable[[Record], float]] = {
    "minCpu": lambda record: record.cpu,
    "minMemoryGiB": lambda record: record.memory,
    "minDiskGiB": lambda record: record.disk,
    "minGpu": lambda _: 0,
}
_HIGHEST: dict[str, Callable[[Record], float]] = {
    "maxCpu": lambda record: record.cpu,
    "maxMemoryGiB": lambda record: record.memory,
    "maxDiskGiB": lambda record: record.disk,
    "maxGpu": lambda _: 0,
}
_AFTER: dict[str, Callable[[Record], float | None]] = {
    "createdAtAfter": lambda record: record.created_at,
    "lastEventAfter": lambda record: record.last_activity_at,
    "autoDestroyAtAfter": lambda record: record.auto_destroy_at,
}
_BEFORE: dict[str, Callable[[Record], float | None]] = {
    "createdAtBefore": lambda record: record.created_at,
    "lastEventBefore": lambda record: record.last_activity_at,
    "autoDestroyAtBefore": lambda record: record.auto_destroy_at,
}


class NumberedPage(NamedTuple):
    """One page of several."""

    records: list[Record]
    total: int
    page: int
    total_pages: int


_decode_labels = msgspec.json.Decoder(dict[str, str]).decode
_decode_place = msgspec.json.Decoder(tuple[str | float, str]).decode


def page(records: list[Record], query: Query) -> tuple[list[Record], str | None]:
    """Return the sandboxes that *query* asks for, and the cursor of the next page.

    Raises:
        HTTPError: A parameter is out of bounds or cannot be read (400).
    """
    limit = _integer(query, "limit", low=1, high=MAX_LIMIT) or DEFAULT_LIMIT
    sort, descending = _sort(query), _is_descending(query)
    predicates = _predicates(query)
    wanted = [record for record in records if all(accepts(record) for accepts in predicates)]
    wanted.sort(key=lambda record: _place(record, sort), reverse=descending)
    rest = _after(wanted, sort, query.first("cursor"), descending)
    return rest[:limit], _cursor(_place(rest[limit - 1], sort)) if len(rest) > limit else None


def numbered_page(records: list[Record], query: Query) -> NumberedPage:
    """Return the sandboxes of a page with a number, and how many pages there are: the older way to list.

    Raises:
        HTTPError: A parameter is out of bounds or cannot be read (400).
    """
    number = _integer(query, "page") or 1
    limit = _integer(query, "limit", low=1, high=MAX_LIMIT) or DEFAULT_LIMIT
    sort = _one_of(query, "sort", tuple(_NUMBERED_SORTS), "createdAt")
    predicates = _predicates(query)
    wanted = [record for record in records if all(accepts(record) for accepts in predicates)]
    wanted.sort(key=lambda record: (_NUMBERED_SORTS[sort](record), record.id), reverse=_is_descending(query))
    shown = wanted[(number - 1) * limit : number * limit]
    return NumberedPage(shown, len(wanted), number, -(-len(wanted) // limit))


def _place(record: Record, sort: str) -> Place:
    return _SORTS[sort](record), record.id


def _after(records: list[Record], sort: str, cursor: str, descending: bool) -> list[Record]:
    if not cursor:
        return records
    value, last_id = _read_cursor(cursor)
    number = sort != "name"
    if isinstance(value, str) is number:
        raise HTTPError(400, "the cursor belongs to another sort")
    last = (value, last_id)
    if descending:
        return [record for record in records if _place(record, sort) < last]
    return [record for record in records if _place(record, sort) > last]


def _cursor(place: Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _read_cursor(cursor: str) -> Place:
    try:
        return _decode_place(urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError) as error:
        raise HTTPError(400, "the cursor is not one of this platform") from error


def _sort(query: Query) -> str:
    return _one_of(query, "sort", tuple(_SORTS), "lastActivityAt")


def _is_descending(query: Query) -> bool:
    return _one_of(query, "order", ("asc", "desc"), "desc") == "desc"


def _predicates(query: Query) -> list[Predicate]:
    return [
        _is_listed(query),
        *_texts(query),
        *_labels(query),
        *_sets(query),
        *_flags(query),
        *_sizes(query),
        *_times(query),
    ]


def _is_listed(query: Query) -> Predicate:
    with_deleted = query.first("includeErroredDeleted") == "true"
    with_warm = query.first("includeWarm") == "true"
    return lambda record: (
        (with_warm or record.warm_pool_id is None)
        and (
            record.visible
            or (with_deleted and record.state in FAILED and record.desired is Desired.DESTROYED)
        )
    )


def _texts(query: Query) -> list[Predicate]:
    found: list[Predicate] = []
    if prefix := query.first("id").lower():
        found.append(lambda record: record.id.lower().startswith(prefix))
    if name := query.first("name").lower():
        found.append(lambda record: record.name.lower().startswith(name))
    return found


def _labels(query: Query) -> list[Predicate]:
    text = query.first("labels")
    if not text:
        return []
    try:
        wanted = _decode_labels(text).items()
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise HTTPError(400, f"labels: {error}") from error
    return [lambda record: wanted <= record.labels.items()]


def _sets(query: Query) -> list[Predicate]:
    found: list[Predicate] = []
    if states := _states(query):
        found.append(lambda record: record.state in states)
    if snapshots := _many(query, "snapshots"):
        found.append(lambda record: record.snapshot in snapshots)
    if regions := _many(query, "regionIds") | _many(query, "regions"):
        found.append(lambda _: REGION_ID in regions)
    if classes := _many(query, "sandboxClasses"):
        found.append(lambda _: SANDBOX_CLASS in classes)
    return found


def _states(query: Query) -> set[str]:
    states = _many(query, "states")
    if unknown := states - (set(State) - {State.DESTROYED}):
        raise HTTPError(400, f"states: unknown {', '.join(sorted(unknown))}")
    return states


def _many(query: Query, name: str) -> set[str]:
    return {*query.all(name), *query.all(f"{name}[]")}


def _flags(query: Query) -> list[Predicate]:
    found: list[Predicate] = []
    if "isPublic" in query:
        public = query.first("isPublic") == "true"
        found.append(lambda record: record.public is public)
    if "isRecoverable" in query:
        recoverable = query.first("isRecoverable") == "true"
        found.append(lambda record: record.recoverable is recoverable)
    return found


def _sizes(query: Query) -> list[Predicate]:
    lowest = [_at_least(value, low) for name, value in _LOWEST.items() if (low := _integer(query, name))]
    highest = [_at_most(value, high) for name, value in _HIGHEST.items() if (high := _integer(query, name))]
    return lowest + highest


def _times(query: Query) -> list[Predicate]:
    after = [
        _at_least(value, low) for name, value in _AFTER.items() if (low := _time(query, name)) is not None
    ]
    before = [
        _at_most(value, high) for name, value in _BEFORE.items() if (high := _time(query, name)) is not None
    ]
    return after + before


def _at_least(value: Callable[[Record], float | None], low: float) -> Predicate:
    return lambda record: (found := value(record)) is not None and found >= low


def _at_most(value: Callable[[Record], float | None], high: float) -> Predicate:
    return lambda record: (found := value(record)) is not None and found <= high


def _integer(query: Query, name: str, *, low: int = 1, high: int | None = None) -> int | None:
    text = query.first(name)
    if not text:
        return None
    number = whole_number(text)
    if number is None or number < low or (high is not None and number > high):
        bounds = f"from {low} to {high}" if high else f"of at least {low}"
        raise HTTPError(400, f"{name} must be an integer {bounds}")
    return number


def _time(query: Query, name: str) -> float | None:
    text = query.first(name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise HTTPError(400, f"{name} must be an ISO 8601 date and time") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _one_of(query: Query, name: str, values: tuple[str, ...], default: str) -> str:
    found = query.first(name) or default
    if found not in values:
        raise HTTPError(400, f"{name} must be one of {', '.join(values)}")
    return found
