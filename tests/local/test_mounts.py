"""Directories of the host inside a sandbox, built by the real runner."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.runtime.runner import Runner, SandboxSpec, SpawnError, remove_tree
from daytona_plugins.local.runtime.spec import Mount
from tests.local.conftest import Agent, LoopThread, temporary_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.runtime.runner import RunningSandbox


class Host:
    """A runner of sandboxes, and a directory to mount that no other test uses."""

    def __init__(self, paths: Paths, thread: LoopThread, runner: Runner) -> None:
        self.paths = paths
        self.volume = paths.data / uuid.uuid4().hex
        self.volume.mkdir()
        self._thread = thread
        self._runner = runner
        self._names: dict[str, str] = {}
        self._running: dict[str, RunningSandbox] = {}

    def spawn(self, name: str, *mounts: Mount) -> Agent:
        own = self._names.setdefault(name, uuid.uuid4().hex[:12])
        spec = SandboxSpec(id=own, hostname=own, upper=str(self.paths.sandbox(own)), mounts=mounts)
        self._running[name] = self._thread.run(self._runner.spawn(spec))
        return Agent(self._running[name].socket_path)

    def stop(self, name: str) -> None:
        self._thread.run(self._running.pop(name).stop(grace=0))

    def stop_all(self) -> None:
        for name in list(self._running):
            self.stop(name)

    def mount(self, target: str, subpath: str = "") -> Mount:
        return Mount(source=str(self.volume), target=target, subpath=subpath)


@pytest.fixture(scope="module")
def runner() -> Iterator[tuple[Paths, LoopThread, Runner]]:
    thread = LoopThread()
    with temporary_paths() as paths:
        try:
            started: Runner = thread.run(Runner.start(paths))
        except DaytonaLocalPlatformError as error:
            thread.close()
            pytest.skip(str(error))
        yield paths, thread, started
        thread.run(started.close())
        for layer in paths.sandboxes.iterdir():
            thread.run(remove_tree(layer))
    thread.close()


@pytest.fixture
def host(runner: tuple[Paths, LoopThread, Runner]) -> Iterator[Host]:
    made = Host(*runner)
    yield made
    made.stop_all()


def test_two_sandboxes_share_a_directory(host: Host) -> None:
    one = host.spawn("one", host.mount("/data/deep"))
    two = host.spawn("two", host.mount("/shared"))
    one.run("echo hello > /data/deep/file")
    assert two.run("cat /shared/file") == "hello\n"
    assert (host.volume / "file").read_text() == "hello\n"
    assert two.run("stat -c %u /shared/file") == "0\n"


def test_a_part_of_a_directory_is_made_and_is_all_there_is(host: Host) -> None:
    (host.volume / "secret").write_text("x")
    agent = host.spawn("one", host.mount("/data", "a/b"))
    agent.run("echo hello > /data/file")
    assert (host.volume / "a" / "b" / "file").read_text() == "hello\n"
    assert "secret" not in agent.run("ls /data /data/..").split()


def test_mounts_may_lie_in_each_other(host: Host) -> None:
    agent = host.spawn("one", host.mount("/data/in", "b"), host.mount("/data", "a"))
    agent.run("touch /data/1 /data/in/2")
    assert (host.volume / "a" / "1").exists()
    assert (host.volume / "b" / "2").exists()


def test_a_link_in_a_volume_leads_nowhere(host: Host) -> None:
    outside = host.paths.data / "outside"
    outside.mkdir()
    (host.volume / "link").symlink_to(outside)
    with pytest.raises(SpawnError):
        host.spawn("one", host.mount("/data", "link/deeper"))
    assert list(outside.iterdir()) == []


def test_a_link_in_a_sandbox_cannot_move_the_target_out(host: Host) -> None:
    elsewhere = host.paths.data / "elsewhere"
    elsewhere.mkdir()
    agent = host.spawn("one")
    agent.run(f"mkdir -p /a {elsewhere} && ln -s {elsewhere} /a/link")
    host.stop("one")
    agent = host.spawn("one", host.mount("/a/link/data"))
    agent.run(f"touch {elsewhere}/data/file")
    assert list(elsewhere.iterdir()) == []
    assert os.listdir(host.volume) == ["file"]


def test_a_mount_grants_no_devices_and_no_set_user_id(host: Host) -> None:
    agent = host.spawn("one", host.mount("/data"))
    options = agent.run("grep ' /data ' /proc/self/mountinfo").split()[5].split(",")
    assert {"nosuid", "nodev", "rw"} <= {*options}


def test_what_is_not_there_cannot_be_mounted(host: Host) -> None:
    with pytest.raises(SpawnError):
        host.spawn("one", Mount(source=f"{host.volume}/none", target="/data"))
