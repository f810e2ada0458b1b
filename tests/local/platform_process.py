"""A real platform for tests: its own process, its own directory, nothing left behind."""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from daytona_plugins.local.launch import PlatformEndpoint, connect, find
from daytona_plugins.local.paths import Paths
from daytona_plugins.local.platform.ending import end
from daytona_plugins.local.platform.snapshot_store import SnapshotStore
from daytona_plugins.local.platform.snapshots import COOLDOWN
from tests.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


class Platform:
    """A directory in which a platform runs, is killed, and runs again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.paths = Paths(directory / "data", directory / "run")
        self.endpoint = self.start()

    def start(self) -> PlatformEndpoint:
        """Start a platform here, or join the one that runs."""
        with self.environment():
            self.endpoint = connect()
        return self.endpoint

    @contextmanager
    def environment(self) -> Generator[None]:
        """Make this the platform that a program without a key finds."""
        with mock.patch.dict(os.environ, {"DAYTONA_LOCAL_DIR": str(self.directory)}):
            yield

    @property
    def variables(self) -> dict[str, str]:
        """What a child process needs to find this platform and nothing else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DAYTONA_")}
        return kept | {"DAYTONA_LOCAL_DIR": str(self.directory)}

    def call(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request with the key, over a connection of its own."""
        address = self.endpoint.api_url.split("/")[2]
        connection = http.client.HTTPConnection(address, timeout=60)
        sent = {"Authorization": f"Bearer {self.endpoint.api_key}", **(headers or {})}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request to the REST API."""
        return self.call(method, f"/api{path}", body)

    def execute(self, sandbox_id: str, command: str) -> Any:
        """Run a command in a sandbox."""
        return self.call("POST", f"/toolbox/{sandbox_id}/process/execute", {"command": command}).json

    def create(self, **body: object) -> Any:
        """Make a sandbox."""
        answer = self.api("POST", "/sandbox", body)
        assert answer.status == 200, answer.body
        return answer.json

    def let_rest(self, snapshot_id: str) -> None:
        """Let a snapshot be as if it had not changed for ten minutes, after which it can be activated again."""
        with closing(SnapshotStore(self.paths.database)) as store:
            record = store.get(snapshot_id)
            assert record is not None
            store.change(snapshot_id, updated_at=record.updated_at - COOLDOWN)

    def delete_all(self) -> None:
        """Leave no sandbox to the next test; one that has forks goes after them."""
        query = "limit=200&includeErroredDeleted=true&sort=createdAt"
        for item in self.api("GET", f"/sandbox?{query}").json["items"]:
            self.api("DELETE", f"/sandbox/{item['id']}")

    def stop(self) -> None:
        """End the platform, if it runs, and see that nothing is left."""
        endpoint = find(self.paths)
        if endpoint is not None:
            ended = end(endpoint, self.paths)
            assert ended.clean, ended


@contextmanager
def running_platform() -> Generator[Platform]:
    """Run a platform in a new directory."""
    with short_directory() as directory:
        platform = Platform(directory)
        try:
            yield platform
        finally:
            platform.stop()


def children_of(pid: int) -> list[int]:
    """Return the children of a process; none when it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def agents_of(zygote: int) -> list[int]:
    """Return the sandboxes among the children of a zygote; another child may be becoming one."""
    return [pid for pid in children_of(zygote) if command_line(pid).startswith(b"daytona-agent")]


def command_line(pid: int) -> bytes:
    """Return what `ps` shows of a process; nothing when it is gone."""
    return _read(f"/proc/{pid}/cmdline")


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def wait_for_end(descriptors: list[int], seconds: float = 20) -> bool:
    """Return whether all processes behind these pidfds end in time; closes them."""
    try:
        return all(select.select([descriptor], [], [], seconds)[0] for descriptor in descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@contextmanager
def short_directory() -> Generator[Path]:
    """Make a directory whose name is short enough for Unix sockets in it, unlike those of pytest."""
    directory = Path(tempfile.mkdtemp(prefix="dt-", dir="/tmp"))
    try:
        yield directory
    finally:
        for kept in directory.rglob("work"):
            if kept.is_dir() and not kept.is_symlink():
                kept.chmod(0o700)  # the kernel leaves directories of mode 000 there
        shutil.rmtree(directory)
