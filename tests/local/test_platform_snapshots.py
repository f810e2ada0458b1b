"""Rules about many snapshots and long times, over a clock that a test sets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.platform.snapshots import COOLDOWN, DEFAULT, QUOTA, UNUSED_SECONDS, Snapshots
from daytona_plugins.local.web import HTTPError
from tests.local.fake_driver import fake_sandboxes
from tests.local.test_platform_sandboxes import Clock, a_record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def over(scenario: Callable[[Snapshots, Clock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = Clock()
        async with fake_sandboxes(clock=clock) as (sandboxes, _driver):
            await scenario(Snapshots(sandboxes.builds.snapshots, sandboxes.builds, clock=clock), clock)

    asyncio.run(run())


def test_what_nobody_uses_becomes_inactive() -> None:
    async def scenario(snapshots: Snapshots, clock: Clock) -> None:
        idle, used = (snapshots.reserve(name, a_record(clock)) for name in ("idle", "used"))
        for record in (idle, used):
            await snapshots.finish(record, DEFAULT.image)
        clock.now += UNUSED_SECONDS - 1
        await snapshots.tick()
        assert snapshots.find("idle").state == "active"
        snapshots.note_use(used)
        clock.now += 2
        await snapshots.tick()
        assert (snapshots.find("idle").state, snapshots.find("used").state) == ("inactive", "active")
        clock.now += COOLDOWN - 1
        with pytest.raises(HTTPError, match="activate it in 1 seconds"):
            snapshots.activate(idle.id)
        clock.now += 1
        assert snapshots.activate(idle.id).state == "active"
        await snapshots.tick()
        assert snapshots.find("idle").state == "active"

    over(scenario)


def test_there_can_only_be_so_many() -> None:
    async def scenario(snapshots: Snapshots, clock: Clock) -> None:
        box = a_record(clock)
        made = [snapshots.reserve(f"s{number}", box) for number in range(QUOTA)]
        with pytest.raises(HTTPError, match="snapshot quota exceeded: 100 of 100 are in use") as refused:
            snapshots.reserve("one-more", box)
        assert refused.value.status == 400
        snapshots.deactivate(made[0].id)
        snapshots.reserve("one-more", box)

    over(scenario)
