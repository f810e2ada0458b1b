"""Snapshots: names, states, quotas, lists, logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.conformance.schemas import differences

if TYPE_CHECKING:
    from tests.conformance.api import Api
    from tests.local.platform_process import Platform

NAME = f"conformance/{uuid4().hex[:12]}"
BUILD = {"dockerfileContent": "FROM host\n"}


@pytest.fixture(scope="module")
def snapshot(api: Api) -> Any:
    """A snapshot of a build with a file in it."""
    content = f'FROM {api.image}\nRUN head -c 3000000 /dev/zero > /opt/{uuid4().hex}\nENTRYPOINT ["sleep", "infinity"]\n'
    made = api.make(
        "/snapshots", name=f"{NAME}:1", buildInfo={"dockerfileContent": content}, cpu=2, memory=2, disk=4
    )
    return api.until_snapshot(made["id"], "active")


def test_a_snapshot_knows_what_it_was_made_with(snapshot: Any) -> None:
    expected = {
        "cpu": 2, "mem": 2, "disk": 4, "gpu": 0, "imageName": "", "general": False, "errorReason": None, "lastUsedAt": None,
        "sourceSandboxId": None, "entrypoint": ["sleep", "infinity"], "sandboxClass": "container",
    }  # fmt: skip  # a table
    assert {key: snapshot.get(key) for key in expected} == expected
    assert snapshot["buildInfo"]["snapshotRef"] == snapshot["ref"]


def test_its_size_is_known_in_gib(api: Api, snapshot: Any) -> None:
    assert snapshot["size"] > 0
    if api.embedded:  # three million bytes of zeroes, and a little for directories
        assert 3e6 / 2**30 <= snapshot["size"] < 4e6 / 2**30


def test_a_sandbox_has_the_size_of_its_snapshot(api: Api, snapshot: Any) -> None:
    made = api.create(snapshot=snapshot["id"])
    assert (made["cpu"], made["memory"], made["disk"]) == (2, 2, 4)
    assert made["snapshot"] == snapshot["name"]
    assert api.get(f"/snapshots/{snapshot['id']}")["lastUsedAt"]
    assert api.status("POST", "/sandbox", {"snapshot": snapshot["name"], "cpu": 1}) == 400


def test_a_snapshot_is_found_by_id_and_by_name(api: Api, snapshot: Any) -> None:
    assert api.get(f"/snapshots/{quote(snapshot['name'], safe='')}")["id"] == snapshot["id"]
    assert api.status("GET", f"/snapshots/{uuid4()}") == 404
    assert api.status("GET", "/snapshots/no-such-snapshot") == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(body, status, id=name)
        for name, (body, status) in {
            "no name": ({"imageName": "debian:12.9"}, 400),
            "an empty name": ({"name": "", "imageName": "debian:12.9"}, 400),
            "a name with a blank": ({"name": "a b", "imageName": "debian:12.9"}, 400),
            "a name with two slashes": ({"name": "a//b", "imageName": "debian:12.9"}, 400),
            "a name that ends with a slash": ({"name": "a/", "imageName": "debian:12.9"}, 400),
            "neither an image nor a build": ({"name": "a"}, 400),
            "an image and a build": ({"name": "a", "imageName": "debian:12.9", "buildInfo": BUILD}, 400),
            "an entrypoint of a build": ({"name": "a", "buildInfo": BUILD, "entrypoint": ["x"]}, 400),
            "an image without a tag": ({"name": "a", "imageName": "debian"}, 400),
            "an image with a port and no tag": ({"name": "a", "imageName": "localhost:5000/debian"}, 400),
            "the latest image": ({"name": "a", "imageName": "debian:latest"}, 400),
            "an image of no name": ({"name": "a", "imageName": "de bian:12"}, 400),
            "an unknown region": ({"name": "a", "imageName": "debian:12.9", "regionId": "nowhere"}, 404),
            "windows": ({"name": "a", "imageName": "debian:12.9", "sandboxClass": "windows"}, 400),
            "negative cores": ({"name": "a", "imageName": "debian:12.9", "cpu": -1}, 400),
            "more cores than one may have": ({"name": "a", "imageName": "debian:12.9", "cpu": 100_000}, 400),
            "cores that are text": ({"name": "a", "imageName": "debian:12.9", "cpu": "1"}, 400),
        }.items()
    ],
)
def test_a_mistake_is_refused(api: Api, body: Any, status: int) -> None:
    assert api.status("POST", "/snapshots", body) == status


def test_a_name_is_taken_once(api: Api, snapshot: Any) -> None:
    body = {"name": snapshot["name"], "buildInfo": {"dockerfileContent": f"FROM {api.image}\n"}}
    assert api.status("POST", "/snapshots", body) == 409
    default = api.get("/config")["defaultSnapshot"]
    if api.embedded:  # elsewhere it is somebody else's, whose name one may use too
        assert api.status("POST", "/snapshots", {**body, "name": default}) == 409


def test_only_an_id_deletes(api: Api, snapshot: Any) -> None:
    for method, route in (("DELETE", ""), ("POST", "/activate"), ("POST", "/deactivate")):
        assert api.status(method, f"/snapshots/{quote(snapshot['name'], safe='')}{route}") == 400
        assert api.status(method, f"/snapshots/no-such-snapshot{route}") == 404
        assert api.status(method, f"/snapshots/{uuid4()}{route}") == 404
    general = api.get(f"/snapshots/{api.get('/config')['defaultSnapshot']}")
    assert general["general"] is True
    assert api.status("DELETE", f"/snapshots/{general['id']}") == 404  # it is not ours to delete


def test_lists_are_pages_by_number(api: Api, snapshot: Any) -> None:
    page = api.get("/snapshots", name=NAME.upper())
    assert ([item["id"] for item in page["items"]], page["total"], page["totalPages"]) == (
        [snapshot["id"]],
        1,
        1,
    )
    first, second = (
        api.get("/snapshots", page=number, limit=1, sort="name", order="asc") for number in (1, 2)
    )
    assert first["items"] != second["items"]
    assert first["totalPages"] == first["total"] >= 2
    everything = api.get("/snapshots", limit=200)["items"]
    assert [item["general"] for item in everything] == sorted(item["general"] for item in everything)
    assert api.get("/snapshots", sourceSandboxId=str(uuid4()))["items"] == []


@pytest.mark.parametrize("query", ["page=0", "limit=0", "limit=201", "limit=x", "sort=size", "order=up"])
def test_a_question_without_sense_is_refused(api: Api, query: str) -> None:
    assert api.status("GET", f"/snapshots?{query}") == 400


@pytest.mark.usefixtures("embedded")
def test_an_inactive_snapshot_makes_no_sandboxes_and_rests_before_it_is_active_again(
    api: Api, platform: Platform
) -> None:
    made = api.make(
        "/snapshots", buildInfo={"dockerfileContent": f"FROM {api.image}\nENV NUMBER={uuid4().hex}\n"}
    )
    path = f"/snapshots/{made['id']}"
    api.until_snapshot(made["id"], "active")
    assert api.status("POST", f"{path}/activate") == 400  # it is active
    assert [api.status("POST", f"{path}/deactivate") for _ in range(2)] == [204, 204]
    refused = api.call("POST", "/sandbox", {"snapshot": made["name"]})
    assert (refused.status, "inactive" in refused.json["message"]) == (400, True)
    assert api.status("POST", f"{path}/activate") == 400  # it has changed just now
    platform.let_rest(made["id"])
    active = api.call("POST", f"{path}/activate")
    assert (active.status, active.json["state"], differences(active.json, "SnapshotDto")) == (
        200,
        "active",
        [],
    )


def test_a_snapshot_of_a_sandbox_knows_its_source(api: Api) -> None:
    box = api.create()["id"]
    name = f"of a sandbox {uuid4().hex[:8]}"  # as it is shown: more than a build may be called
    taken = api.call("POST", f"/sandbox/{box}/snapshot", {"name": name})
    assert taken.status == 200, taken.body
    api.until(box, "started")
    made = api.until_snapshot(name, "active")
    assert (made["sourceSandboxId"], made["imageName"], made["buildInfo"]) == (box, "", None)
    assert api.get("/snapshots", sourceSandboxId=box)["total"] == 1
    for body in ({}, {"name": ""}, {"name": "<b>"}, {"name": 1}, {"name": f"m{name}", "includeMemory": True}):
        assert api.status("POST", f"/sandbox/{box}/snapshot", body) == 400
    if api.embedded:  # the hosted one loses the second without a word
        assert api.status("POST", f"/sandbox/{box}/snapshot", {"name": name}) == 409
    for route in ("build-logs", "build-logs-url"):
        assert api.status("GET", f"/snapshots/{quote(name)}/{route}") in (400, 404)  # nothing was built
    assert api.status("DELETE", f"/snapshots/{made['id']}") == 200


@pytest.mark.usefixtures("embedded")
def test_a_build_that_fails_says_why_and_frees_its_name(api: Api) -> None:
    name = f"fails-{uuid4().hex[:8]}"
    made = api.make("/snapshots", name=name, buildInfo={"dockerfileContent": "FROM host\nRUN exit 7\n"})
    failed = api.until_snapshot(made["id"], "build_failed", "error")
    assert "7" in failed["errorReason"]
    log = api.call("GET", f"/snapshots/{made['id']}/build-logs")
    assert (log.status, b"RUN exit 7" in log.body) == (200, True)
    assert api.status("POST", "/sandbox", {"snapshot": name}) == 400
    assert api.status("DELETE", f"/snapshots/{made['id']}") == 200
    assert api.status("GET", f"/snapshots/{made['id']}") == 404
