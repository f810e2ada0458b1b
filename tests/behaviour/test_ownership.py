"""Sandboxes do not outlive those who need them: whose they are, what reaps them, and what the platform does by itself."""

from __future__ import annotations

import os
import platform as machine
import time
from typing import TYPE_CHECKING, Any

import pytest

from daytona import CreateSandboxFromSnapshotParams, DaytonaConfig, DaytonaError, DaytonaValidationError
from daytona.testing import Answer, FaultyRelay
from tests.conftest import open_client
from tests.wire.stub_server import Recorded, StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.local.platform_process import Platform
    from tests.wire.stub_server import Reply


@pytest.fixture
def owned(face: str, platform: Platform, unique: str) -> Callable[[], AbstractAsyncContextManager[Any]]:
    """Return a function that opens another client of the same owner."""
    endpoint = platform.endpoint
    config = DaytonaConfig(api_key=endpoint.api_key, api_url=endpoint.api_url, owner=unique)
    return lambda: open_client(face, config)


def there(platform: Platform, sandbox_id: str) -> bool:
    return platform.api("GET", f"/sandbox/{sandbox_id}").status == 200


async def test_a_sandbox_says_whose_it_is(owned: Callable[[], Any], unique: str) -> None:
    async with owned() as daytona, await daytona.create() as sandbox:
        found = {name: value for name, value in sandbox.labels.items() if name.startswith("daytona-owner")}
        assert len(found.pop("daytona-owner-run")) == 16
        assert len(found.pop("daytona-owner-creation")) == 16
        assert found == {
            "daytona-owner": unique,
            "daytona-owner-host": machine.node(),
            "daytona-owner-pid": str(os.getpid()),
        }


async def test_what_nobody_owns_has_no_such_label(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        assert not [name for name in sandbox.labels if name.startswith("daytona-owner")]


async def test_what_others_left_behind_is_reaped(
    owned: Callable[[], Any], connect: Callable[[], Any], platform: Platform
) -> None:
    async with owned() as crashed:
        left = await crashed.create()
        fork = await left.fork()  # it has to go first
    async with connect() as somebody, owned() as daytona:
        theirs, ours = await somebody.create(), await daytona.create()
        assert await daytona.reap(older_than=3600) == ()
        assert await daytona.reap(dry_run=True) == (fork.id, left.id)
        assert there(platform, left.id)
        assert await daytona.reap() == (fork.id, left.id)
        assert not there(platform, left.id)
        assert there(platform, ours.id)
        assert there(platform, theirs.id)
        assert await daytona.reap() == ()
        await theirs.delete()
        await ours.delete()


async def test_an_owner_can_be_named_by_somebody_else(
    owned: Callable[[], Any], connect: Callable[[], Any], unique: str
) -> None:
    async with owned() as crashed:
        left = await crashed.create()
    async with connect() as daytona:
        assert await daytona.reap(unique) == (left.id,)
        with pytest.raises(DaytonaValidationError, match="Failed to reap sandboxes: Name an owner"):
            await daytona.reap()


async def test_one_that_cannot_be_deleted_does_not_keep_the_others(face: str) -> None:
    def answer(request: Recorded) -> Reply:
        if request.method == "GET":
            return as_json({"items": [{"id": name, "state": "started"} for name in "abc"]})
        status = {"a": 404, "b": 400, "c": 200}[request.path[-1]]
        return as_json({"id": request.path[-1], "message": "no", "state": "destroying"}, status)

    with StubServer(answer) as server:
        config = DaytonaConfig(api_key="k", api_url=f"{server.url}/api")
        async with open_client(face, config) as daytona:
            with pytest.raises(DaytonaError, match="no"):
                await daytona.reap("somebody")
    deleted = [request.path for request in server.requests if request.method == "DELETE"]
    assert deleted == ["/api/sandbox/a", "/api/sandbox/b", "/api/sandbox/c"]


async def test_a_block_leaves_the_deletion_to_the_platform_should_it_not_come_to_it(
    connect: Callable[[], Any], platform: Platform
) -> None:
    async with connect() as daytona:
        async with await daytona.create() as sandbox:
            found = platform.api("GET", f"/sandbox/{sandbox.id}").json
            assert (found["autoStopInterval"], found["autoDeleteInterval"]) == (15, 60)
        async with await daytona.create(CreateSandboxFromSnapshotParams(auto_delete_interval=-1)) as told:
            assert platform.api("GET", f"/sandbox/{told.id}").json["autoDeleteInterval"] == -1
        by_hand = await daytona.create()
        assert by_hand.auto_delete_interval == -1
        async with await daytona.get(by_hand.id):  # who only found it does not change it
            assert platform.api("GET", f"/sandbox/{by_hand.id}").json["autoDeleteInterval"] == -1


async def test_a_block_that_cannot_begin_leaves_no_sandbox(face: str) -> None:
    def answer(request: Recorded) -> Reply:
        if "/autodelete/" in request.path:
            return as_json({"message": "not today"}, 403)
        return as_json({"id": "a", "state": "started"})

    with StubServer(answer) as server:
        config = DaytonaConfig(api_key="k", api_url=f"{server.url}/api")
        async with open_client(face, config) as daytona:
            sandbox = await daytona.create()
            with pytest.raises(DaytonaError, match="not today"):
                async with sandbox:
                    raise AssertionError("unreachable")
    assert server.requests[-1].method == "DELETE"


async def test_a_program_that_only_waits_keeps_its_sandbox_in_use(face: str, platform: Platform) -> None:
    with FaultyRelay(platform.endpoint.api_url) as relay:
        config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=relay.url)
        async with open_client(face, config) as daytona, await daytona.create() as sandbox:
            path = f"/api/sandbox/{sandbox.id}/last-activity"
            relay.inject(Answer(status=400), path=path)
            with pytest.raises(DaytonaError, match="Failed to keep sandbox alive: "):
                await sandbox.keep_alive()
            await sandbox.keep_alive(every=0.05)
            relay.inject(Answer(status=400), path=path)  # one that fails is not the last one
            wanted = 1 if face == "blocking" else 4
            deadline = time.monotonic() + 30
            while relay.forwarded("POST", path) < wanted:
                assert time.monotonic() < deadline
                await sandbox.refresh_data()
            with pytest.raises(DaytonaValidationError):
                await sandbox.keep_alive(every=0)


def test_ephemeral_and_never_stopping_is_a_contradiction() -> None:
    with pytest.warns(UserWarning, match="never stops by itself") as warned:
        CreateSandboxFromSnapshotParams(ephemeral=True, auto_stop_interval=0)
    assert warned[0].filename == __file__
    with pytest.warns(UserWarning, match="never stops by itself"):
        CreateSandboxFromSnapshotParams(auto_delete_interval=0, auto_stop_interval=0)
    CreateSandboxFromSnapshotParams(ephemeral=True, auto_stop_interval=0, ttl_minutes=5)
