from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local import connect
from daytona_plugins.local.launch import AlreadyRunningError, find, hold
from daytona_plugins.local.paths import Paths, UnsafePathError
from daytona_plugins.local.platform.ending import with_descendants
from tests.local.platform_process import Platform, running_platform, short_directory, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

CONNECT = "from daytona_plugins.local import connect; e = connect(); print(e.pid, e.started, e.api_url)"


@pytest.fixture(scope="module")
def platform() -> Generator[Platform]:
    with running_platform() as platform:
        yield platform


def at(directory: Path) -> AbstractContextManager[object]:
    """Let a program without a key look for its platform in *directory*."""
    return mock.patch.dict(os.environ, {"DAYTONA_LOCAL_DIR": str(directory)})


@pytest.fixture
def directory() -> Generator[Path]:
    with short_directory() as directory:
        yield directory


def test_a_platform_is_started_once_and_then_joined(platform: Platform) -> None:
    with platform.environment():
        again = connect()
    assert (again.pid, again.started) == (platform.endpoint.pid, False)
    assert again.api_url.startswith("http://127.0.0.1:")
    assert again.api_url.endswith("/api")


def test_a_notice_names_isolation_and_process_and_not_the_key(platform: Platform) -> None:
    endpoint = platform.endpoint
    assert "namespace" in endpoint.notice
    assert str(endpoint.pid) in endpoint.notice
    assert endpoint.api_key not in endpoint.notice + repr(endpoint)


def test_only_the_owner_can_read_the_key(platform: Platform) -> None:
    for file in (platform.paths.endpoint_file, platform.paths.key_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(platform.paths.runtime.stat().st_mode) == 0o700


def test_the_platform_is_nobodys_child_and_has_nothing_of_its_starter_open(platform: Platform) -> None:
    pid = platform.endpoint.pid
    assert os.getsid(pid) == pid
    assert pid not in [process.pid for process in with_descendants(os.getpid())]
    ours = {
        os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if int(number) < 3
    }
    theirs = {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    assert not {name for name in ours if name.startswith("pipe:")} & theirs


def test_programs_that_start_at_the_same_time_share_one_platform() -> None:
    with running_platform() as platform:
        platform.stop()
        starters = [
            subprocess.Popen([sys.executable, "-c", CONNECT], env=platform.variables, stdout=subprocess.PIPE)
            for _ in range(5)
        ]
        answers = [starter.communicate(timeout=60)[0].split() for starter in starters]
        assert len({pid for pid, _, _ in answers}) == 1
        assert [started for _, started, _ in answers].count(b"True") == 1


def test_an_endpoint_that_nobody_serves_any_more_is_ignored(platform: Platform, directory: Path) -> None:
    stale = Paths(directory / "data", directory / "run")
    stale.make()
    told = json.loads(platform.paths.endpoint_file.read_bytes())
    stale.endpoint_file.write_text(json.dumps(told | {"url": "http://127.0.0.1:1/api"}))
    assert find(stale) is None


def test_somebody_elses_server_on_the_old_port_is_ignored(platform: Platform, directory: Path) -> None:
    stale = Paths(directory / "data", directory / "run")
    stale.make()
    told = json.loads(platform.paths.endpoint_file.read_bytes())
    stale.endpoint_file.write_text(json.dumps(told | {"key": "dtn_another"}))
    assert find(stale) is None


def test_a_platform_whose_directory_was_removed_ends() -> None:
    with running_platform() as platform:
        platform.create()
        family = [os.pidfd_open(process.pid) for process in with_descendants(platform.endpoint.pid)]
        shutil.rmtree(platform.directory / "run")
        assert wait_for_end(family)


def test_what_hinders_the_platform_is_told_to_the_program(directory: Path) -> None:
    data = directory / "data"
    data.mkdir()
    (data / "platform.db").write_text("this is no database, and longer than its header would be " * 9)
    with at(directory), pytest.raises(DaytonaLocalPlatformError, match="database"):
        connect()


def test_a_directory_whose_name_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with at(tmp_path / ("x" * 90)), pytest.raises(DaytonaLocalPlatformError, match="too long"):
        connect()


def test_other_systems_get_a_typed_error() -> None:
    with (
        mock.patch.object(sys, "platform", "win32"),
        pytest.raises(DaytonaLocalPlatformError, match="needs Linux") as caught,
    ):
        connect()
    assert caught.value.remedy is not None


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("/tmp")
    with pytest.raises(UnsafePathError, match="not a directory of your own"):
        Paths(tmp_path / "data", tmp_path / "run").make()


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    def take() -> AbstractContextManager[None]:
        return hold(tmp_path / "lock", patience=0)

    with take(), pytest.raises(AlreadyRunningError), take():
        pass
    with take():
        pass


def test_connecting_loads_neither_event_loops_nor_threads() -> None:
    program = (
        "import sys; import daytona_plugins.local;"
        "print([name for name in ('asyncio', 'threading', 'subprocess', 'sqlite3', 'h11') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, cwd=os.getcwd()
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environ", "data", "runtime"),
    [
        ({"DAYTONA_LOCAL_DIR": "/d"}, "/d/data", "/d/run"),
        ({"XDG_DATA_HOME": "/x", "XDG_RUNTIME_DIR": "/r"}, "/x/daytona", "/r/daytona"),
    ],
)
def test_the_environment_says_where_things_are(environ: dict[str, str], data: str, runtime: str) -> None:
    paths = Paths.from_environment(environ)
    assert (str(paths.data), str(paths.runtime)) == (data, runtime)
