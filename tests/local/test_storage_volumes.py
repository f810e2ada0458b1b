"""Volumes as the REST API has them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.platform.mounts import MountRequest, problems_of
from tests.local.platform_process import running_platform

if TYPE_CHECKING:
    from tests.local.platform_process import Platform


@pytest.fixture
def name() -> str:
    return f"v-{uuid.uuid4().hex[:10]}"


def _make(platform: Platform, name: str) -> Any:
    answer = platform.api("POST", "/volumes", {"name": name})
    assert answer.status == 200, answer.body
    return answer.json


def test_a_deleted_volume_takes_its_files_along(platform: Platform, name: str) -> None:
    volume = _make(platform, name)
    directory = platform.paths.volumes / volume["id"]
    (directory / "file").write_text("x")
    platform.api("DELETE", f"/volumes/{volume['id']}")
    assert not directory.exists()
    mounting = {"volumes": [{"volumeId": volume["id"], "mountPath": "/d"}]}
    assert platform.api("POST", "/sandbox", mounting).status == 400


@pytest.mark.parametrize(
    "path", ["/data", "/data/", "/a/b", "/home/daytona/v", "/process", "/library", "/mnt/..x"]
)
def test_where_a_volume_may_be(path: str) -> None:
    assert problems_of(MountRequest(volume_id="v", mount_path=path)) == []


def test_what_a_killed_platform_left_of_volumes_is_removed(name: str) -> None:
    with running_platform() as platform:
        kept, deleted = _make(platform, name)["id"], _make(platform, "")["id"]
        platform.api("DELETE", f"/volumes/{deleted}")
        platform.stop()
        volumes = platform.paths.volumes
        for directory in (
            deleted,
            "unborn",
            "unknown",
        ):  # killed while deleting, killed while making, not from here
            (volumes / directory).mkdir()
        for directory in (deleted, "unknown"):
            (volumes / directory / "file").write_text("x")
        platform.start()
        assert {directory.name for directory in volumes.iterdir()} == {kept, "unknown"}


def test_volumes_outlive_the_platform(name: str) -> None:
    with running_platform() as own:
        volume = _make(own, name)
        own.stop()
        own.start()
        assert own.api("GET", f"/volumes/{volume['id']}").json == volume
