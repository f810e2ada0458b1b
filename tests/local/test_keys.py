"""Keys that may do a part of everything: what each needs for a request, and how long it is good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.platform.permissions import is_allowed, needed
from tests.local.platform_process import Answer, running_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.platform_process import Platform


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "sandbox", ()),
        ("GET", "sandbox/x", ()),
        ("POST", "sandbox", ("write:sandboxes",)),
        ("POST", "sandbox/x/last-activity", ()),
        ("DELETE", "sandbox/x", ("delete:sandboxes",)),
        ("DELETE", "sandbox/x%2Fssh-access", ("delete:sandboxes",)),  # one segment to the router as well
        ("DELETE", "sandbox/x/ssh-access", ("write:sandboxes",)),
        ("GET", "sandbox/x/ports/80/preview-url", ("write:sandboxes",)),
        ("GET", "sandbox/x/signing-key", ("write:sandboxes",)),
        ("POST", "snapshots/x/activate", ("write:snapshots",)),
        ("DELETE", "snapshots/x", ("delete:snapshots",)),
        ("GET", "volumes", ("read:volumes",)),
        ("DELETE", "volumes/x", ("delete:volumes",)),
        ("GET", "secret/paginated", ("manage:secrets",)),
        ("GET", "object-storage/push-access", ("write:snapshots", "write:sandboxes")),
        ("PATCH", "docker-registry/x", ("write:registries",)),
        ("GET", "api-keys/current", ()),
        ("GET", "api-keys", ("manage:api_keys",)),
        ("GET", "organizations/x/usage", ("read:limits",)),
        ("PATCH", "organizations/x/quota/local", None),
        ("POST", "something/new", None),
        ("GET", "something/new", ()),
    ],
)
def test_what_a_request_needs(method: str, path: str, expected: tuple[str, ...] | None) -> None:
    assert needed(method, f"/api/{path}") == expected


def test_one_of_several_permissions_is_enough_and_nothing_is_enough_for_what_nobody_knows() -> None:
    assert is_allowed(("write:sandboxes",), "GET", "/api/object-storage/push-access")
    assert not is_allowed(("read:volumes",), "GET", "/api/object-storage/push-access")
    assert not is_allowed(("write:sandboxes",), "POST", "/api/something/new")


@pytest.fixture(scope="module")
def own_platform() -> Iterator[Platform]:
    with running_platform() as platform:
        yield platform


def made(platform: Platform, name: str, *permissions: str, **more: object) -> str:
    answer = platform.api("POST", "/api-keys", {"name": name, "permissions": permissions, **more})
    assert (answer.status, answer.json["permissions"]) == (201, list(permissions))
    return str(answer.json["value"])


def asked(platform: Platform, key: str, method: str, path: str, body: Any = None) -> Answer:
    return platform.call(method, path, body, headers={"Authorization": f"Bearer {key}"})


def test_a_key_does_what_it_may_and_nothing_else(own_platform: Platform) -> None:
    key = made(own_platform, "maker", "write:sandboxes")
    box = asked(own_platform, key, "POST", "/api/sandbox", {}).json["id"]
    run = {"command": "echo yes"}
    ran = asked(own_platform, key, "POST", f"/toolbox/{box}/process/execute", run)
    assert ran.json["result"] == "yes\n"
    refused = asked(own_platform, key, "DELETE", f"/api/sandbox/{box}")
    assert (refused.status, refused.json["message"]) == (403, "Access denied")
    assert asked(own_platform, key, "GET", "/api/secret").status == 403
    assert asked(own_platform, key, "GET", "/api/api-keys/current").json["name"] == "maker"
    reader = made(own_platform, "reader", "read:volumes")
    assert asked(own_platform, reader, "GET", f"/api/sandbox/{box}").status == 200
    assert asked(own_platform, reader, "POST", f"/toolbox/{box}/process/execute", run).status == 401
    assert asked(own_platform, reader, "GET", f"/api/sandbox/{box}/ports/80/preview-url").status == 403


def test_a_key_is_shown_once_and_outlives_the_platform_until_it_is_revoked(own_platform: Platform) -> None:
    key = made(own_platform, "kept", "write:sandboxes")
    own_platform.stop()
    own_platform.start()
    assert asked(own_platform, key, "GET", "/api/sandbox").status == 200
    listed = own_platform.api("GET", "/api-keys").json
    assert listed[0]["name"] == "local"
    (shown,) = [one for one in listed if one["name"] == "kept"]
    assert shown["value"] == f"dtn{'*' * 20}{key[-3:]}"
    assert shown["lastUsedAt"]
    assert key.encode() not in own_platform.paths.database.read_bytes()
    assert own_platform.api("DELETE", "/api-keys/local/kept").status == 204
    assert asked(own_platform, key, "GET", "/api/sandbox").status == 401
    assert own_platform.api("GET", "/api-keys/kept").status == 404


def test_a_key_that_has_expired_is_none(own_platform: Platform) -> None:
    key = made(own_platform, "old", "write:sandboxes", expiresAt="2020-01-01T00:00:00.000Z")
    assert asked(own_platform, key, "GET", "/api/sandbox").status == 401


def test_nobody_gives_away_more_than_he_has(own_platform: Platform) -> None:
    key = made(own_platform, "manager", "manage:api_keys")
    body = {"name": "child", "permissions": ["delete:sandboxes"]}
    assert asked(own_platform, key, "POST", "/api/api-keys", body).status == 403
    body["permissions"] = ["manage:api_keys"]
    assert asked(own_platform, key, "POST", "/api/api-keys", body).status == 201
    assert asked(own_platform, key, "POST", "/api/api-keys", body).status == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x", "permissions": ["everything"]}, 400),
        ({"name": " ", "permissions": []}, 400),
        ({"name": "x"}, 400),
        ({"name": "local", "permissions": []}, 409),
    ],
    ids=str,
)
def test_what_is_no_key(own_platform: Platform, body: object, status: int) -> None:
    assert own_platform.api("POST", "/api-keys", body).status == status


def test_the_key_of_the_platform_stays(own_platform: Platform) -> None:
    assert own_platform.api("DELETE", "/api-keys/local").status == 403
    assert own_platform.api("DELETE", "/api-keys/somebody/local").status == 404
