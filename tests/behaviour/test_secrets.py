"""Secrets and warm pools, from the client's side."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CreateSandboxFromSnapshotParams,
    CreateSecretParams,
    DaytonaConflictError,
    DaytonaNotFoundError,
    UpdateSecretParams,
)
from daytona.errors import DaytonaValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.platform_process import Platform


def _name() -> str:
    return f"S_{uuid.uuid4().hex[:10]}"


async def test_a_secret_is_made_changed_and_deleted(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        name = _name()
        made = await daytona.secret.create(CreateSecretParams(name=name, value="v", hosts=["a.b"]))
        assert (made.name, made.hosts, made.description) == (name, ["a.b"], None)
        changed = await daytona.secret.update(made.id, UpdateSecretParams(description="d"))
        assert (changed.description, changed.hosts) == ("d", ["a.b"])
        assert await daytona.secret.get(made.id) == changed
        with pytest.raises(DaytonaConflictError, match="Failed to create secret: "):
            await daytona.secret.create(CreateSecretParams(name=name, value="v"))
        await daytona.secret.delete(made.id)
        with pytest.raises(DaytonaNotFoundError, match="Failed to get secret: "):
            await daytona.secret.get(made.id)


async def test_secrets_are_listed_in_pages(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        prefix = _name()
        made = [
            await daytona.secret.create(CreateSecretParams(name=f"{prefix}{number}", value="v"))
            for number in range(3)
        ]
        page = await daytona.secret.list(limit=2, name=prefix, sort="name", order="asc")
        assert ([one.id for one in page.items], page.total) == ([one.id for one in made[:2]], 3)
        rest = await daytona.secret.list(page.next_cursor, 2, prefix, "name", "asc")
        assert ([one.id for one in rest.items], rest.next_cursor) == ([made[2].id], None)
        with pytest.raises(DaytonaValidationError, match="less than 1"):
            await daytona.secret.list(limit=0)
        for one in made:
            await daytona.secret.delete(one.id)


async def test_a_sandbox_sees_placeholders_only(connect: Callable[[], Any], platform: Platform) -> None:
    async with connect() as daytona:
        secret = await daytona.secret.create(CreateSecretParams(name=_name(), value="the-value"))
        params = CreateSandboxFromSnapshotParams(secrets={"API_KEY": secret.name})
        sandbox = await daytona.create(params)
        assert (await sandbox.process.exec("echo $API_KEY")).result.strip() == secret.placeholder
        raw = platform.api("GET", f"/sandbox/{sandbox.id}").json
        assert "the-value" not in json.dumps(raw)
        assert raw["isolation"]["network"] == "proxy", "where values are put in"
        await sandbox.delete()
        await daytona.secret.delete(secret.id)


async def test_secrets_of_a_running_sandbox_are_replaced(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        one = await daytona.secret.create(CreateSecretParams(name=_name(), value="1"))
        two = await daytona.secret.create(CreateSecretParams(name=_name(), value="2"))
        sandbox = await daytona.create(CreateSandboxFromSnapshotParams(secrets={"ONE": one.name}))
        await sandbox.update_secrets({"TWO": two.name})
        shown = (await sandbox.process.exec('echo "<$ONE>" "<$TWO>"')).result.split()
        assert shown == ["<>", f"<{two.placeholder}>"]
        await sandbox.stop()
        await sandbox.start()
        shown = (await sandbox.process.exec('echo "<$ONE>" "<$TWO>"')).result.split()
        assert shown == ["<>", f"<{two.placeholder}>"]
        await sandbox.update_secrets({})
        assert (await sandbox.process.exec('echo "<$TWO>"')).result.strip() == "<>"
        await sandbox.delete()
        for secret in (one, two):
            await daytona.secret.delete(secret.id)


async def test_a_warm_sandbox_is_handed_out(connect: Callable[[], Any], platform: Platform) -> None:
    async with connect() as daytona:
        pool = await daytona.warm_pool.create("host", 1)
        with pytest.raises(DaytonaConflictError, match="Failed to create warm pool: "):
            await daytona.warm_pool.create("host", 2)
        waiting = _wait_for_member(platform, pool.id)
        name = f"warm-{uuid.uuid4().hex[:8]}"
        asked_for = CreateSandboxFromSnapshotParams(name=name, labels={"a": "b"}, auto_stop_interval=7)
        sandbox = await daytona.create(asked_for)
        assert sandbox.id == waiting["id"]
        assert (sandbox.name, sandbox.labels["a"], sandbox.auto_stop_interval) == (name, "b", 7)
        assert sandbox.created_at > waiting["createdAt"]
        assert (await sandbox.process.exec("echo warm")).result == "warm\n"
        assert _wait_for_member(platform, pool.id)["id"] != sandbox.id
        particular = await daytona.create(CreateSandboxFromSnapshotParams(env_vars={"A": "1"}))
        assert particular.id != _wait_for_member(platform, pool.id)["id"]
        resized = await daytona.warm_pool.update(pool.id, 0)
        assert (resized.pool, [one.id for one in await daytona.warm_pool.list()]) == (0, [pool.id])
        await daytona.warm_pool.delete(pool.id)
        _wait_for_no_member(platform)
        for mine in (sandbox, particular):
            await mine.delete()


def _members(platform: Platform) -> list[dict[str, Any]]:
    listed = platform.api("GET", "/sandbox?includeWarm=true&limit=200").json["items"]
    shown = {one["id"] for one in platform.api("GET", "/sandbox?limit=200").json["items"]}
    members = [one for one in listed if one["warmPoolId"]]
    assert not {one["id"] for one in members} & shown
    return members


def _wait_for_member(platform: Platform, pool: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ready = [one for one in _members(platform) if one["warmPoolId"] == pool and one["state"] == "started"]
        if ready:
            return ready[0]
    raise AssertionError("the pool did not fill")


def _wait_for_no_member(platform: Platform) -> None:
    deadline = time.monotonic() + 30
    while _members(platform):
        assert time.monotonic() < deadline, "the pool did not drain"
