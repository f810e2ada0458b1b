"""The blocking face: no loop, no threads, no asyncio; inside any loop and from any number of threads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from daytona import Daytona, DaytonaConfig, DaytonaTimeoutError
from daytona.transport._step import SuspendedError, step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.platform_process import Platform

PROJECT = Path(__file__).parents[2]

EVERYTHING = """
import signal, sys, threading
sys.path.insert(0, {project!r})
alarm = signal.getsignal(signal.SIGALRM)
from daytona import *

def check(what):
    loops = {{name for name in sys.modules if name.partition(".")[0] in ("asyncio", "anyio", "trio", "sniffio")}}
    assert not loops, (what, sorted(loops))
    assert threading.enumerate() == [threading.main_thread()], (what, threading.enumerate())
    assert signal.getsignal(signal.SIGALRM) is alarm, what
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), what

check("import")
with Daytona(DaytonaConfig(api_key={key!r}, api_url={url!r})) as daytona:
    check("construction")
    with daytona.create(CreateSandboxFromSnapshotParams(labels={{"a": "b"}})) as sandbox:
        check("create")
        for what, call in {{
            "get": lambda: daytona.get(sandbox.id),
            "list": lambda: list(daytona.list(ListSandboxesQuery(limit=1))),
            "find_one": lambda: daytona.find_one(labels={{"a": "b"}}),
            "refresh": lambda: sandbox.refresh_data(),
            "labels": lambda: sandbox.set_labels({{"c": "d"}}),
            "interval": lambda: sandbox.set_autostop_interval(5),
            "exec": lambda: sandbox.process.exec("echo x", timeout=20),
            "code_run": lambda: sandbox.process.code_run("print(1)"),
            "folder": lambda: sandbox.fs.create_folder("d", "755"),
            "upload": lambda: sandbox.fs.upload_files([FileUpload(b"1", "d/1"), FileUpload({file!r}, "d/2")]),
            "list_files": lambda: sandbox.fs.list_files("d"),
            "find": lambda: sandbox.fs.find_files("d", "1"),
            "download": lambda: sandbox.fs.download_file("d/1"),
            "download to a path": lambda: sandbox.fs.download_file("d/2", {copy!r}),
            "metrics": lambda: sandbox.get_metrics_latest(),
            "stop": lambda: sandbox.stop(),
            "start": lambda: sandbox.start(),
            "wait": lambda: sandbox.wait_for_sandbox_start(),
        }}.items():
            call()
            check(what)
        try:
            sandbox.process.exec("sleep 78", timeout=0.2)
        except DaytonaTimeoutError:
            check("timeout")
    check("delete")
check("close")
print("clean")
"""


@pytest.fixture
def config(platform: Platform) -> DaytonaConfig:
    return DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)


@pytest.fixture
def client(config: DaytonaConfig) -> Iterator[Daytona]:
    with Daytona(config) as made:
        yield made


def test_no_call_starts_a_loop_or_a_thread_or_a_timer(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"local")
    program = EVERYTHING.format(
        project=str(PROJECT),
        key=platform.endpoint.api_key,
        url=platform.endpoint.api_url,
        file=str(tmp_path / "file"),
        copy=str(tmp_path / "copy"),
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=platform.variables, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "clean\n", "")


def test_it_works_inside_a_running_asyncio_loop(client: Daytona, shared_id: str) -> None:
    async def notebook_cell() -> str:
        ids = [sandbox.id for sandbox in client.list()]
        assert shared_id in ids
        return client.get(shared_id).process.exec("echo in a loop").result

    assert asyncio.run(notebook_cell()) == "in a loop\n"


def test_it_works_inside_a_trio_task(client: Daytona, shared_id: str) -> None:
    async def task() -> str:
        return client.get(shared_id).process.exec("echo in trio").result

    assert trio.run(task) == "in trio\n"


def test_thirty_two_threads_share_one_client(client: Daytona, shared_id: str, folder: str) -> None:
    sandbox = client.get(shared_id)
    begin = threading.Barrier(32)

    def work(number: int) -> bool:
        begin.wait()
        for turn in range(4):
            text = f"{number}-{turn}"
            assert sandbox.process.exec(f"echo {text}").result == f"{text}\n"
            sandbox.fs.upload_file(text.encode(), f"{folder}/{text}")
            assert sandbox.fs.download_file(f"{folder}/{text}") == text.encode()
        return True

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(work, range(32)))
    assert len(sandbox.fs.list_files(folder)) == 128


def test_more_threads_than_connections_take_turns(config: DaytonaConfig, shared_id: str) -> None:
    config.connection_pool_maxsize = 2
    with Daytona(config) as client, ThreadPoolExecutor(16) as pool:
        sandbox = client.get(shared_id)
        answers = list(pool.map(lambda n: sandbox.process.exec(f"sleep 0.05; echo {n}").result, range(16)))
    assert answers == [f"{n}\n" for n in range(16)]


def test_a_deadline_belongs_to_one_thread(client: Daytona, shared_id: str) -> None:
    sandbox = client.get(shared_id)
    with ThreadPoolExecutor(2) as pool:
        short = pool.submit(sandbox.process.exec, "sleep 79", timeout=0.3)
        long = pool.submit(sandbox.process.exec, "sleep 1; echo long", timeout=30)
        with pytest.raises(DaytonaTimeoutError):
            short.result()
        assert long.result().result == "long\n"


def test_a_list_left_early_is_closed(client: Daytona) -> None:
    with client.create(), client.list() as listed:
        assert next(listed).id
    with pytest.raises(StopIteration):
        next(listed)


def test_a_core_that_needs_a_loop_is_found_out() -> None:
    async def foreign() -> None:
        await trio.lowlevel.checkpoint()

    async def bare() -> None:
        await asyncio.sleep(0)

    with pytest.raises(SuspendedError, match="in sleep"):
        step(bare())
    with pytest.raises(RuntimeError):
        step(foreign())
