"""Layers that nothing is made of go when they are told to, and no others; builds share what they have in common."""

from __future__ import annotations

import http.client
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from daytona_plugins.local.cli import local
from daytona_plugins.local.images.layers import InUseError, Layers
from daytona_plugins.local.images.prune import prune, size_of
from daytona_plugins.local.images.table import ImageTable
from daytona_plugins.local.paths import Paths
from daytona_plugins.local.platform.builds import contexts_directory
from tests.local.platform_process import Platform, running_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# An ordinary user's first build copies the directories of the machine, which takes a busy one a minute.
PATIENCE = 150


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose layers are those of these tests."""
    with running_platform() as platform:
        yield platform


def pruned(platform: Platform) -> str:
    with platform.environment():
        result = CliRunner().invoke(local, ["image", "prune"])
    assert result.exit_code == 0, result.output
    return result.output


def layers_of(platform: Platform) -> set[str]:
    return set(os.listdir(platform.paths.data / "layers"))


def build(platform: Platform, text: str, **more: Any) -> Any:
    """Make a sandbox of a Dockerfile, and return it when its build is over."""
    made = platform.create(buildInfo={"dockerfileContent": text}, **more)
    follow(platform, made["id"])
    return until(platform, f"/sandbox/{made['id']}", {"started", "build_failed"})


def follow(platform: Platform, sandbox_id: str) -> str:
    """Return the log of a build when it has ended."""
    answer = platform.call("GET", f"/sandboxes/{sandbox_id}/build-logs?follow=true")
    return answer.body.decode() if answer.status == 200 else ""


def until(platform: Platform, path: str, states: set[str]) -> Any:
    for _ in range(4000):
        found = platform.api("GET", path).json
        if found["state"] in states:
            return found
    raise AssertionError(found)


def test_what_is_needed_stays_and_the_rest_goes(own: Platform) -> None:
    kept = build(own, "FROM host\nRUN echo kept > /srv/kept\n", name="kept")
    text = "FROM host\nRUN echo snapshot > /srv/file\n"
    snapshot = own.api("POST", "/snapshots", {"name": "s", "buildInfo": {"dockerfileContent": text}}).json
    until(own, f"/snapshots/{snapshot['id']}", {"active"})
    needed = layers_of(own)
    gone = build(
        own, "FROM host\nRUN --mount=type=cache,target=/c head -c 3000000 /dev/zero | tee /c/x > /srv/gone\n"
    )
    own.api("DELETE", f"/sandbox/{gone['id']}")
    assert layers_of(own) > needed
    assert pruned(own) == "removed 1 layers, 1 caches and 0 uploads: 6 MB\n"
    assert layers_of(own) == needed
    assert pruned(own) == "removed 0 layers, 0 caches and 0 uploads: 0 MB\n"
    twin = own.create(snapshot="s")
    assert own.execute(twin["id"], "cat /srv/file")["result"] == "snapshot\n"
    own.api("POST", "/sandbox/kept/stop")
    until(own, "/sandbox/kept", {"stopped"})
    own.api("POST", "/sandbox/kept/start")
    until(own, "/sandbox/kept", {"started"})
    assert own.execute(kept["id"], "cat /srv/kept")["result"] == "kept\n"
    own.delete_all()
    own.api("DELETE", f"/snapshots/{snapshot['id']}")
    pruned(own)
    assert layers_of(own) == set()


def test_what_was_pruned_is_built_again(own: Platform) -> None:
    text = "FROM host\nRUN echo again > /srv/again\n"
    own.api("DELETE", f"/sandbox/{build(own, text)['id']}")
    pruned(own)
    again = build(own, text)
    assert own.execute(again["id"], "cat /srv/again")["result"] == "again\n"


def test_nothing_is_pruned_while_images_are_made(own: Platform) -> None:
    made = own.create(
        buildInfo={"dockerfileContent": "FROM host\nRUN echo begun; until [ -e /go ]; do sleep 0.1; done\n"}
    )
    seen = reading(own, made["id"])
    assert "begun" in seen
    with own.environment():
        result = CliRunner().invoke(local, ["image", "prune"])
    assert (result.exit_code, "images are being made" in result.output) == (1, True)


def reading(platform: Platform, sandbox_id: str) -> str:
    """Return what a build has printed when it says that it has begun."""
    connection = http.client.HTTPConnection(platform.endpoint.api_url.split("/")[2], timeout=PATIENCE)
    connection.request(
        "GET",
        f"/sandboxes/{sandbox_id}/build-logs?follow=true",
        headers={"Authorization": f"Bearer {platform.endpoint.api_key}"},
    )
    answer = connection.getresponse()
    seen = ""
    while "begun\n" not in seen:
        piece = answer.read1()
        assert piece, seen
        seen += piece.decode()
    connection.close()
    return seen


def test_builds_with_the_same_step_do_it_once(tmp_path: Path, platform: Platform) -> None:
    step = "RUN echo begun; sleep 0.5; head -c 9 /dev/urandom | base64 > /srv/random\n"
    unique = f"FROM host\nENV UNIQUE={tmp_path}\n{step}"
    made = [
        platform.create(buildInfo={"dockerfileContent": f"{unique}LABEL number={number}\n"})
        for number in range(3)
    ]
    logs = [follow(platform, sandbox["id"]) for sandbox in made]
    assert sorted("begun\n" in log for log in logs) == [False, False, True]
    for sandbox in made:
        until(platform, f"/sandbox/{sandbox['id']}", {"started"})
    said = {platform.execute(sandbox["id"], "cat /srv/random")["result"] for sandbox in made}
    assert len(said) == 1
    for sandbox in made:
        platform.api("DELETE", f"/sandbox/{sandbox['id']}")


@pytest.mark.faces("asyncio")
async def test_uploads_stay_for_an_hour(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data", tmp_path / "run")
    layers = Layers(paths)
    layers.open()
    contexts = contexts_directory(paths)
    for name in ("old", "new"):
        (contexts / name).mkdir(parents=True)
        (contexts / name / "context.tar").write_bytes(bytes(5000))
    os.utime(contexts / "old", (0, 0))
    assert size_of(contexts) >= 10000
    found = await prune(layers, ImageTable(paths), paths.database, contexts)
    assert (found.contexts, os.listdir(contexts)) == (1, ["new"])
    with layers.held(), pytest.raises(InUseError):
        await prune(layers, ImageTable(paths), paths.database, contexts)


@pytest.mark.faces("asyncio")
async def test_drafts_of_somebody_who_lives_are_left_alone(tmp_path: Path) -> None:
    layers = Layers(Paths(tmp_path / "data", tmp_path / "run"))
    layers.open()
    draft = layers.draft()
    draft.mkdir()
    with layers.held():
        await layers.clean()
        assert draft.exists()
    await layers.clean()
    assert not draft.exists()
