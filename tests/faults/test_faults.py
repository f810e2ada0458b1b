"""A platform that fails in every way the relay knows: nothing runs twice, nothing hangs, nothing is lost.

The relay is what users test their own programs with, and all that is used here (R-29).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from daytona import (
    DaytonaBadGatewayError,
    DaytonaConfig,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaRateLimitError,
)
from daytona.testing import Answer, Cut, Delay, Drip, DropAfter, DropBefore, Fault, FaultyRelay, Stall
from tests.conftest import open_client

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

Connect = Callable[[], AbstractAsyncContextManager[Any]]

EXECUTE = r"/toolbox/[^/]+/process/execute"


@pytest.fixture
def relay(platform: Platform) -> Iterator[FaultyRelay]:
    with FaultyRelay(platform.endpoint.api_url) as relay:
        yield relay


@pytest.fixture
def through(face: str, platform: Platform, relay: FaultyRelay) -> Connect:
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=relay.url, connection_pool_maxsize=10)
    return lambda: open_client(face, config)


async def test_without_a_fault_the_relay_is_not_noticed(through: Connect, relay: FaultyRelay) -> None:
    async with through() as daytona, await daytona.create() as sandbox:
        assert (await sandbox.process.exec("echo hi")).result == "hi\n"
    assert any("/process/execute" in seen.path for seen in relay.seen)


@pytest.mark.parametrize("fault", [DropBefore(), DropAfter(), Cut(40), Answer(502), Answer(503)], ids=repr)
async def test_one_sandbox_is_made_whatever_happens_on_the_way(
    through: Connect, relay: FaultyRelay, platform: Platform, fault: Fault
) -> None:
    """R-14."""
    async with through() as daytona:
        before = {item["id"] for item in platform.api("GET", "/sandbox").json["items"]}
        relay.inject(fault, method="POST", path="/api/sandbox")
        async with await daytona.create() as sandbox:
            after = {item["id"] for item in platform.api("GET", "/sandbox").json["items"]}
            assert after - before == {sandbox.id}


@pytest.mark.parametrize("fault", [DropAfter(), Cut(17), Cut(100)], ids=repr)
async def test_a_command_does_not_run_twice(through: Connect, relay: FaultyRelay, fault: Fault) -> None:
    """R-16: the sandbox counts."""
    async with through() as daytona, await daytona.create() as sandbox:
        relay.inject(fault, method="POST", path=EXECUTE)
        with pytest.raises(DaytonaConnectionError) as caught:
            await sandbox.process.exec("echo once >> ran; sleep 0.1")
        assert caught.value.outcome == "unknown"
        assert await sandbox.fs.download_file("ran") == b"once\n"


async def test_an_answer_that_comes_late_is_waited_for_as_long_as_the_deadline_allows(
    through: Connect, relay: FaultyRelay
) -> None:
    async with through() as daytona, await daytona.create() as sandbox:
        relay.inject(Delay(0.3), method="POST", path=EXECUTE, times=2)
        assert (await sandbox.process.exec("echo late", timeout=20)).result == "late\n"
        relay.inject(Delay(30), method="GET", path=r".*/files/info")
        with pytest.raises(DaytonaConnectionTimeoutError):
            await sandbox.fs.get_file_info(".", request_timeout=0.3)


async def test_an_idle_connection_that_was_closed_is_not_noticed(
    through: Connect, relay: FaultyRelay
) -> None:
    async with through() as daytona, await daytona.create() as sandbox:
        for _ in range(3):
            relay.close_idle()
            assert (await sandbox.process.exec("echo again >> ran; wc -l < ran")).exit_code == 0
        assert await sandbox.fs.download_file("ran") == b"again\n" * 3


@pytest.mark.parametrize("fault", [Stall(0), Stall(20), Stall(150), Drip(1, 0.2)], ids=repr)
async def test_a_deadline_holds_whatever_stalls(through: Connect, relay: FaultyRelay, fault: Fault) -> None:
    async with through() as daytona, await daytona.create() as sandbox:
        relay.inject(fault, method="GET", path=r"/toolbox/[^/]+/files/info")
        with pytest.raises(DaytonaConnectionTimeoutError):
            await sandbox.fs.get_file_info(".", request_timeout=0.4)
        assert (await sandbox.fs.get_file_info(".")).is_dir


async def test_a_read_is_repeated_and_in_the_end_given_up(through: Connect, relay: FaultyRelay) -> None:
    async with through() as daytona, await daytona.create() as sandbox:
        relay.inject(Answer(503), method="GET", path=r".*/files/info", times=2)
        assert (await sandbox.fs.get_file_info(".")).is_dir
        relay.inject(Answer(502), method="GET", path=r".*/files/info", times=9)
        with pytest.raises(DaytonaBadGatewayError):
            await sandbox.fs.get_file_info(".")


async def test_a_rate_limit_is_waited_out(through: Connect, relay: FaultyRelay) -> None:
    async with through() as daytona, await daytona.create() as sandbox:
        relay.inject(Answer(429, {"Retry-After-authenticated": "1"}), method="POST", path=EXECUTE)
        assert (await sandbox.process.exec("echo ok")).result == "ok\n"
        relay.inject(Answer(429, {"Retry-After": "50"}), method="POST", path=EXECUTE)
        with pytest.raises(DaytonaRateLimitError) as caught:
            await sandbox.process.exec("echo no", timeout=2)
        assert caught.value.headers["retry-after"] == "50"


async def test_garbage_is_an_error_of_the_connection(through: Connect, relay: FaultyRelay) -> None:
    async with through() as daytona, await daytona.create() as sandbox:
        relay.inject(Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), method="POST", path=EXECUTE)
        with pytest.raises(DaytonaConnectionError, match="not the beginning of an HTTP"):
            await sandbox.process.exec("true")


@pytest.mark.faces("asyncio", "trio")
async def test_one_refusal_speaks_for_all_tasks(through: Connect, relay: FaultyRelay) -> None:
    """R-17: 200 tasks of a client with ten connections, all refused at once: they come back without a second crowd."""
    async with through() as daytona, await daytona.create() as sandbox:
        relay.seen.clear()
        relay.inject(Answer(429, {"Retry-After": "1"}), method="POST", path=EXECUTE, times=10)
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(sandbox.process.exec, "true")
        sent = sum(1 for seen in relay.seen if seen.path.endswith("/process/execute"))
        assert 200 <= sent <= 240
