"""Every operation of the published API is served, or named in the table of those that are not, with the reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.platform.unserved import TABLE, Unserved
from tests.local.platform_process import running_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.platform_process import Platform

ROOT = Path(__file__).parents[2]
OPERATIONS = [line.split() for line in (ROOT / "tests/data/api_operations.txt").read_text().splitlines()]
"""Method and path of everything in the description of v0.205."""

ORGANIZATION = "/organizations/{organizationId}"
SERVED_ALL_THE_SAME = {
    ("GET", "/regions"), ("GET", "/regions/{id}"), ("PUT", "/sandbox/{sandboxIdOrName}/secrets"), ("GET", "/runners"),
    ("GET", "/users/me"), ("GET", "/users/account-providers"), ("GET", "/users/me/pending-sso-links"),
    ("GET", "/organizations"), ("GET", "/organizations/invitations"), ("GET", "/organizations/invitations/count"),
    ("GET", f"{ORGANIZATION}"), ("GET", f"{ORGANIZATION}/usage"), ("GET", f"{ORGANIZATION}/users"),
    ("GET", f"{ORGANIZATION}/roles"), ("GET", f"{ORGANIZATION}/invitations"), ("GET", f"{ORGANIZATION}/identity-providers"),
    ("GET", f"{ORGANIZATION}/available-sandbox-classes"), ("PATCH", f"{ORGANIZATION}/default-region"),
    ("PATCH", f"{ORGANIZATION}/quota/{{regionId}}"), ("PUT", f"{ORGANIZATION}/otel-config"), ("DELETE", f"{ORGANIZATION}/otel-config"),
}  # fmt: skip  # a list

UNREADABLE = b"["
"""A body that no operation carries out."""


@pytest.fixture(scope="module")
def own_platform() -> Iterator[Platform]:
    with running_platform() as platform:
        yield platform


def entry_of(method: str, path: str) -> Unserved | None:
    """Return the line of the table that an operation is in."""
    if (method, path) in SERVED_ALL_THE_SAME:
        return None
    return next((entry for entry in TABLE if matches(entry, path)), None)


def matches(entry: Unserved, path: str) -> bool:
    pattern = re.sub(r"\{\w+\}", "[^/]+", entry.path.removesuffix("/*"))
    return re.fullmatch(f"{pattern}(/.*)?" if entry.path.endswith("/*") else pattern, path) is not None


@pytest.mark.parametrize(
    ("method", "path"), [pytest.param(*operation, id=" ".join(operation)) for operation in OPERATIONS]
)
def test_an_operation_is_served_or_said_not_to_be(own_platform: Platform, method: str, path: str) -> None:
    body = UNREADABLE if method in ("POST", "PUT", "PATCH") else None
    answer = own_platform.call(method, "/api" + re.sub(r"\{\w+\}", "x1", path), body)
    entry = entry_of(method, path)
    if entry is None:
        assert answer.status != 501, answer.body
        assert b'"Cannot ' not in answer.body  # as of a path that nobody knows
    else:
        code = {403: "FORBIDDEN", 501: "NOT_IN_THIS_VERSION"}[entry.status]
        assert (answer.status, answer.json["code"]) == (entry.status, code)
        assert entry.reason in answer.json["message"]


def test_no_line_of_the_table_is_about_nothing() -> None:
    paths = {path for _, path in OPERATIONS}
    assert [entry.path for entry in TABLE if not any(matches(entry, path) for path in paths)] == []


def test_the_documentation_has_the_same_table() -> None:
    page = (ROOT / "docs/embedded-platform.md").read_text()
    assert [entry for entry in TABLE if f"| `{entry.path}` | {entry.reason} |" not in page] == []


def test_a_fork_knows_its_ancestors(own_platform: Platform) -> None:
    root = own_platform.create(autoDeleteInterval=-1)["id"]
    child = own_platform.api("POST", f"/sandbox/{root}/fork", {}).json["id"]
    grandchild = own_platform.api("POST", f"/sandbox/{child}/fork", {}).json["id"]
    found = own_platform.api("GET", f"/sandbox/{grandchild}/ancestors").json
    assert [sandbox["id"] for sandbox in found] == [root, child]
    assert own_platform.api("GET", f"/sandbox/{root}/ancestors").json == []
    own_platform.delete_all()


def test_pages_of_other_origins_may_ask_with_the_key(own_platform: Platform) -> None:
    origin = {"Origin": "https://page.example", "Authorization": ""}
    asked = {
        **origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    permitted = own_platform.call("OPTIONS", "/api/sandbox", headers=asked)
    assert permitted.status == 204
    assert permitted.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert permitted.headers["Access-Control-Allow-Headers"] == "authorization"
    assert "POST" in permitted.headers["Access-Control-Allow-Methods"]
    refused = own_platform.call("GET", "/api/sandbox", headers=origin)
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://page.example")
    assert refused.headers["Access-Control-Allow-Credentials"] is None
    answered = own_platform.call("GET", "/api/sandbox", headers={"Origin": "https://page.example"})
    assert (answered.status, answered.headers["Vary"]) == (200, "Origin")
    assert own_platform.call("GET", "/api/sandbox").headers["Access-Control-Allow-Origin"] is None
