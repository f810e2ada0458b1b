"""The async face and event loops: any one, several in turn, and none at all while it is made."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import trio

from daytona import AsyncDaytona, DaytonaConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        if hasattr(asyncio, "eager_task_factory"):
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
