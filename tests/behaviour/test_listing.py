"""Lists: every filter, every order, and pages that neither repeat nor skip."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CreateSandboxFromSnapshotParams,
    DaytonaNotFoundError,
    DaytonaValidationError,
    ListSandboxesQuery,
    SandboxListSortDirection,
    SandboxListSortField,
    SandboxState,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LONG_AGO, FAR_AHEAD = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=3650)


@pytest.fixture
def three(connect: Callable[[], Any], unique: str) -> Callable[[], Any]:
    """Return a function that opens a client and three sandboxes: a started, a public and a stopped one."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Any, str, list[str]]]:
        async with connect() as daytona:
            one = CreateSandboxFromSnapshotParams(name=f"{unique}-a", labels={"run": unique, "n": "1"})
            two = CreateSandboxFromSnapshotParams(
                name=f"{unique}-b", labels={"run": unique, "n": "b c"}, public=True
            )
            three = CreateSandboxFromSnapshotParams(
                name=f"{unique}-c", labels={"run": unique}, ttl_minutes=60
            )
            async with (
                await daytona.create(one) as a,
                await daytona.create(two) as b,
                await daytona.create(three) as c,
            ):
                await c.stop(force=True)
                yield daytona, unique, [a.id, b.id, c.id]

    return opened


async def _ids(daytona: Any, **query: Any) -> list[str]:
    return [sandbox.id async for sandbox in daytona.list(ListSandboxesQuery(**query))]


async def test_every_filter_narrows_the_list(three: Callable[[], Any]) -> None:
    async with three() as (daytona, run, ids):
        a, b, c = ids
        mine: dict[str, Any] = {"labels": {"run": run}}
        cases: list[tuple[dict[str, Any], set[str]]] = [
            (mine, {a, b, c}),
            ({"labels": {"run": run, "n": "b c"}}, {b}),
            ({"labels": {"run": run, "n": "2"}}, set()),
            ({"name": run}, {a, b, c}),
            ({"name": f"{run}-B"}, {b}),
            ({"id": a}, {a}),
            ({**mine, "states": [SandboxState.STOPPED]}, {c}),
            ({**mine, "states": [SandboxState.STARTED, SandboxState.STOPPED]}, {a, b, c}),
            ({**mine, "is_public": True}, {b}),
            ({**mine, "is_public": False}, {a, c}),
            ({**mine, "is_recoverable": True}, set()),
            ({**mine, "min_cpu": 1, "max_cpu": 1}, {a, b, c}),
            ({**mine, "min_memory_gib": 512}, set()),
            ({**mine, "max_memory_gib": 512}, {a, b, c}),
            ({**mine, "min_disk_gib": 4000}, set()),
            ({**mine, "max_disk_gib": 4000}, {a, b, c}),
            ({**mine, "created_at_after": LONG_AGO, "created_at_before": FAR_AHEAD}, {a, b, c}),
            ({**mine, "created_at_before": LONG_AGO}, set()),
            ({**mine, "last_activity_after": FAR_AHEAD}, set()),
            ({**mine, "last_activity_before": FAR_AHEAD}, {a, b, c}),
            ({**mine, "auto_destroy_at_after": LONG_AGO}, {c}),
            ({**mine, "auto_destroy_at_before": LONG_AGO}, set()),
            ({**mine, "snapshots": ["no such snapshot"]}, set()),
            ({**mine, "targets": ["mars"]}, set()),
        ]
        for query, expected in cases:
            found = await _ids(daytona, **query)
            assert (query, sorted(found)) == (query, sorted(expected))


async def test_the_snapshot_and_the_region_of_a_sandbox_find_it(three: Callable[[], Any]) -> None:
    async with three() as (daytona, run, ids):
        sandbox = await daytona.get(ids[0])
        query = {"labels": {"run": run}, "snapshots": [sandbox.snapshot], "targets": [sandbox.target]}
        assert sorted(await _ids(daytona, **query)) == sorted(ids)


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_pages_join_without_gap_or_repetition(three: Callable[[], Any], limit: int) -> None:
    async with three() as (daytona, run, ids):
        order = {"sort": SandboxListSortField.NAME, "order": SandboxListSortDirection.ASC}
        assert await _ids(daytona, labels={"run": run}, limit=limit, **order) == ids


@pytest.mark.parametrize("field", list(SandboxListSortField))
async def test_orders_are_each_others_reverse(three: Callable[[], Any], field: SandboxListSortField) -> None:
    async with three() as (daytona, run, ids):
        query = {"labels": {"run": run}, "sort": field, "limit": 2}
        up = await _ids(daytona, **query, order=SandboxListSortDirection.ASC)
        down = await _ids(daytona, **query, order=SandboxListSortDirection.DESC)
        assert up == down[::-1]
        assert sorted(up) == sorted(ids)


async def test_a_list_may_be_left_early(three: Callable[[], Any]) -> None:
    async with three() as (daytona, run, ids):
        listed = daytona.list(ListSandboxesQuery(labels={"run": run}, limit=1))
        async for sandbox in listed:
            assert sandbox.id in ids
            break
        await listed.aclose()


async def test_a_listed_sandbox_is_a_whole_one(three: Callable[[], Any]) -> None:
    async with three() as (daytona, run, ids):
        async for sandbox in daytona.list(ListSandboxesQuery(name=f"{run}-a")):
            assert (sandbox.id, sandbox.labels["n"]) == (ids[0], "1")
            assert (await sandbox.process.exec("echo listed")).result == "listed\n"


async def test_one_is_found_by_its_labels(three: Callable[[], Any]) -> None:
    async with three() as (daytona, run, ids):
        assert (await daytona.find_one(labels={"run": run, "n": "b c"})).id == ids[1]
        assert (await daytona.find_one(f"{run}-a")).id == ids[0]
        with pytest.raises(DaytonaNotFoundError, match="Failed to find sandbox: "):
            await daytona.find_one(labels={"run": run, "n": "none"})
        with pytest.raises(DaytonaNotFoundError):
            await daytona.find_one(f"{run}-z")


@pytest.mark.parametrize("limit", [0, -1, 100000])
async def test_a_page_has_bounds(connect: Callable[[], Any], limit: int) -> None:
    async with connect() as daytona:
        with pytest.raises(DaytonaValidationError):
            await _ids(daytona, limit=limit)
