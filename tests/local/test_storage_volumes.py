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


def test_a_volume_is_found_by_id_and_by_name(platform: Platform, name: str) -> None:
    volume = _make(platform, name)
    assert volume["state"] == "ready"
    assert platform.api("GET", f"/volumes/{volume['id']}").json == volume
    assert platform.api("GET", f"/volumes/by-name/{name}").json == volume
    assert volume["id"] in [one["id"] for one in platform.api("GET", "/volumes").json]


def test_a_volume_without_a_name_is_called_by_its_id(platform: Platform) -> None:
    volume = _make(platform, "")
    assert volume["name"] == volume["id"]


def test_a_name_is_taken_until_its_volume_is_deleted(platform: Platform, name: str) -> None:
    volume = _make(platform, name)
    assert platform.api("POST", "/volumes", {"name": name}).status == 400
    assert platform.api("DELETE", f"/volumes/{volume['id']}").status == 200
    assert platform.api("GET", f"/volumes/by-name/{name}").status == 404
    deleted = platform.api("GET", f"/volumes/{volume['id']}").json
    assert (deleted["state"], deleted["name"]) == ("deleted", f"{name}-deleted")
    assert platform.api("DELETE", f"/volumes/{volume['id']}").status == 400
    assert _make(platform, name)["id"] != volume["id"]
    everything = platform.api("GET", "/volumes?includeDeleted=x").json
    assert volume["id"] in [one["id"] for one in everything]
    assert volume["id"] not in [one["id"] for one in platform.api("GET", "/volumes").json]


@pytest.mark.parametrize("body", [{}, {"name": 1}, {"name": None}, {"name": "<b>x</b>"}, {"name": "a\0b"}])
def test_a_name_that_cannot_be_shown_is_refused(platform: Platform, body: object) -> None:
    assert platform.api("POST", "/volumes", body).status == 400


def test_what_is_not_there(platform: Platform) -> None:
    assert platform.api("GET", "/volumes/none").status == 404
    assert platform.api("DELETE", "/volumes/none").status == 404
    assert (
        platform.api("POST", "/sandbox", {"volumes": [{"volumeId": "none", "mountPath": "/d"}]}).status == 404
    )


def test_a_deleted_volume_takes_its_files_along(platform: Platform, name: str) -> None:
    volume = _make(platform, name)
    directory = platform.paths.volumes / volume["id"]
    (directory / "file").write_text("x")
    platform.api("DELETE", f"/volumes/{volume['id']}")
    assert not directory.exists()
    mounting = {"volumes": [{"volumeId": volume["id"], "mountPath": "/d"}]}
    assert platform.api("POST", "/sandbox", mounting).status == 400


def test_bad_mounts_are_refused_together(platform: Platform, name: str) -> None:
    volume = _make(platform, name)
    mounts = [
        {"volumeId": name, "mountPath": "relative"},
        {"volumeId": volume["id"], "mountPath": "/data", "subpath": "../x"},
    ]
    answer = platform.api("POST", "/sandbox", {"volumes": mounts})
    assert answer.status == 400
    assert "not absolute" in answer.json["message"]
    assert "subpath '../x'" in answer.json["message"]


def test_an_id_that_is_another_ones_name_is_ambiguous(platform: Platform, name: str) -> None:
    volume = _make(platform, name)
    _make(platform, volume["id"])
    answer = platform.api("POST", "/sandbox", {"volumes": [{"volumeId": volume["id"], "mountPath": "/d"}]})
    assert answer.status == 400


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "data",
        "/a/../b",
        "/a/.",
        "/a//b",
        "//a",
        "/proc",
        "/sys/fs",
        "/dev",
        "/etc/x",
        "/lib64",
        "/a\0",
    ],
)
def test_where_no_volume_may_be(path: str) -> None:
    assert problems_of(MountRequest(volume_id="v", mount_path=path))


@pytest.mark.parametrize(
    "path", ["/data", "/data/", "/a/b", "/home/daytona/v", "/process", "/library", "/mnt/..x"]
)
def test_where_a_volume_may_be(path: str) -> None:
    assert problems_of(MountRequest(volume_id="v", mount_path=path)) == []


@pytest.mark.parametrize("path", ["/a", "..", "a/../b", "a//b", "."])
def test_parts_that_are_no_parts(path: str) -> None:
    assert problems_of(MountRequest(volume_id="v", mount_path="/data", subpath=path))


def test_volumes_outlive_the_platform(name: str) -> None:
    with running_platform() as own:
        volume = _make(own, name)
        own.stop()
        own.start()
        assert own.api("GET", f"/volumes/{volume['id']}").json == volume
