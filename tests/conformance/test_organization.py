"""What an organization has beside sandboxes: volumes, secrets, warm pools, registries, a place for files of builds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.api import Api

VALUE = "nobody-sees-this"
REGISTRY = {"name": "ours", "url": "https://registry.example/v2", "username": "me", "password": "hidden"}


@pytest.fixture
def name() -> str:
    return f"conformance_{uuid4().hex[:12]}"


def ready(api: Api, name: str) -> Any:
    """Return a new volume that can be mounted."""
    volume = api.make("/volumes", name=name)
    return has_become(api, volume, "ready")


def has_become(api: Api, volume: Any, state: str) -> Any:
    """Return a volume once it is in *state*."""
    path = f"/volumes/{volume['id']}"
    api.wait_for(lambda: api.get(path)["state"] == state)
    return api.get(path)


# -- Volumes ------------------------------------------------------------------------------------------------------


def test_a_volume_is_found_by_id_and_by_name(api: Api, name: str) -> None:
    volume = ready(api, name)
    assert api.get(f"/volumes/by-name/{name}") == volume
    assert volume in api.get("/volumes")


def test_a_volume_without_a_name_is_called_by_its_id(api: Api) -> None:
    volume = api.make("/volumes", name="")
    assert volume["name"] == volume["id"]


def test_the_name_of_a_volume_is_taken_until_it_is_deleted(api: Api, name: str) -> None:
    volume = ready(api, name)
    assert api.status("POST", "/volumes", {"name": name}) == 400  # of sandboxes it is 409
    assert api.status("DELETE", f"/volumes/{volume['id']}") == 200
    deleted = has_become(api, volume, "deleted")
    assert deleted["name"].startswith(f"{name}-deleted")
    assert api.status("GET", f"/volumes/by-name/{name}") == 404
    assert api.status("DELETE", f"/volumes/{volume['id']}") == 400
    assert api.make("/volumes", name=name)["id"] != volume["id"]
    assert volume["id"] in [one["id"] for one in api.get("/volumes", includeDeleted="true")]
    assert volume["id"] not in [one["id"] for one in api.get("/volumes")]


@pytest.mark.parametrize(
    "body", [{}, {"name": 1}, {"name": None}, {"name": "<b>x</b>"}, {"name": "a\0b"}], ids=str
)
def test_the_name_of_a_volume_can_be_shown(api: Api, body: object) -> None:
    assert api.status("POST", "/volumes", body) == 400


def test_what_is_no_volume(api: Api) -> None:
    for method, path in (("GET", "none"), ("DELETE", "none"), ("GET", "by-name/none")):
        assert api.status(method, f"/volumes/{path}") == 404


def test_a_volume_that_is_mounted_cannot_be_deleted(api: Api, name: str, execute: Callable[..., str]) -> None:
    volume = ready(api, name)
    box = api.create(volumes=[{"volumeId": name, "mountPath": "/mnt/data", "subpath": "a/b"}])
    assert box["volumes"] == [{"volumeId": volume["id"], "mountPath": "/mnt/data", "subpath": "a/b"}]
    assert execute(box, "touch /mnt/data/x && ls /mnt/data") == "x\n"
    refused = api.call("DELETE", f"/volumes/{volume['id']}")
    assert refused.status == 409
    if api.embedded:
        assert box["name"] in refused.json["message"]
    api.call("POST", f"/sandbox/{box['id']}/stop")
    api.until(box["id"], "stopped")
    assert api.status("DELETE", f"/volumes/{volume['id']}") == 409  # it may be started again
    api.call("DELETE", f"/sandbox/{box['id']}")
    api.until(box["id"], "gone", "destroyed")
    assert api.get(f"/volumes/{volume['id']}")["lastUsedAt"]
    assert api.get("/volumes")[0]["id"] == volume["id"]  # the most recently used one comes first
    assert api.status("DELETE", f"/volumes/{volume['id']}") == 200
    assert api.status("POST", "/sandbox", {"volumes": [{"volumeId": volume["id"], "mountPath": "/d"}]}) in (
        400,
        404,
    )


def test_all_mistakes_of_mounts_are_told_together(api: Api, name: str) -> None:
    volume = ready(api, name)
    mounts = [
        {"volumeId": name, "mountPath": "relative"},
        {"volumeId": volume["id"], "mountPath": "/data", "subpath": "../x"},
    ]
    refused = api.call("POST", "/sandbox", {"volumes": mounts})
    assert refused.status == 400
    if api.embedded:
        assert all(text in refused.json["message"] for text in ("not absolute", "subpath '../x'"))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "data",
        "/",
        "//",
        "/a//b",
        "/a/../b",
        "/a/.",
        "/proc",
        "/sys/x",
        "/dev/x",
        "/etc",
        "/bin",
        "/lib64/x",
        "/boot",
    ],
)
def test_where_no_volume_may_be(api: Api, volume: Any, path: str) -> None:
    assert api.status("POST", "/sandbox", {"volumes": [{"volumeId": volume["id"], "mountPath": path}]}) == 400


@pytest.mark.parametrize("part", ["/a", "..", "a/../b", "a//b"])
def test_what_is_no_part_of_a_volume(api: Api, volume: Any, part: str) -> None:
    mount = {"volumeId": volume["id"], "mountPath": "/d", "subpath": part}
    assert api.status("POST", "/sandbox", {"volumes": [mount]}) == 400


@pytest.fixture(scope="module")
def volume(api: Api) -> Any:
    return ready(api, f"conformance_{uuid4().hex[:12]}")


def test_an_id_that_is_the_name_of_another_volume_is_ambiguous(api: Api, volume: Any) -> None:
    ready(api, volume["id"])
    mount = {"volumeId": volume["id"], "mountPath": "/d"}
    assert api.status("POST", "/sandbox", {"volumes": [mount]}) == 400


# -- Secrets ------------------------------------------------------------------------------------------------------


def test_no_answer_holds_the_value_of_a_secret(api: Api, name: str) -> None:
    secret = api.make(
        "/secret", name=name, value=VALUE, description="d", hosts=["api.example.com", "*.example.org"]
    )
    answers = [
        api.call("GET", f"/secret/{secret['id']}"),
        api.call("GET", "/secret"),
        api.call("GET", "/secret/paginated"),
        api.call("PATCH", f"/secret/{secret['id']}", {"value": VALUE}),
    ]
    assert all(answer.status == 200 for answer in answers)
    assert VALUE not in json.dumps([answer.json for answer in answers])
    assert secret["placeholder"].startswith("dtn_secret_")
    assert (secret["description"], secret["hosts"]) == ("d", ["api.example.com", "*.example.org"])


def test_a_change_of_a_secret_leaves_what_it_does_not_name(api: Api, name: str) -> None:
    secret = api.make("/secret", name=name, value=VALUE, description="d", hosts=["a.b"])
    changed = api.call("PATCH", f"/secret/{secret['id']}", {"hosts": []}).json
    assert (changed["hosts"], changed["description"]) == ([], "d")
    assert changed["placeholder"] == secret["placeholder"]
    assert api.call("PATCH", f"/secret/{secret['id']}", {"description": None}).json["description"] is None


def test_the_name_of_a_secret_is_taken_until_it_is_deleted(api: Api, name: str) -> None:
    secret = api.make("/secret", name=name, value=VALUE)
    assert api.status("POST", "/secret", {"name": name, "value": "x"}) == 409
    assert [api.status("DELETE", f"/secret/{secret['id']}") for _ in range(2)] == [204, 404]
    api.make("/secret", name=name, value=VALUE)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "1a"}, {"name": "a b"}, {"name": ""}, {"value": ""}, {"value": None}, {"hosts": ["a:80"]},
        {"hosts": ["http://a"]}, {"hosts": ["*"]},
    ],
    ids=str,
)  # fmt: skip  # a list
def test_what_is_no_secret(api: Api, name: str, changes: dict[str, object]) -> None:
    assert api.status("POST", "/secret", {"name": name, "value": "v", **changes}) == 400


def test_pages_of_secrets_follow_each_other(api: Api) -> None:
    prefix = f"P{uuid4().hex[:8]}"
    made = [api.make("/secret", name=f"{prefix}_{number}", value=VALUE)["name"] for number in range(5)]
    for order, wanted in (("asc", made), ("desc", made[::-1])):
        query = {"name": prefix, "sort": "name", "order": order, "limit": 2}
        page = api.get("/secret/paginated", **query)
        seen = [item["name"] for item in page["items"]]
        while page["nextCursor"] is not None:
            page = api.get("/secret/paginated", **query, cursor=page["nextCursor"])
            assert page["total"] == 5
            seen += [item["name"] for item in page["items"]]
        assert seen == wanted


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "sort=value", "order=up", "cursor=x"])
def test_a_question_about_secrets_without_sense_is_refused(api: Api, query: str) -> None:
    assert api.status("GET", f"/secret/paginated?{query}") == 400


def test_secrets_of_a_sandbox_are_placeholders_and_are_replaced(
    api: Api, name: str, execute: Callable[..., str]
) -> None:
    secret = api.make("/secret", name=name, value=VALUE, hosts=["example.org"])
    box = api.create(secrets=[{"KEY": name}])
    assert execute(box, "echo $KEY").strip() == secret["placeholder"]
    changed = api.call("PUT", f"/sandbox/{box['id']}/secrets", {"secrets": [{"OTHER": name}]})
    assert (changed.status, changed.json["id"]) == (200, box["id"])
    assert execute(box, "echo ${KEY-none} $OTHER").split() == ["none", secret["placeholder"]]
    assert api.status("PUT", f"/sandbox/{box['id']}/secrets", {"secrets": []}) == 200
    assert execute(box, "echo ${KEY-none} ${OTHER-none}").split() == ["none", "none"]
    for body, status in (
        ({}, 400),
        ({"secrets": [{"A": "no_such_secret"}]}, 404),
        ({"secrets": [{"A=B": name}]}, 400),
    ):
        assert api.status("PUT", f"/sandbox/{box['id']}/secrets", body) == status


# -- Warm pools ---------------------------------------------------------------------------------------------------


def test_a_pool_hands_out_what_was_started_before(api: Api) -> None:
    snapshot = api.make(
        "/snapshots", buildInfo={"dockerfileContent": f"FROM {api.image}\nENV A={uuid4().hex}\n"}, cpu=2
    )
    api.until_snapshot(snapshot["id"], "active")
    pool = api.make("/warm-pools", snapshot=snapshot["id"], pool=1)
    assert (pool["snapshot"], pool["pool"], pool["cpu"], pool["osUser"]) == (
        snapshot["name"],
        1,
        2,
        "daytona",
    )
    assert api.status("POST", "/warm-pools", {"snapshot": snapshot["name"], "pool": 1}) == 409
    _filled(api, pool["id"], 1)
    (member,) = api.get("/sandbox", snapshots=snapshot["name"], includeWarm="true")["items"]
    assert member["warmPoolId"] == pool["id"]
    assert api.get("/sandbox", snapshots=snapshot["name"])["items"] == []
    own = api.create(snapshot=snapshot["name"], env={"A": "b"})
    assert own["id"] != member["id"]  # a pool serves who asks for nothing in particular
    mine = api.create(snapshot=snapshot["name"], labels={"a": "b"}, autoStopInterval=7)
    assert (mine["id"], mine["labels"]["a"], mine["autoStopInterval"]) == (member["id"], "b", 7)
    assert mine.get("warmPoolId") is None
    drained = api.call("PATCH", f"/warm-pools/{pool['id']}", {"pool": 0})
    assert (drained.status, drained.json["pool"]) == (200, 0)
    _filled(api, pool["id"], 0)


def _filled(api: Api, pool: str, size: int) -> None:
    api.wait_for(
        lambda: next(one for one in api.get("/warm-pools") if one["id"] == pool)["currentSize"] == size
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"pool": 1}, 400), ({"snapshot": "x"}, 400), ({"snapshot": "no-such-snapshot", "pool": 1}, 400),
        ({"snapshot": "x", "pool": 0}, 400), ({"snapshot": "x", "pool": "1"}, 400),
        ({"snapshot": "x", "pool": 1, "target": "nowhere"}, 404),
    ],
    ids=str,
)  # fmt: skip  # a list
def test_what_is_no_pool(api: Api, body: dict[str, object], status: int) -> None:
    assert api.status("POST", "/warm-pools", body) == status


def test_a_pool_that_is_not_there(api: Api) -> None:
    assert api.status("PATCH", f"/warm-pools/{uuid4()}", {"pool": 1}) == 404
    assert api.status("DELETE", f"/warm-pools/{uuid4()}") == 404


# -- Registries and files of builds -------------------------------------------------------------------------------


def test_a_registry_is_remembered_changed_and_forgotten(api: Api) -> None:
    made = api.make("/docker-registry", **REGISTRY)
    path = f"/docker-registry/{made['id']}"
    assert made["registryType"] == "organization"
    assert "hidden" not in json.dumps(made)
    assert made in api.get("/docker-registry")
    changed = api.call("PATCH", path, {"name": "theirs", "url": REGISTRY["url"], "username": "you"}).json
    assert (changed["name"], changed["username"]) == ("theirs", "you")
    assert api.get(path) == changed
    assert api.status("PATCH", path, {"name": "half"}) == 400
    assert [api.status("DELETE", path), api.status("GET", path)] == [204, 404]


@pytest.mark.parametrize(
    "wrong", [{}, {**REGISTRY, "url": ""}, {**REGISTRY, "name": ""}, {**REGISTRY, "password": 1}], ids=str
)
def test_half_a_registry_is_refused(api: Api, wrong: dict[str, object]) -> None:
    assert api.status("POST", "/docker-registry", wrong) == 400


def test_the_store_for_files_of_builds_is_lent_for_a_while(api: Api) -> None:
    lent = api.get("/object-storage/push-access")
    assert lent["storageUrl"].startswith("http")
    assert all(
        lent[key] for key in ("accessKey", "secret", "sessionToken", "organizationId", "bucket", "region")
    )
