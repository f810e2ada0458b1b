"""One step of a build, in a sandbox of its own: what the sandbox has written when it ends is the step's layer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import msgspec

from daytona_plugins.local.images.layers import forget
from daytona_plugins.local.platform.agent_connection import AgentConnection, AgentGoneError, AgentPool
from daytona_plugins.local.runtime.runner import SpawnError, remove_tree
from daytona_plugins.local.runtime.spec import SandboxSpec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from pathlib import Path

    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.layers import Layers
    from daytona_plugins.local.runtime.spec import Mount, Network


class StepError(Exception):
    """A step could not be done; the text says why."""


class Running(Protocol):
    """A sandbox that has processes."""

    @property
    def socket_path(self) -> Path:
        """Where its agent listens."""
        ...

    async def stop(self, *, grace: float) -> None:
        """End all of its processes."""
        ...


class Driver(Protocol):
    """Whatever makes sandboxes run."""

    async def spawn(self, spec: SandboxSpec) -> Running:
        """Return a sandbox in which commands can be executed."""
        ...


class Workshop:
    """Makes sandboxes for steps, and layers of what they leave."""

    def __init__(self, driver: Driver, layers: Layers) -> None:
        self.layers = layers
        self._driver = driver
        # A lock is there for as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def layer(
        self, image: Image, name: str, *, mounts: Sequence[Mount] = (), network: Network = "host"
    ) -> AsyncGenerator[Step]:
        """Open a sandbox over *image*; when the block ends well, what was written in it is the layer *name*."""
        draft = self.layers.draft()
        try:
            async with self._sandbox(image, draft, mounts, network) as step:
                yield step
            for path in step.passing:
                forget(draft, path)
            await self.layers.keep(draft, name)
        finally:
            await remove_tree(draft)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncGenerator[None]:
        """Wait until nobody else makes the layer *name*, which may be there then; one build at a time is in the block."""
        async with self._locks.setdefault(f"layer {name}", asyncio.Lock()):
            yield

    @asynccontextmanager
    async def look_into(self, image: Image) -> AsyncGenerator[Step]:
        """Open a sandbox over *image*; what is written in it is lost."""
        draft = self.layers.draft()
        try:
            async with self._sandbox(image, draft) as step:
                yield step
        finally:
            await remove_tree(draft)

    @asynccontextmanager
    async def directory(self) -> AsyncGenerator[Path]:
        """Make an empty directory for as long as the block runs."""
        draft = self.layers.draft()
        draft.mkdir(mode=0o755)
        try:
            yield draft
        finally:
            await remove_tree(draft)

    @asynccontextmanager
    async def cache(self, name: str, *, shared: bool) -> AsyncGenerator[Path]:
        """Open the directory of a cache; unless it is *shared*, for one step at a time."""
        directory = self.layers.cache(name)
        lock = self._locks.setdefault(f"cache {name}", asyncio.Lock())
        async with nullcontext() if shared else lock:
            yield directory

    @asynccontextmanager
    async def _sandbox(
        self, image: Image, draft: Path, mounts: Sequence[Mount] = (), network: Network = "host"
    ) -> AsyncGenerator[Step]:
        spec = SandboxSpec(
            id=f"build-{draft.name}",
            hostname="build",
            upper=str(draft),
            base=image.base,
            layers=self.layers.paths_of(image.layers),
            mounts=tuple(mounts),
            network=network,
        )
        try:
            running = await self._driver.spawn(spec)
        except (SpawnError, OSError, TimeoutError) as error:
            raise StepError(f"the sandbox for this step could not be built: {error}") from error
        try:
            yield Step(running.socket_path)
        except AgentGoneError as error:
            raise StepError("the sandbox of this step ended before it was done") from error
        finally:
            await running.stop(grace=0)


class Step:
    """What can be done in the sandbox of a step."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self.passing: list[str] = []
        """Paths that are there for this step only, and no part of its layer."""

    async def run(
        self,
        command: list[str],
        *,
        cwd: str,
        env: dict[str, str],
        user: str,
        output: Callable[[bytes], None],
        script: str = "",
    ) -> int:
        """Return the exit code of a command, or of a *script*; what it prints goes to *output* as it comes."""
        body = msgspec.json.encode(
            {"command": command, "cwd": cwd, "env": env, "user": user, "script": script}
        )
        async with self._exchange("POST", "/build/run", [body]) as (connection, _):
            while piece := await connection.receive_body():
                output(piece)
        async with self._exchange("GET", "/build/result") as (connection, _):
            return int(msgspec.json.decode(await _whole_body(connection), type=dict[str, int])["exitCode"])

    async def unpack(
        self,
        archive: AsyncIterator[bytes],
        path: str,
        *,
        single: bool,
        open_archives: bool = False,
        chown: str = "",
        chmod: str = "",
    ) -> str:
        """Put the files of a tar archive below *path*; a single file may get the name *path* itself.

        Return where that is, all links followed.
        """
        flags = {"file": "1" * single, "archives": "1" * open_archives, "chown": chown, "chmod": chmod}
        target = f"/build/unpack?{urlencode({'path': path} | flags)}"
        async with self._exchange("POST", target, archive) as (connection, _):
            return str(msgspec.json.decode(await _whole_body(connection), type=dict[str, str])["path"])

    @asynccontextmanager
    async def pack(self, paths: tuple[str, ...]) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool]]:
        """Open a tar archive of *paths*, with whether it is one file."""
        query = urlencode([("path", path) for path in paths])
        async with self._exchange("GET", f"/build/pack?{query}") as (connection, headers):
            yield _pieces(connection), headers.get("x-single-file") == "1"

    @asynccontextmanager
    async def _exchange(
        self, method: str, target: str, body: AsyncIterator[bytes] | list[bytes] | None = None
    ) -> AsyncGenerator[tuple[AgentConnection, dict[str, str]]]:
        connection = await AgentPool().connect(self._socket_path)
        try:
            framing = [("Transfer-Encoding", "chunked")] if body is not None else []
            await connection.send_head(method, target, [("Host", "agent"), *framing])
            if isinstance(body, list):
                for piece in body:
                    await connection.send_body(piece)
            elif body is not None:
                async for piece in body:
                    await connection.send_body(piece)
            await connection.end_request()
            status, lines = await connection.receive_head()
            if status >= 400:
                raise StepError(_message(await _whole_body(connection)))
            yield connection, {name.lower(): value for name, value in lines}
        finally:
            connection.close()


async def _whole_body(connection: AgentConnection) -> bytes:
    return b"".join([piece async for piece in _pieces(connection)])


async def _pieces(connection: AgentConnection) -> AsyncGenerator[bytes, None]:
    while piece := await connection.receive_body():
        yield piece


def _message(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, object])["message"]).removeprefix("bad request: ")
    except (msgspec.DecodeError, KeyError):
        return body.decode("utf-8", "replace")
