"""Directories of the host inside a sandbox, built by the real runner."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.runtime.runner import Runner, SandboxSpec, SpawnError
from daytona_plugins.local.runtime.spec import Mount
from tests.local.conftest import Agent, LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.runtime.runner import RunningSandbox

    Spawn = Callable[..., tuple[Agent, RunningSandbox]]


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.close()


@pytest.fixture
def spawn(paths: Paths, thread: LoopThread) -> Iterator[Spawn]:
    """Return a function that starts a sandbox with mounts."""
    try:
        runner: Runner = thread.run(Runner.start(paths))
    except DaytonaLocalPlatformError as error:
        pytest.skip(str(error))

    def started(name: str, *mounts: Mount) -> tuple[Agent, RunningSandbox]:
        spec = SandboxSpec(id=name, hostname=name, upper=str(paths.sandbox(name)), mounts=mounts)
        sandbox: RunningSandbox = thread.run(runner.spawn(spec))
        return Agent(sandbox.socket_path), sandbox

    yield started
    thread.run(runner.close())


@pytest.fixture
def volume(paths: Paths) -> Path:
    made = paths.data / "volume"
    made.mkdir()
    return made


def test_two_sandboxes_share_a_directory(spawn: Spawn, volume: Path) -> None:
    one, _ = spawn("one", Mount(source=str(volume), target="/data/deep"))
    two, _ = spawn("two", Mount(source=str(volume), target="/shared"))
    one.run("echo hello > /data/deep/file")
    assert two.run("cat /shared/file") == "hello\n"
    assert (volume / "file").read_text() == "hello\n"
    assert two.run("stat -c %u /shared/file") == "0\n"


def test_a_part_of_a_directory_is_made_and_is_all_there_is(spawn: Spawn, volume: Path) -> None:
    (volume / "secret").write_text("x")
    agent, _ = spawn("one", Mount(source=str(volume), target="/data", subpath="a/b"))
    agent.run("echo hello > /data/file")
    assert (volume / "a" / "b" / "file").read_text() == "hello\n"
    assert agent.run("ls /data /data/..").split().count("secret") == 0


def test_mounts_may_lie_in_each_other(spawn: Spawn, volume: Path) -> None:
    inner = Mount(source=str(volume), target="/data/in", subpath="b")
    outer = Mount(source=str(volume), target="/data", subpath="a")
    agent, _ = spawn("one", inner, outer)
    agent.run("touch /data/1 /data/in/2")
    assert (volume / "a" / "1").exists()
    assert (volume / "b" / "2").exists()


def test_a_link_in_a_volume_leads_nowhere(spawn: Spawn, volume: Path, paths: Paths) -> None:
    outside = paths.data / "outside"
    outside.mkdir()
    (volume / "link").symlink_to(outside)
    with pytest.raises(SpawnError):
        spawn("one", Mount(source=str(volume), target="/data", subpath="link/deeper"))
    assert list(outside.iterdir()) == []


def test_a_link_in_a_sandbox_cannot_move_the_target_out(
    spawn: Spawn, volume: Path, paths: Paths, thread: LoopThread
) -> None:
    outside = paths.data / "outside"
    outside.mkdir()
    agent, sandbox = spawn("one")
    agent.run(f"mkdir -p /a {outside} && ln -s {outside} /a/link")
    thread.run(sandbox.stop(grace=0))
    agent, _ = spawn("one", Mount(source=str(volume), target="/a/link/data"))
    agent.run(f"touch {outside}/data/file")
    assert list(outside.iterdir()) == []
    assert os.listdir(volume) == ["file"]


def test_a_mount_grants_no_devices_and_no_set_user_id(spawn: Spawn, volume: Path) -> None:
    agent, _ = spawn("one", Mount(source=str(volume), target="/data"))
    options = agent.run("grep ' /data ' /proc/self/mountinfo").split()[5].split(",")
    assert {"nosuid", "nodev", "rw"} <= {*options}


def test_what_is_not_there_cannot_be_mounted(spawn: Spawn, volume: Path) -> None:
    with pytest.raises(SpawnError):
        spawn("one", Mount(source=f"{volume}/none", target="/data"))
