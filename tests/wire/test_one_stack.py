"""Everything goes through one network stack: one connector, one pool, one limit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from daytona.models.sandbox import SandboxData
from daytona.protocols.rest import Endpoint
from daytona.service import Api
from daytona.services.client import AsyncClient
from daytona.transport.http import HTTPTransport
from tests.transport.worlds import driver_of, together

from .every_method import methods, perform, sandbox_of, target_of
from .obliging_server import ObligingServer

if TYPE_CHECKING:
    from pathlib import Path

    from daytona.protocols.pool import Origin
    from daytona.transport._driver import Driver


class CountingDriver:
    """A driver that counts the connections it makes."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.connections = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def connect(self, origin: Origin, timeout: float | None) -> Any:
        self.connections += 1
        return await self._inner.connect(origin, timeout)


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
async def test_every_method_connects_through_the_same_driver(face: str, tmp_path: Path) -> None:
    """R-6: REST, WebSockets, files and build contexts; the server sees no connection that the driver did not make."""
    driver = CountingDriver(driver_of(face))
    with ObligingServer() as server:
        for method in methods():
            client = AsyncClient(
                Api(HTTPTransport(cast("Driver", driver)), Endpoint(f"{server.url}/api", {}))
            )
            sandbox = sandbox_of(client, method, server.url)
            target = await target_of(client, sandbox, method)
            before = driver.connections
            await perform(target, method, method.arguments(sandbox, tmp_path))
            assert driver.connections - before <= 2, f"{method} does not keep its connections"
            await client.close()
        assert server.connections == driver.connections > 100


async def test_five_hundred_sandboxes_are_used_at_once(face: str) -> None:
    """R-1: no call fails because there are many; there are never more connections than the limit."""
    calls, limit = (500, 100) if face != "blocking" else (100, 20)  # a thread for each call
    with ObligingServer() as server:
        transport = HTTPTransport(driver_of(face), limit=limit)
        client = AsyncClient(Api(transport, Endpoint(f"{server.url}/api", {})))
        sandboxes = [
            client._handle(SandboxData(id=f"sb-{n}", toolbox_proxy_url=f"{server.url}/toolbox"))
            for n in range(calls)
        ]
        results = await together(face, *(partial(sandbox.process.exec, "true") for sandbox in sandboxes))
        assert [result.exit_code for result in results] == [0] * calls
        assert server.connections <= limit
        await client.close()
