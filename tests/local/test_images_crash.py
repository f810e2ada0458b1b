"""A platform that is killed while it builds, takes a snapshot or archives: what the next one finds is true and complete."""

from __future__ import annotations

import http.client
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from daytona_plugins.local.images.image import Image
from daytona_plugins.local.platform.ending import with_descendants
from daytona_plugins.local.platform.snapshot_store import SnapshotRecord, SnapshotStore
from daytona_plugins.local.platform.states import Desired, State
from daytona_plugins.local.platform.store import Store
from tests.local.lasting_program import lasting_program
from tests.local.platform_process import Platform, running_platform, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

# An ordinary user's first build copies the directories of the machine, which takes a busy one a minute.
PATIENCE = 150
SLOW = "FROM debian:12\nRUN echo first > /srv/first\nRUN echo begun; sleep 60\n"


@pytest.fixture
def platform() -> Generator[Platform]:
    with running_platform() as platform:
        yield platform


def kill(platform: Platform) -> None:
    descriptors: list[int] = []
    for process in with_descendants(platform.endpoint.pid):
        with suppress(ProcessLookupError):  # it has ended by itself
            descriptors.append(os.pidfd_open(process.pid))
    os.kill(platform.endpoint.pid, signal.SIGKILL)
    assert wait_for_end(descriptors)


def read_until(platform: Platform, path: str, text: str) -> None:
    """Follow a build's log until it says *text*."""
    connection = http.client.HTTPConnection(platform.endpoint.api_url.split("/")[2], timeout=PATIENCE)
    connection.request("GET", path, headers={"Authorization": f"Bearer {platform.endpoint.api_key}"})
    answer = connection.getresponse()
    seen = ""
    while text not in seen:
        piece = answer.read1()
        assert piece, seen
        seen += piece.decode()
    connection.close()


def test_a_build_that_was_killed_has_failed_and_keeps_its_finished_steps(platform: Platform) -> None:
    made = platform.create(name="half", buildInfo={"dockerfileContent": SLOW})
    assert made["state"] == "pending_build"
    other = {"dockerfileContent": "FROM debian:12\nRUN echo another; sleep 60\n"}  # no step that both have
    snapshot = platform.api("POST", "/snapshots", {"name": "half", "buildInfo": other}).json
    read_until(platform, f"/sandboxes/{made['id']}/build-logs?follow=true", "begun\n")
    assert platform.api("DELETE", "/sandbox/half").status == 409
    kill(platform)
    platform.start()
    found = platform.api("GET", "/sandbox/half").json
    assert (found["state"], "platform ended" in found["errorReason"]) == ("build_failed", True)
    assert platform.api("GET", f"/snapshots/{snapshot['id']}").json["state"] == "build_failed"
    assert list((platform.paths.data / "builds").iterdir()) == []
    done = platform.create(buildInfo={"dockerfileContent": SLOW.rpartition("RUN")[0]})
    assert done["state"] == "started", "the first step was done before, so nothing had to be built"
    assert platform.execute(done["id"], "cat /srv/first")["result"] == "first\n"
    assert platform.api("DELETE", "/sandbox/half").status == 200


def test_ending_the_platform_ends_its_builds(platform: Platform) -> None:
    made = platform.create(name="half", buildInfo={"dockerfileContent": SLOW})
    read_until(platform, f"/sandboxes/{made['id']}/build-logs?follow=true", "begun\n")
    platform.stop()
    platform.start()
    assert platform.api("GET", "/sandbox/half").json["state"] == "build_failed"


@pytest.mark.parametrize("end", [kill, Platform.stop])
def test_programs_that_make_an_image_end_with_the_platform(
    end: Callable[[Platform], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lasting_program(tmp_path / "bin", "mmdebstrap") as program:
        monkeypatch.setenv("PATH", f"{program.path.parent}:{os.environ['PATH']}")
        with running_platform() as platform:
            made = platform.create(name="half", buildInfo={"dockerfileContent": SLOW})
            read_until(platform, f"/sandboxes/{made['id']}/build-logs?follow=true", "begun\n")
            end(platform)
            assert program.has_ended(20)


def stopped_with_a_file(platform: Platform) -> Any:
    sandbox = platform.create(name="box")
    platform.execute(sandbox["id"], "echo precious > /srv/file")
    assert platform.api("POST", "/sandbox/box/stop").status == 200
    kill(platform)
    return sandbox


def precious(platform: Platform, sandbox: Any) -> str:
    platform.start()
    assert platform.api("GET", "/sandbox/box").json["state"] in ("stopped", "archived", "error")
    platform.api("POST", "/sandbox/box/recover?skipStart=true")
    assert platform.api("POST", "/sandbox/box/start").json["state"] == "started"
    return str(platform.execute(sandbox["id"], "cat /srv/file")["result"])


def change(platform: Platform, **changes: Any) -> None:
    store = Store(platform.paths.database)
    record = store.find("box")
    assert record is not None
    store.change(record, **changes)
    store.close()


@pytest.mark.parametrize("state", [State.SNAPSHOTTING, State.FORKING])
@pytest.mark.parametrize("renamed", [False, True])
def test_no_file_is_lost_when_a_layer_was_being_made(platform: Platform, state: State, renamed: bool) -> None:
    sandbox = stopped_with_a_file(platform)
    change(platform, state=state, image=Image(layers=("kept-x",)))
    if renamed:
        platform.paths.sandbox(sandbox["id"]).rename(platform.paths.data / "layers" / "kept-x")
    assert precious(platform, sandbox) == "precious\n"


@pytest.mark.parametrize("written", ["nothing", "a part", "all of it"])
def test_no_file_is_lost_when_a_sandbox_was_being_archived(platform: Platform, written: str) -> None:
    sandbox = stopped_with_a_file(platform)
    archives = platform.paths.data / "archives"
    archives.mkdir()
    if written == "all of it":
        platform.start()
        assert platform.api("POST", "/sandbox/box/archive").json["state"] == "archived"
        kill(platform)
        assert precious(platform, sandbox) == "precious\n"
        return
    if written == "a part":
        (archives / f"{sandbox['id']}.part").write_bytes(b"junk")
    change(platform, state=State.ARCHIVING, desired=Desired.ARCHIVED)
    assert precious(platform, sandbox) == "precious\n"


def test_no_file_is_lost_when_a_sandbox_was_being_restored(platform: Platform) -> None:
    sandbox = stopped_with_a_file(platform)
    platform.start()
    assert platform.api("POST", "/sandbox/box/archive").json["state"] == "archived"
    kill(platform)
    change(platform, state=State.RESTORING, desired=Desired.STARTED)
    (platform.paths.data / "builds" / "draft").mkdir()
    platform.start()
    assert list((platform.paths.data / "builds").iterdir()) == []
    assert platform.api("GET", "/sandbox/box").json["state"] == "error"
    recovered = platform.api("POST", "/sandbox/box/recover?skipStart=true").json
    assert (recovered["state"], recovered["desiredState"]) == ("archived", "archived")
    assert platform.api("POST", "/sandbox/box/snapshot", {"name": "empty"}).status == 400, (
        "its files are elsewhere"
    )
    assert platform.api("POST", "/sandbox/box/start").json["state"] == "started"
    assert platform.execute(sandbox["id"], "cat /srv/file")["result"] == "precious\n"


def test_a_fork_without_the_files_of_its_parent_is_not_recovered(platform: Platform) -> None:
    stopped_with_a_file(platform)
    store = Store(platform.paths.database)
    record = store.find("box")
    assert record is not None
    unborn = msgspec.structs.replace(
        record, id="fork", name="fork", parent=record.id, state=State.UNKNOWN, desired=Desired.STARTED
    )
    store.add(unborn)
    store.close()
    change(platform, forked=True)
    platform.start()
    found = platform.api("GET", "/sandbox/fork").json
    assert (found["state"], found["recoverable"]) == ("error", False)
    assert platform.api("POST", "/sandbox/fork/recover").status == 400
    assert platform.api("DELETE", "/sandbox/box").status == 400
    assert platform.api("DELETE", "/sandbox/fork").status == 200
    assert platform.api("DELETE", "/sandbox/box").status == 200


def test_a_snapshot_that_was_being_taken_has_failed(platform: Platform) -> None:
    kill(platform)
    store = SnapshotStore(platform.paths.database)
    store.add(SnapshotRecord(id="1", name="half", state="snapshotting", created_at=0, updated_at=0))
    store.close()
    platform.start()
    found = platform.api("GET", "/snapshots/half").json
    assert (found["state"], "platform ended" in found["errorReason"]) == ("error", True)


def test_layers_of_deleted_sandboxes_go_with_their_last_snapshot(platform: Platform) -> None:
    sandbox = platform.create(name="box")
    assert platform.api("POST", "/sandbox/box/snapshot", {"name": "one"}).status == 200
    snapshot = platform.api("GET", "/snapshots/one").json
    twin = platform.create(snapshot="one")
    platform.api("DELETE", f"/sandbox/{sandbox['id']}")
    kept = platform.paths.data / "layers"
    platform.api("DELETE", f"/snapshots/{snapshot['id']}")
    assert len(list(kept.glob("kept-*"))) == 1
    platform.api("DELETE", f"/sandbox/{twin['id']}")
    assert list(kept.glob("kept-*")) == []
