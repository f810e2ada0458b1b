"""Whoever leaves the block leaves no sandbox: on every way out, and without hiding why."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import trio

from daytona import (
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaConfig,
    DaytonaError,
    DaytonaInternalServerError,
)
from tests.conftest import open_client
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.platform_process import Platform


def _is_gone(platform: Platform, sandbox_id: str) -> bool:
    """Return whether the platform has let go of it: a deletion is answered before the files are removed."""
    answer = platform.api("GET", f"/sandbox/{sandbox_id}")
    return answer.status == 404 or answer.json["desiredState"] == "destroyed"


async def test_it_is_gone_after_the_block(connect: Callable[[], Any], platform: Platform) -> None:
    async with connect() as daytona:
        async with await daytona.create() as sandbox:
            assert not _is_gone(platform, sandbox.id)
        assert _is_gone(platform, sandbox.id)


async def test_a_stopped_one_is_gone_too(connect: Callable[[], Any], platform: Platform) -> None:
    async with connect() as daytona:
        async with await daytona.create() as sandbox:
            await sandbox.stop()
        assert _is_gone(platform, sandbox.id)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
async def test_it_is_gone_after_an_exception(
    connect: Callable[[], Any], platform: Platform, kind: type[BaseException]
) -> None:
    error = kind("ours")
    async with connect() as daytona:
        with pytest.raises(kind) as caught:
            async with await daytona.create() as sandbox:
                raise error
        assert caught.value is error
        assert not hasattr(caught.value, "__notes__")
        assert _is_gone(platform, sandbox.id)


async def test_it_is_gone_after_a_return(connect: Callable[[], Any], platform: Platform) -> None:
    async def early(daytona: Any) -> str:
        async with await daytona.create() as sandbox:
            return str(sandbox.id)

    async with connect() as daytona:
        assert _is_gone(platform, await early(daytona))


@pytest.mark.faces("asyncio")
async def test_it_is_gone_after_a_cancelled_task(connect: Callable[[], Any], platform: Platform) -> None:
    inside: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def forever(daytona: Any) -> None:
        async with await daytona.create() as sandbox:
            inside.set_result(sandbox.id)
            await sandbox.process.exec("sleep 81")

    async with connect() as daytona:
        task = asyncio.create_task(forever(daytona))
        sandbox_id = await inside
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert _is_gone(platform, sandbox_id)


@pytest.mark.faces("trio")
async def test_it_is_gone_after_a_cancelled_scope(connect: Callable[[], Any], platform: Platform) -> None:
    async with connect() as daytona:
        with trio.CancelScope() as scope:
            async with await daytona.create() as sandbox:
                scope.cancel()
                await sandbox.process.exec("sleep 82")
        assert scope.cancelled_caught
        assert _is_gone(platform, sandbox.id)


async def test_deleting_it_inside_is_no_failure_at_the_end(
    connect: Callable[[], Any], platform: Platform, unique: str
) -> None:
    async with connect() as daytona:
        async with await daytona.create(CreateSandboxFromSnapshotParams(name=unique)) as sandbox:
            await sandbox.delete(wait=True)
        assert _is_gone(platform, sandbox.id)


# -- When the deletion fails --------------------------------------------------------------------------------------


def _undeletable(request: Recorded) -> Reply:
    if request.method == "DELETE":
        return as_json({"statusCode": 500, "message": "the disk is on fire"}, 500)
    return as_json({"id": "sb-1", "state": "started", "toolboxProxyUrl": "http://127.0.0.1:9/toolbox"})


async def test_a_deletion_that_failed_is_reported(face: str) -> None:
    with StubServer(_undeletable) as server:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=server.url)) as daytona:
            with pytest.raises(DaytonaInternalServerError, match="the disk is on fire") as caught:
                async with await daytona.create():
                    pass
    assert caught.value.sandbox_id == "sb-1"


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
async def test_a_deletion_that_failed_does_not_hide_the_first_error(
    face: str, kind: type[BaseException]
) -> None:
    with StubServer(_undeletable) as server:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=server.url)) as daytona:
            with pytest.raises(kind) as caught:
                async with await daytona.create():
                    raise kind("ours")
    (note,) = caught.value.__notes__
    assert "sb-1" in note
    assert "the disk is on fire" in note


def test_an_interrupt_in_the_middle_of_a_call_is_a_way_out_too(platform: Platform) -> None:
    """Ctrl-C while a blocking call waits: the connection is given up and the sandbox still deleted."""
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)
    with Daytona(config) as daytona:
        sandbox = daytona.create()
        main = threading.get_ident()
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt), sandbox:
            sandbox.process.exec("sleep 83", timeout=30)
        assert _is_gone(platform, sandbox.id)


def test_both_clients_close_twice_without_complaint() -> None:
    from daytona import AsyncDaytona

    config = DaytonaConfig(api_key="k", api_url="http://127.0.0.1:9/api")
    client = Daytona(config)
    with client:
        client.close()
    client.close()

    async def twice() -> None:
        async with AsyncDaytona(config) as async_client:
            await async_client.close()
        await async_client.close()

    asyncio.run(twice())
    trio.run(twice)


def test_a_client_that_is_forgotten_says_where_it_was_made(platform: Platform) -> None:
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)
    client = Daytona(config)
    with pytest.raises(DaytonaError):
        client.get("no-such-sandbox")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        del client
        gc.collect()
    (warning,) = warned
    assert warning.category is ResourceWarning
    assert "test_context_managers.py" in str(warning.message)
