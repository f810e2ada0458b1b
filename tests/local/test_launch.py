from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local import connect, launch
from daytona_plugins.local.launch import AlreadyRunningError, find, hold
from daytona_plugins.local.paths import Paths, UnsafePathError
from daytona_plugins.local.platform.ending import with_descendants
from tests.local.platform_process import (
    Platform,
    children_of,
    running_platform,
    short_directory,
    wait_for_end,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

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


SECRET = "of-the-starter-alone-{}"


def test_nothing_in_the_environment_of_the_starter_reaches_the_zygote() -> None:
    """What it has in its memory, every sandbox has."""
    secret = SECRET.format(os.getpid())
    with mock.patch.dict(os.environ, {"SECRET": secret}), running_platform() as platform:
        pid = platform.endpoint.pid
        (zygote,) = children_of(pid)
        assert secret.encode() not in Path(f"/proc/{zygote}/environ").read_bytes()
        if os.getuid() == 0:  # some systems show the memory of a process to nobody else
            assert secret.encode() in _memory(pid)
            assert secret.encode() not in _memory(zygote)


def test_the_zygote_has_nothing_of_the_platform_open_but_the_log(platform: Platform) -> None:
    pid = platform.endpoint.pid
    (zygote,) = children_of(pid)
    assert os.getsid(zygote) == zygote
    assert _open_files(pid) & _open_files(zygote) == {"/dev/null", str(platform.paths.log_file)}
    assert not any(name.startswith(str(platform.paths.runtime)) for name in _open_files(zygote))


def _open_files(pid: int) -> set[str]:
    return {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}


def _memory(pid: int) -> bytes:
    """Return what a process has written, wherever that is."""
    found = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            begin, end = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw"):
                memory.seek(begin)
                found += memory.read(end - begin)
    return bytes(found)


def test_a_long_environment_reaches_the_platform(directory: Path) -> None:
    long = {"LONG": "x" * 1_000_000, "DAYTONA_LOCAL_PARKED": "nonsense"}
    with at(directory), mock.patch.dict(os.environ, long), pytest.raises(DaytonaLocalPlatformError) as caught:
        connect()
    assert "nonsense" in caught.value.message


def test_a_platform_ends_when_its_starter_does_so_too_early(directory: Path) -> None:
    paths = Paths(directory / "data", directory / "run")
    paths.make()
    environment, ours = socket.socketpair()
    reading, writing = os.pipe()
    with environment, open(writing, "wb"):
        first = launch._spawn(paths, environment.fileno(), writing)
    ours.close()
    with open(reading, "rb") as answer:
        assert "has ended" in json.loads(answer.read())["error"]
    os.waitpid(first, 0)
    with hold(paths.lock_file, patience=20):
        assert not paths.endpoint_file.exists()


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
    "begin",
    [
        "import daytona_plugins.local.platform.serving",
        "from daytona_plugins.local.runtime import zygote; zygote.warm_up()",
    ],
)
def test_a_platform_starts_without_what_few_of_its_requests_need(begin: str) -> None:
    late = (
        "importlib.metadata",
        "http.client",
        "daytona_plugins.local.images.resolve",
        "asyncssh",
        "cryptography",
    )
    program = f"import sys; {begin}; print([name for name in {late} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=os.getcwd()
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
