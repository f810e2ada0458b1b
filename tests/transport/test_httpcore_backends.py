"""Network backends of httpcore in place of our own sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore
import pytest

from daytona import DaytonaConfig, DaytonaConnectionError
from tests.conftest import open_client

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{"id":"x","name":"mock"}'
)


def real_backend(face: str) -> httpcore.NetworkBackend | httpcore.AsyncNetworkBackend:
    if face == "blocking":
        return httpcore.SyncBackend()
    made: Any = (
        httpcore.AnyIOBackend() if face == "asyncio" else httpcore.TrioBackend()
    )  # or what says: not installed
    return made


async def test_the_real_backends_reach_the_platform(face: str, platform: Platform) -> None:
    endpoint = platform.endpoint
    config = DaytonaConfig(
        api_key=endpoint.api_key, api_url=endpoint.api_url, network_backend=real_backend(face)
    )
    async with open_client(face, config) as daytona, await daytona.create() as sandbox:
        for _ in range(3):
            assert (await sandbox.process.exec("echo through httpcore")).result == "through httpcore\n"
        await sandbox.fs.upload_file(b"x" * 300_000, "large")
        assert len(await sandbox.fs.download_file("large")) == 300_000


async def test_a_mock_answers_what_it_was_given(face: str) -> None:
    mock = httpcore.MockBackend if face == "blocking" else httpcore.AsyncMockBackend
    config = DaytonaConfig(api_key="k", api_url="http://nowhere.example/api", network_backend=mock([ANSWER]))
    async with open_client(face, config) as daytona:
        assert (await daytona.get("x")).name == "mock"


async def test_a_port_that_nobody_listens_on_is_a_connection_error(face: str) -> None:
    config = DaytonaConfig(api_key="k", api_url="http://127.0.0.1:9/api", network_backend=real_backend(face))
    async with open_client(face, config) as daytona:
        with pytest.raises(DaytonaConnectionError, match="Cannot connect"):
            await daytona.get("x")
