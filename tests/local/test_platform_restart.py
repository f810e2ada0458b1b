"""What a platform finds after the last one was killed: every sandbox, in a state that is true."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.launch import find
from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.ending import is_alive, mounts, with_descendants
from daytona_plugins.local.platform.states import ALLOWED, Desired, State
from daytona_plugins.local.platform.store import Store
from tests.local.platform_process import Platform, running_platform, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Generator

MOMENTS = range(1, 21) if os.environ.get("LONG_TESTS") else (1, 4, 7)
"""How many sandboxes are there when the platform is killed: as many times, none of their processes outlives it."""


@pytest.fixture
def platform() -> Generator[Platform]:
    with running_platform() as platform:
        yield platform


def kill(platform: Platform) -> None:
    """Kill the process as nothing can be prepared for, and wait until all of it is gone."""
    family = with_descendants(platform.endpoint.pid)
    descriptors: list[int] = []
    for process in family:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            descriptors.append(os.pidfd_open(process.pid))
    os.kill(platform.endpoint.pid, signal.SIGKILL)
    assert wait_for_end(descriptors), "a process outlived the platform"
    assert not any(is_alive(process) for process in family)


def states(platform: Platform) -> dict[str, str]:
    items = platform.api("GET", "/sandbox?limit=200").json["items"]
    return {item["name"]: item["state"] for item in items}


def test_everything_acknowledged_survives_a_kill(platform: Platform) -> None:
    made = platform.create(name="runs", labels={"a": "b"})
    platform.execute(made["id"], "echo kept > /home/daytona/file")
    platform.create(name="rests")
    platform.api("POST", "/sandbox/rests/stop")
    platform.create(name="ephemeral", autoDeleteInterval=0)
    kill(platform)
    platform.start()
    assert states(platform) == {"runs": "stopped", "rests": "stopped"}
    assert platform.api("GET", "/sandbox/runs").json["labels"] == {"a": "b"}
    platform.api("POST", "/sandbox/runs/start")
    assert platform.execute(made["id"], "cat /home/daytona/file")["result"] == "kept\n"
    assert mounts(platform.paths) == []


def test_a_kill_at_any_moment_leaves_legal_states_and_loses_nothing_acknowledged(platform: Platform) -> None:
    for after in MOMENTS:
        acknowledged = _kill_while_creating(platform, after)
        platform.start()
        found = platform.api("GET", "/sandbox?limit=200").json["items"]
        assert acknowledged <= {item["id"] for item in found}
        for item in found:
            assert State(item["state"]) in ALLOWED[Desired(item["desiredState"])]
            assert item["state"] in {"stopped", "error"}
        platform.delete_all()
        assert list(platform.paths.sandboxes.iterdir()) == []


def _kill_while_creating(platform: Platform, after: int) -> set[str]:
    """Create sandboxes from several threads, and kill the platform when *after* of them are there."""
    acknowledged: set[str] = set()
    enough = threading.Event()

    def create() -> None:
        while not enough.is_set():
            answer = _ask(platform)
            if answer is None:
                return
            acknowledged.add(answer["id"])
            if len(acknowledged) >= after:
                enough.set()

    threads = [threading.Thread(target=create) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    kill(platform)
    for thread in threads:
        thread.join()
    return acknowledged


def _ask(platform: Platform) -> Any:
    try:
        answer = platform.api("POST", "/sandbox", {})
    except OSError:
        return None
    return answer.json if answer.status == 200 else None


def test_a_sandbox_that_was_being_made_can_be_recovered(platform: Platform) -> None:
    kill(platform)
    store = Store(platform.paths.database)
    record = new_record(CreateSandbox(name="half"), 0.0)
    store.add(record)
    store.change(record, state=State.CREATING)
    store.close()
    platform.start()
    found = platform.api("GET", "/sandbox/half").json
    assert (found["state"], found["recoverable"]) == ("error", True)
    assert platform.api("POST", "/sandbox/half/recover").json["state"] == "started"
    assert platform.execute(found["id"], "true")["exitCode"] == 0


def test_a_delete_that_was_under_way_is_finished(platform: Platform) -> None:
    sandbox = platform.create(name="leaving")
    kill(platform)
    store = Store(platform.paths.database)
    record = store.find("leaving")
    assert record is not None
    store.change(record, desired=Desired.DESTROYED)
    store.close()
    platform.start()
    assert platform.api("GET", f"/sandbox/{sandbox['id']}").status == 404
    assert not platform.paths.sandbox(sandbox["id"]).exists()


def test_a_platform_that_is_told_to_end_stops_its_sandboxes(platform: Platform) -> None:
    platform.create(name="runs")
    platform.create(name="ephemeral", autoDeleteInterval=0)
    platform.stop()
    assert not platform.paths.endpoint_file.exists()
    platform.start()
    assert states(platform) == {"runs": "stopped"}
    assert len(list(platform.paths.sandboxes.iterdir())) == 1


def test_sandboxes_can_be_made_after_the_process_that_builds_them_was_killed(platform: Platform) -> None:
    platform.create(name="before")
    _, builder, *_ = with_descendants(platform.endpoint.pid)
    os.kill(builder.pid, signal.SIGKILL)
    while states(platform) != {
        "before": "stopped"
    }:  # one that is being built at that moment fails, and says so
        assert find(platform.paths)
    after = platform.create(name="after")
    assert platform.execute(after["id"], "echo here")["result"] == "here\n"
    assert states(platform) == {"before": "stopped", "after": "started"}
