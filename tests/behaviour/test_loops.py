"""The async face and event loops: any one, several in turn, and none at all while it is made."""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest
import trio

from daytona import AsyncDaytona, DaytonaClosedError, DaytonaConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.local.platform_process import Platform


@pytest.fixture
def config(platform: Platform) -> DaytonaConfig:
    return DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)


@pytest.fixture(autouse=True)
def _nothing_is_reported_behind_our_back() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_one_object_serves_one_loop_after_another(config: DaytonaConfig, shared_id: str) -> None:
    daytona = AsyncDaytona(config)

    async def use() -> list[str]:
        sandbox = await daytona.get(shared_id)
        answers = [await sandbox.process.exec(f"echo {n}") for n in range(3)]
        assert shared_id in [listed.id async for listed in daytona.list()]
        return [answer.result for answer in answers]

    for _ in range(3):
        assert asyncio.run(use()) == ["0\n", "1\n", "2\n"]
    assert trio.run(use) == ["0\n", "1\n", "2\n"]
    assert asyncio.run(use()) == ["0\n", "1\n", "2\n"]
    asyncio.run(daytona.close())


def test_a_handle_serves_one_loop_after_another(config: DaytonaConfig, shared_id: str) -> None:
    daytona = AsyncDaytona(config)
    sandbox: Any = asyncio.run(daytona.get(shared_id))
    for number in range(3):
        assert asyncio.run(sandbox.process.exec(f"echo {number}")).result == f"{number}\n"
    assert trio.run(sandbox.process.exec, "echo trio").result == "trio\n"
    trio.run(daytona.close)


def test_a_client_is_made_without_a_loop_in_a_thread_without_one(config: DaytonaConfig) -> None:
    made: list[AsyncDaytona] = []
    thread = threading.Thread(target=lambda: made.append(AsyncDaytona(config)))
    thread.start()
    thread.join()
    asyncio.run(made[0].close())


def test_it_runs_with_eager_tasks_and_in_debug_mode(config: DaytonaConfig, shared_id: str) -> None:
    async def use() -> list[str]:
        loop = asyncio.get_running_loop()
        if sys.version_info >= (3, 12):
            loop.set_task_factory(asyncio.eager_task_factory)
        async with AsyncDaytona(config) as daytona:
            sandbox = await daytona.get(shared_id)
            answers = await asyncio.gather(*(sandbox.process.exec(f"echo {n}") for n in range(8)))
        return [answer.result for answer in answers]

    with asyncio.Runner(debug=True) as runner:
        assert runner.run(use()) == [f"{n}\n" for n in range(8)]


async def _many(daytona: AsyncDaytona, shared_id: str) -> list[str]:
    sandbox = await daytona.get(shared_id)
    results: dict[int, str] = {}

    async def one(number: int) -> None:
        results[number] = (await sandbox.process.exec(f"echo {number}")).result

    if _on_trio():
        async with trio.open_nursery() as nursery:
            for number in range(32):
                nursery.start_soon(one, number)
    else:
        async with asyncio.TaskGroup() as group:
            for number in range(32):
                group.create_task(one(number))
    return [results[number] for number in range(32)]


def _on_trio() -> bool:
    return trio.lowlevel.in_trio_task()


@pytest.mark.faces("asyncio", "trio")
@pytest.mark.parametrize("limit", [None, 4])
async def test_tasks_share_one_client(config: DaytonaConfig, shared_id: str, limit: int | None) -> None:
    config.connection_pool_maxsize = limit
    async with AsyncDaytona(config) as daytona:
        assert await _many(daytona, shared_id) == [f"{number}\n" for number in range(32)]


@pytest.mark.faces("asyncio", "trio")
async def test_a_cancelled_call_leaves_the_client_usable(config: DaytonaConfig, shared_id: str) -> None:
    config.connection_pool_maxsize = 1
    async with AsyncDaytona(config) as daytona:
        sandbox = await daytona.get(shared_id)
        for _ in range(5):
            await _cancelled(sandbox.process.exec, "sleep 0.5")
            assert (await sandbox.process.exec("echo usable", timeout=20)).result == "usable\n"


async def _cancelled(call: Any, *args: Any) -> None:
    if _on_trio():
        with trio.move_on_after(0.05) as scope:
            await call(*args)
        assert scope.cancelled_caught
        return
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await call(*args)


# -- Several at once --------------------------------------------------------------------------------------------------

RUNS: dict[str, Callable[[Callable[[], Awaitable[Any]]], Any]] = {
    "asyncio": lambda act: asyncio.run(act()),  # type: ignore[arg-type]  # a coroutine function
    "trio": lambda act: trio.run(act),
}
PAIRS = [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "trio")]


def in_threads(pair: tuple[str, str], act: Callable[[str], Awaitable[Any]]) -> list[Any]:
    """Return what *act* comes to in two threads at the same time, each with an event loop of its own."""
    with ThreadPoolExecutor(2) as threads:
        futures = [
            threads.submit(RUNS[kind], partial(act, f"{kind}-{index}")) for index, kind in enumerate(pair)
        ]
        return [future.result(60) for future in futures]


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_one_object_serves_two_loops_in_two_threads_at_once(
    config: DaytonaConfig, shared_id: str, pair: tuple[str, str]
) -> None:
    """R-39: connections and those who wait for one belong to their loop, so that nobody waits for ever."""
    config.connection_pool_maxsize = 2
    daytona = AsyncDaytona(config)
    both = threading.Barrier(2)

    async def use(name: str) -> list[str]:
        both.wait(30)
        return [result for _ in range(3) for result in await _many(daytona, shared_id)]

    assert in_threads(pair, use) == [[f"{number}\n" for number in range(32)] * 3] * 2
    asyncio.run(daytona.close())


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_a_stream_of_one_loop_outlives_calls_in_another(
    config: DaytonaConfig, shared_id: str, pair: tuple[str, str]
) -> None:
    daytona = AsyncDaytona(config)
    opened, used = threading.Event(), threading.Event()

    async def use(name: str) -> str:
        sandbox = await daytona.get(shared_id)
        if name.endswith("0"):
            async with await sandbox.process.create_pty_session(f"{name}-{uuid.uuid4().hex}") as terminal:
                opened.set()
                await anyio.to_thread.run_sync(used.wait, 30)
                await terminal.send_input("exit 7\n")
                return str((await terminal.wait(timeout=30)).exit_code)
        await anyio.to_thread.run_sync(opened.wait, 30)
        result = (await sandbox.process.exec("echo used")).result
        used.set()
        return result

    assert in_threads(pair, use) == ["7", "used\n"]
    asyncio.run(daytona.close())


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_closing_in_one_loop_ends_what_is_under_way_in_another(
    config: DaytonaConfig, shared_id: str, pair: tuple[str, str]
) -> None:
    """R-5: a call that has been sent, one that waits for a connection, and a stream."""
    config.connection_pool_maxsize = 2
    daytona = AsyncDaytona(config)
    busy = threading.Event()

    async def use(name: str) -> list[type[BaseException] | None]:
        sandbox = await daytona.get(shared_id)
        if name.endswith("1"):
            await anyio.to_thread.run_sync(busy.wait, 30)
            await daytona.close()
            return []
        terminal = await sandbox.process.create_pty_session(f"{name}-{uuid.uuid4().hex}")
        ends: list[type[BaseException] | None] = []

        async def call() -> None:
            try:
                await sandbox.process.exec("sleep 30")
            except DaytonaClosedError as error:
                ends.append(type(error))

        async def watch() -> None:
            while sum(len(home.gates) for home in transport._connections._homes.values()) < 2:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.01)
            busy.set()

        transport: Any = daytona._api.transport
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(call)
            tasks.start_soon(watch)
            assert (await terminal.wait(timeout=30)).exit_code is None
        return ends

    assert in_threads(pair, use) == [[DaytonaClosedError] * 4, []]


def test_uvloop_is_a_loop_like_others(config: DaytonaConfig, shared_id: str) -> None:
    """R-40."""
    uvloop = pytest.importorskip("uvloop")

    async def use() -> list[str]:
        async with AsyncDaytona(config) as daytona:
            sandbox = await daytona.get(shared_id)
            results = await _many(daytona, shared_id)
            terminal = await sandbox.process.create_pty_session(f"uv-{uuid.uuid4().hex}")
            await terminal.send_input("exit 7\n")
            return [*results, str((await terminal.wait(timeout=30)).exit_code)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(use()) == [*(f"{number}\n" for number in range(32)), "7"]
