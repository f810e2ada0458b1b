"""Sandboxes without processes: each is a small server in the test's own event loop, and does what the test says."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from daytona_plugins.local import web
from daytona_plugins.local.paths import Paths
from daytona_plugins.local.platform.sandboxes import Sandboxes
from daytona_plugins.local.platform.store import Store
from daytona_plugins.local.runtime.runner import SpawnError
from daytona_plugins.local.runtime.spec import Isolation, Limits
from tests.local.platform_process import short_directory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from daytona_plugins.local.runtime.spec import SandboxSpec


class FakeSandbox:
    """A sandbox that lives until it is stopped or told to die."""

    pid: int | None = None
    isolation = Isolation(tier="fake", network="none", limits={}, notes=[])
    watched = Limits()
    way_out = None

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path
        self.graces: list[float] = []
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve(self, listener: socket.socket, app: web.Handler) -> None:
        self._server = await web.serve(listener, app)

    async def stop(self, *, grace: float) -> None:
        self.graces.append(grace)
        await self.die(-9)

    def limit(self, limits: Limits) -> None:
        self.watched = limits

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def die(self, status: int) -> None:
        await self._server.close()
        if not self._ended.done():
            self._ended.set_result(status)


class FakeDriver:
    """Serves `app` in every sandbox; waits for `gate` before each, and fails while `trouble` is set.

    With a `status`, that is all that every sandbox answers.
    """

    def __init__(self, paths: Paths, app: web.Handler) -> None:
        self.paths = paths
        self.app = app
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble: str | None = None
        self.status: int | None = None
        self.spawned: list[str] = []
        self.sandboxes: dict[str, FakeSandbox] = {}

    async def spawn(self, spec: SandboxSpec) -> FakeSandbox:
        await self.gate.wait()
        if self.trouble:
            raise SpawnError(self.trouble)
        path = self.paths.agent_socket(spec.id)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        self.spawned.append(spec.id)
        sandbox = self.sandboxes[spec.id] = FakeSandbox(path)
        await sandbox.serve(listener, self._answer)
        return sandbox

    async def _answer(self, request: web.Request) -> web.Response:
        return web.Response(self.status) if self.status else await self.app(request)


async def hello(_request: web.Request) -> web.Response:
    """Answer everything."""
    return web.text_response("hello")


@asynccontextmanager
async def fake_sandboxes(
    app: web.Handler = hello, clock: Callable[[], float] = lambda: 0.0, *, parked: int = 0
) -> AsyncGenerator[tuple[Sandboxes, FakeDriver]]:
    """Open all of the platform that is above its driver."""
    with short_directory() as directory:
        paths = Paths(directory / "data", directory / "run")
        paths.make()
        store = Store(paths.database)
        driver = FakeDriver(paths, app)
        sandboxes = Sandboxes(store, driver, paths, clock=clock, parked=parked)
        await sandboxes.open()
        try:
            yield sandboxes, driver
        finally:
            driver.gate.set()
            await sandboxes.close()
            store.close()
