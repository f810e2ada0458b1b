"""Every public method that takes a timeout, against servers that stall at every stage: each ends in time (R-8, R-9)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from daytona.errors import DaytonaTimeoutError
from daytona.protocols.rest import Endpoint
from daytona.service import Api
from daytona.services.client import AsyncClient
from daytona.transport.http import HTTPTransport
from tests.transport.worlds import driver_of, together
from tests.wire.raw_server import Peer, RawServer, full_server

from .every_method import Method, methods, perform, sandbox_of, target_of
from .obliging_server import ObligingServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

TIMEOUT = 0.4
SLACK = 5.0
"""Seconds that a busy machine may take longer: whoever forgets a deadline takes for ever."""

STAGES = ("accept", "tls", "answer", "head", "body", "drip")

APART = {
    "AsyncPtyHandle.wait": "returns what is known when the time is up; has a test below",
    "AsyncPtyHandle.wait_for_connection": "has nothing to wait for once it can be called",
}
PER_PIECE = "AsyncFileSystem.download_file_stream"
"""Its timeout is for each piece, so that a large file may take its time."""

CASES = [method for method in methods() if method.timeout and str(method) not in APART]
STREAMING = [method for method in CASES if method.name in ("run_code", "run_code_stream")]


@contextmanager
def stalling(stage: str) -> Generator[str]:
    """Yield the URL of a server that goes no further than to *stage*."""
    if stage == "accept":
        with full_server() as url:
            yield url
    elif stage == "tls":
        with RawServer(Peer.wait_until_left) as server:
            yield server.url.replace("http:", "https:")
    else:
        with ObligingServer(stage) as server:  # type: ignore[arg-type]  # the rest are stages of this one
            yield server.url


async def seconds_until_timeout(client: Any, method: Method, url: str, directory: Path) -> float | str:
    """Return how long a call takes to end with the right error, or what happened instead."""
    sandbox = sandbox_of(client, method, url)
    target = await target_of(client, sandbox, method)
    arguments = method.arguments(sandbox, directory)
    begun = time.monotonic()
    try:
        await perform(target, method, arguments, **{str(method.timeout): TIMEOUT})
    except DaytonaTimeoutError:
        return time.monotonic() - begun
    except Exception as error:
        return repr(error)
    return "it returned"


async def unpunctual(face: str, url: str, cases: Iterable[Method], directory: Path) -> dict[str, object]:
    """Make all the calls at once; return those that did not end as they should have."""
    transport = HTTPTransport(driver_of(face))
    client = AsyncClient(Api(transport, Endpoint(f"{url}/api", {})))
    calls = [partial(seconds_until_timeout, client, method, url, directory) for method in cases]
    ended = zip(cases, await together(face, *calls), strict=True)
    pool = transport._connections._home.pool
    assert (pool.permits, pool.waiting, transport._connections._home.active) == (0, 0, set())
    await client.close()
    return {
        str(method): how for method, how in ended if not (isinstance(how, float) and how < TIMEOUT + SLACK)
    }


def test_there_are_methods_with_a_timeout() -> None:
    assert len(CASES) > 120
    assert len(STREAMING) == 2
    assert APART.keys() <= {str(method) for method in methods() if method.timeout}


@pytest.mark.parametrize("stage", STAGES)
async def test_every_timeout_holds(face: str, stage: str, tmp_path: Path) -> None:
    cases = [method for method in CASES if not (stage == "drip" and str(method) == PER_PIECE)]
    with stalling(stage) as url:
        assert await unpunctual(face, url, cases, tmp_path) == {}


async def test_half_a_frame_does_not_stop_the_clock(face: str, tmp_path: Path) -> None:
    with stalling("frame") as url:
        assert await unpunctual(face, url, STREAMING, tmp_path) == {}


async def test_waiting_for_a_terminal_ends_with_what_is_known(face: str) -> None:
    with ObligingServer() as server:
        client = AsyncClient(Api(HTTPTransport(driver_of(face)), Endpoint(f"{server.url}/api", {})))
        sandbox = await client.get("sb-1")
        async with await sandbox.process.connect_pty_session("stays") as terminal:
            begun = time.monotonic()
            assert (await terminal.wait(timeout=TIMEOUT)).exit_code is None
            assert time.monotonic() - begun < TIMEOUT + SLACK
        await client.close()
