"""Every public method, cancelled at each of its checkpoints: nothing leaks, nothing hangs, the pool stays whole (R-2, R-41, R-42)."""

from __future__ import annotations

import asyncio
import os
import types
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio

from daytona.protocols.rest import Endpoint
from daytona.service import Api
from daytona.services.client import AsyncClient
from daytona.transport.http import HTTPTransport
from daytona.transport.native import NativeDriver
from daytona_plugins.lsp.service import AsyncLspServer

from .every_method import Method, methods, perform, sandbox_of, target_of
from .obliging_server import ObligingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.faces("asyncio", "trio"),
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
]

PATIENCE = 20.0
"""Seconds after which something hangs."""


@pytest.fixture(scope="module")
def server() -> Iterator[ObligingServer]:
    with ObligingServer() as server:
        yield server


def new_client(server: ObligingServer) -> tuple[AsyncClient, HTTPTransport]:
    transport = HTTPTransport(NativeDriver(), limit=4)
    return AsyncClient(Api(transport, Endpoint(f"{server.url}/api", {}))), transport


@types.coroutine
def counted(coroutine: Coroutine[Any, Any, Any], reached: Callable[[], None]) -> Generator[Any, Any, Any]:
    """Run *coroutine*, and say so before each of its checkpoints."""
    value, error = None, None
    while True:
        try:
            waited_for = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as end:
            return end.value
        reached()
        value, error = None, None
        try:
            value = yield waited_for
        except BaseException as thrown:
            error = thrown


async def cancelled_at(face: str, number: int, act: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """Run *act* and cancel it at its checkpoint *number*; return False when it has fewer."""
    seen = 0

    def reached() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            cancel()

    if face == "trio":
        with trio.CancelScope() as scope:
            cancel: Callable[[], object] = scope.cancel
            await counted(act(), reached)
        return seen >= number

    async def run() -> None:
        nonlocal cancel
        cancel = asyncio.current_task().cancel  # type: ignore[union-attr]
        await counted(act(), reached)

    cancel = bool  # nothing yet
    task = asyncio.get_running_loop().create_task(run())
    await asyncio.wait({task})
    assert task.cancelled() or not task.exception(), task
    assert task.cancelled() or seen < number, "it went on as if nothing had happened"
    return task.cancelled()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def all_closed(before: int) -> None:
    """Wait until there are no more descriptors than before: a server notices only after a while that nobody is there."""
    with anyio.fail_after(PATIENCE):
        while descriptors() > before:  # noqa: ASYNC110 - nobody tells when a server's thread has closed its socket
            await anyio.sleep(0.005)


CASES = [method for method in methods() if str(method) != "AsyncClient.close"]


def test_there_are_methods() -> None:
    assert len(CASES) > 150


@pytest.mark.parametrize("method", CASES, ids=str)
async def test_a_method_may_be_cancelled_anywhere(
    face: str, server: ObligingServer, method: Method, tmp_path: Path
) -> None:
    before = descriptors()
    client, transport = new_client(server)
    with anyio.fail_after(PATIENCE):
        number, goes_on = 0, True
        while goes_on:
            number += 1
            sandbox = sandbox_of(client, method, server.url)
            target = await target_of(client, sandbox, method)
            arguments = method.arguments(sandbox, tmp_path)
            goes_on = await cancelled_at(face, number, partial(perform, target, method, arguments))
            pool = transport._connections._home.pool
            assert (pool.permits, pool.waiting, transport._connections._home.gates) == (0, 0, {}), (
                f"at checkpoint {number}"
            )
            if hasattr(target, "disconnect"):
                await target.disconnect()
            elif method.owner is AsyncLspServer:
                await target.stop()  # a conversation outlives the call that began it
            if method.name not in (
                "create_pty_session",
                "connect_pty_session",
            ):  # that returned a stream, in the end
                assert transport._connections._home.active == set(), f"at checkpoint {number}"
            assert os.listdir(tmp_path) == ["file"]
        assert (await client.get("probe")).id == "sb-1"
        await client.close()
    assert transport._connections._home.background == set()
    await all_closed(before)


async def test_closing_may_be_cancelled_anywhere(face: str, server: ObligingServer) -> None:
    before = descriptors()
    number, goes_on = 0, True
    while goes_on:
        number += 1
        client, transport = new_client(server)
        sandbox = await client.get("sb-1")
        terminal = await sandbox.process.connect_pty_session("stays", on_data=bytearray().extend)
        goes_on = await cancelled_at(face, number, client.close)
        assert (transport._connections._home.pool.idle, transport._connections._home.pool.permits) == (0, 0)
        await client.close()
        await terminal.disconnect()
        assert transport._connections._home.background == set()
    await all_closed(before)


class Looks:
    """Counts how often an event loop looks for something to do."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        """Count: what trio calls."""
        self.count += 1

    @contextmanager
    def of(self, face: str) -> Iterator[None]:
        """Count those inside."""
        if face == "trio":
            trio.lowlevel.add_instrument(self)  # type: ignore[arg-type]  # an instrument has what it needs of the methods
            yield
            trio.lowlevel.remove_instrument(self)  # type: ignore[arg-type]
            return
        selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        real = selector.select

        def select(timeout: float | None) -> Any:
            self.count += 1
            return real(timeout)

        selector.select = select
        yield
        del selector.select


async def test_nothing_spins_after_streams_were_cancelled(face: str, server: ObligingServer) -> None:
    """R-42: what was cancelled asks for no more of the processor."""
    client, _ = new_client(server)
    sandbox = await client.get("sb-1")

    async def read() -> None:
        async with await sandbox.process.connect_pty_session("stays") as terminal:
            async for _ in terminal:
                reading.append(terminal)

    reading: list[Any] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(read)
            while len(reading) < 50:  # noqa: ASYNC110 - a condition of three lines is not clearer
                await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
    looks = Looks()
    with looks.of(face):
        await anyio.sleep(0.3)  # whoever looks without being told does it thousands of times meanwhile
    assert looks.count < 100
    await client.close()
