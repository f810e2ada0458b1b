"""A real sandbox for the tests, and a plain HTTP client for its agent."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import tempfile
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.paths import Paths
from daytona_plugins.local.runtime.runner import Runner, RunningSandbox, SandboxSpec, remove_tree
from tests.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Agent:
    """The agent of one sandbox, asked over its socket."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def request(
        self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        with contextlib.closing(UnixConnection(self.path)) as connection:
            connection.request(method, target, data, {"X-Daytona-SDK-Version": "0.226.1", **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, target: str, **query: str) -> Answer:
        return self.request("GET", f"{target}?{urlencode(query)}")

    def post(self, target: str, body: Any = None, **query: str) -> Answer:
        return self.request("POST", f"{target}?{urlencode(query)}" if query else target, body)

    def delete(self, target: str, **query: str) -> Answer:
        return self.request("DELETE", f"{target}?{urlencode(query)}")

    def run(self, command: str, **fields: Any) -> str:
        """Return what a command printed."""
        answer = self.post("/process/execute", {"command": command, **fields})
        assert answer.status == 200, answer
        return str(answer.json["result"])

    def write(self, path: str, content: bytes) -> None:
        assert self.request("POST", f"/files/upload-v2?{urlencode({'path': path})}", content).status == 200

    def read(self, path: str) -> bytes:
        answer = self.get("/files/download", path=path)
        assert answer.status == 200, answer
        return answer.body


class LoopThread:
    """An event loop in a thread, for tests that talk to something running in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, daemon=True
        )  # a failed fixture must not hang the run
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextlib.contextmanager
def temporary_paths() -> Iterator[Paths]:
    """Yield paths short enough for Unix sockets."""
    base = Path(tempfile.mkdtemp(prefix="dt-"))
    paths = Paths(base / "data", base / "run")
    paths.make()
    try:
        yield paths
    finally:
        asyncio.run(remove_tree(base))  # a test that failed leaves directories that only this removes


@pytest.fixture
def paths() -> Iterator[Paths]:
    with temporary_paths() as made:
        yield made


@pytest.fixture(scope="session")
def agent() -> Iterator[Agent]:
    """The agent of a sandbox that all tests of a run share; use a folder of your own."""
    with temporary_paths() as made:
        thread = LoopThread()
        try:
            runner: Runner = thread.run(Runner.start(made))
        except DaytonaLocalPlatformError as error:
            thread.close()
            if error.cause is None:  # not this machine is at fault, but we are
                raise
            pytest.skip(str(error))
        try:
            spec = SandboxSpec(
                id="shared", hostname="shared", upper=str(made.sandbox("shared")), env={"FROM_SPEC": "1"}
            )
            sandbox: RunningSandbox = thread.run(runner.spawn(spec))
            yield Agent(sandbox.socket_path)
        finally:
            thread.run(runner.close())
            thread.run(remove_tree(made.sandbox("shared")))
            thread.close()


@pytest.fixture
def folder(agent: Agent) -> str:
    """A fresh directory, relative to the work dir."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    assert agent.post("/files/folder", path=name).status == 201
    return name
