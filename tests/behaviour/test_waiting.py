"""Waiting for a sandbox, seen from outside: how often a client asks, and that it listens where it is told to."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from daytona import AsyncDaytona, Daytona, DaytonaConfig, DaytonaTimeoutError
from daytona.protocols import waiting
from daytona.services import _crowd as crowd
from daytona.services._events import EventFeed
from daytona.services._watching import Watcher
from daytona.testing import Answer, Cut, FaultyRelay
from tests.conftest import open_client
from tests.wire.stub_server import Recorded, StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daytona import AsyncSandbox, Sandbox
    from tests.local.platform_process import Platform
    from tests.wire.stub_server import Reply

EVENTS = "/api/socket.io/"
MANY = 20


@pytest.fixture
def relay(platform: Platform) -> Iterator[FaultyRelay]:
    """What counts the requests."""
    with FaultyRelay(platform.endpoint.api_url) as running:
        yield running


def config(relay: FaultyRelay, platform: Platform, **more: Any) -> DaytonaConfig:
    return DaytonaConfig(api_key=platform.endpoint.api_key, api_url=relay.url, **more)


def looks(relay: FaultyRelay, sandbox_id: str) -> int:
    return relay.forwarded("GET", f"/api/sandbox/{sandbox_id}")


def stop_when(condition: Callable[[], bool], platform: Platform, sandbox_id: str) -> threading.Thread:
    """Stop a sandbox behind the back of those who wait for it, as soon as *condition* holds."""

    def act() -> None:
        deadline = time.monotonic() + 30
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        platform.api("POST", f"/sandbox/{sandbox_id}/stop")

    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.mark.faces("asyncio")
async def test_tasks_that_wait_for_one_sandbox_share_their_looks(
    relay: FaultyRelay, platform: Platform
) -> None:
    sandbox_id = platform.create(autoDeleteInterval=-1)["id"]
    async with AsyncDaytona(config(relay, platform)) as daytona:
        handles: list[AsyncSandbox] = [await daytona.get(sandbox_id) for _ in range(MANY)]
        stopping = stop_when(lambda: looks(relay, sandbox_id) > 2 * MANY, platform, sandbox_id)
        async with asyncio.TaskGroup() as group:
            for handle in handles:
                group.create_task(handle.wait_for_sandbox_stop())
        stopping.join()
    assert {handle.state for handle in handles} == {"stopped"}
    assert looks(relay, sandbox_id) <= 2 * MANY + 12  # each looked at the beginning; after that, once for all


@pytest.mark.faces("asyncio")
async def test_tasks_that_wait_for_many_sandboxes_look_at_lists_of_them(
    relay: FaultyRelay, platform: Platform
) -> None:
    ids = [platform.create(autoDeleteInterval=-1)["id"] for _ in range(crowd.MANY + 2)]
    at_that_moment: list[int] = []

    def have_lists_sufficed() -> bool:
        if relay.forwarded("GET", "/api/sandbox") < 6:
            return False
        at_that_moment.append(sum(looks(relay, one) for one in ids))
        return True

    async with AsyncDaytona(config(relay, platform)) as daytona:
        handles: list[AsyncSandbox] = [await daytona.get(one) for one in ids]
        stopping = [stop_when(have_lists_sufficed, platform, one) for one in ids]
        async with asyncio.TaskGroup() as group:
            given_up = group.create_task(handles[0].wait_for_sandbox_stop())  # the first one looks for all
            for handle in handles:
                group.create_task(handle.wait_for_sandbox_stop())
            with pytest.raises(DaytonaTimeoutError):
                await (await daytona.get(ids[1])).wait_for_sandbox_stop(timeout=0.5)
            given_up.cancel()
        for thread in stopping:
            thread.join()
    assert {handle.state for handle in handles} == {"stopped"}
    # Each was asked for, looked at in the beginning, and then every fourth time; and so it was by who gave up.
    assert at_that_moment[0] <= (len(ids) + 2) * (2 + 6 // (crowd.BY_ITSELF - 1))
    platform.delete_all()


@pytest.mark.faces("asyncio")
async def test_a_platform_that_cannot_list_is_asked_for_each(relay: FaultyRelay, platform: Platform) -> None:
    ids = [platform.create(autoDeleteInterval=-1)["id"] for _ in range(crowd.MANY)]
    async with AsyncDaytona(config(relay, platform)) as daytona:
        handles: list[AsyncSandbox] = [await daytona.get(one) for one in ids]
        relay.inject(Answer(status=403), method="GET", path="/api/sandbox", times=1000)
        stopping = [stop_when(lambda: looks(relay, ids[0]) > 3, platform, one) for one in ids]
        async with asyncio.TaskGroup() as group:
            for handle in handles:
                group.create_task(handle.wait_for_sandbox_stop())
        for thread in stopping:
            thread.join()
    assert {handle.state for handle in handles} == {"stopped"}
    platform.delete_all()


def test_threads_that_wait_for_one_sandbox_share_their_looks(relay: FaultyRelay, platform: Platform) -> None:
    sandbox_id = platform.create(autoDeleteInterval=-1)["id"]
    with Daytona(config(relay, platform)) as daytona:
        handles: list[Sandbox] = [daytona.get(sandbox_id) for _ in range(MANY)]
        stopping = stop_when(lambda: looks(relay, sandbox_id) > 2 * MANY, platform, sandbox_id)
        threads = [threading.Thread(target=handle.wait_for_sandbox_stop) for handle in handles]
        for thread in threads:
            thread.start()
        for thread in [*threads, stopping]:
            thread.join()
    assert {handle.state for handle in handles} == {"stopped"}
    assert looks(relay, sandbox_id) <= 2 * MANY + 12


@pytest.mark.faces("asyncio")
async def test_who_gives_up_leaves_the_looking_to_others(relay: FaultyRelay, platform: Platform) -> None:
    sandbox_id = platform.create(autoDeleteInterval=-1)["id"]
    async with AsyncDaytona(config(relay, platform)) as daytona:
        impatient, cancelled, patient = [await daytona.get(sandbox_id) for _ in range(3)]
        async with asyncio.TaskGroup() as group:
            giving_up = group.create_task(cancelled.wait_for_sandbox_stop())
            staying = group.create_task(patient.wait_for_sandbox_stop())
            with pytest.raises(DaytonaTimeoutError):
                await impatient.wait_for_sandbox_stop(timeout=0.3)
            giving_up.cancel()
            stop_when(lambda: True, platform, sandbox_id).join()
            await staying
    assert patient.state == "stopped"


async def test_a_wait_ends_with_an_event(
    face: str, relay: FaultyRelay, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "POLLS_BESIDE_EVENTS", (120.0,))
    sandbox_id = platform.create(autoDeleteInterval=-1)["id"]
    async with open_client(face, config(relay, platform, events=True)) as daytona:
        sandbox = await daytona.get(sandbox_id)
        # One look by `get`, one at the beginning of the wait, one when it begins to listen.
        stopping = stop_when(lambda: looks(relay, sandbox_id) == 3, platform, sandbox_id)
        await sandbox.wait_for_sandbox_stop()
        stopping.join()
        assert sandbox.state == "stopped"
        await sandbox.start()
        await sandbox.delete(wait=True)
    assert relay.forwarded("GET", EVENTS) >= 1
    assert looks(relay, sandbox_id) < 15


def test_the_last_one_who_waits_hangs_up() -> None:
    class Socket:
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    nobody: Any = None
    socket: Any = Socket()
    feed = EventFeed(nobody)
    watcher = Watcher(nobody, feed)
    feed._socket = socket  # pyright: ignore[reportPrivateUsage]  # as if it had connected
    with watcher.watching("a"):
        with watcher.watching("a"), watcher.watching("b"):
            pass
        assert not socket.aborted
    assert socket.aborted
    assert not feed.is_open


def test_nobody_listens_who_was_not_told_to(relay: FaultyRelay, platform: Platform) -> None:
    with Daytona(config(relay, platform)) as daytona:
        sandbox = daytona.create()
        sandbox.delete(wait=True)
    assert relay.forwarded("GET", EVENTS) == 0


async def test_a_platform_without_events_is_asked_once_and_then_looked_at(face: str) -> None:
    states = iter(["starting"] * 6 + ["started"] * 3)

    def answer(request: Recorded) -> Reply:
        if request.path == EVENTS:
            return as_json({"message": "Cannot GET"}, 404)
        return as_json({"id": "a", "state": next(states)})

    with StubServer(answer) as server:
        made = DaytonaConfig(api_key="k", api_url=f"{server.url}/api", events=True)
        async with open_client(face, made) as daytona:
            sandbox = await daytona.get("a")
            await sandbox.wait_for_sandbox_start()
    assert [request.path for request in server.requests].count(EVENTS) == 1


async def test_looks_come_quickly_again_when_the_state_has_changed(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter(["creating"] * 8 + ["starting"] * 4 + ["started"] * 2)
    delays: list[float] = []
    schedule = waiting.Schedule.next

    def record(self: waiting.Schedule, fraction: float, *, told: bool = False) -> float:
        delays.append(schedule(self, 0.0, told=told))
        return 0.0

    monkeypatch.setattr(waiting.Schedule, "next", record)
    with StubServer(lambda request: as_json({"id": "a", "state": next(states)})) as server:
        made = DaytonaConfig(api_key="k", api_url=f"{server.url}/api")
        async with open_client(face, made) as daytona:
            sandbox = await daytona.get("a")
            await sandbox.wait_for_sandbox_start()
    # `get` and the beginning of the wait saw two of the first state; the look after the seventh saw the next one.
    assert delays == [*waiting.POLLS[:7], *waiting.POLLS[waiting.RESTART_AT : waiting.RESTART_AT + 4]]


async def test_a_wait_goes_on_when_the_platform_stops_telling(
    face: str, relay: FaultyRelay, platform: Platform
) -> None:
    sandbox_id = platform.create(autoDeleteInterval=-1)["id"]
    relay.inject(Cut(after=600), path=EVENTS)  # in the middle of the first event
    async with open_client(face, config(relay, platform, events=True)) as daytona:
        sandbox = await daytona.get(sandbox_id)
        stopping = stop_when(lambda: looks(relay, sandbox_id) == 3, platform, sandbox_id)
        await sandbox.wait_for_sandbox_stop()
        stopping.join()
        assert sandbox.state == "stopped"
