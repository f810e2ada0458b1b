"""Secrets as the REST API has them."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

VALUE = "the-value-of-a-secret"


@pytest.fixture
def name() -> str:
    return f"S_{uuid.uuid4().hex[:10]}"


def _make(platform: Platform, name: str, **more: object) -> Any:
    answer = platform.api("POST", "/secret", {"name": name, "value": VALUE, **more})
    assert answer.status == 201, answer.body
    return answer.json


def test_no_answer_holds_a_value(platform: Platform, name: str) -> None:
    secret = _make(platform, name, description="d", hosts=["api.example.com", "*.example.org"])
    answers = [
        platform.api("GET", f"/secret/{secret['id']}"),
        platform.api("GET", "/secret"),
        platform.api("GET", "/secret/paginated"),
        platform.api("PATCH", f"/secret/{secret['id']}", {"value": VALUE}),
    ]
    assert all(answer.status == 200 for answer in answers)
    assert VALUE not in json.dumps([answer.json for answer in answers])
    assert secret["placeholder"].startswith("dtn_secret_")
    assert (secret["description"], secret["hosts"]) == ("d", ["api.example.com", "*.example.org"])


def test_a_change_leaves_what_it_does_not_name(platform: Platform, name: str) -> None:
    secret = _make(platform, name, description="d", hosts=["a.b"])
    changed = platform.api("PATCH", f"/secret/{secret['id']}", {"hosts": []}).json
    assert (changed["hosts"], changed["description"]) == ([], "d")
    assert changed["placeholder"] == secret["placeholder"]
    cleared = platform.api("PATCH", f"/secret/{secret['id']}", {"description": None}).json
    assert cleared["description"] is None


def test_a_name_is_unique_until_it_is_free_again(platform: Platform, name: str) -> None:
    secret = _make(platform, name)
    assert platform.api("POST", "/secret", {"name": name, "value": "x"}).status == 409
    assert platform.api("DELETE", f"/secret/{secret['id']}").status == 204
    assert platform.api("DELETE", f"/secret/{secret['id']}").status == 404
    _make(platform, name)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "1a"},
        {"name": "a b"},
        {"name": ""},
        {"value": ""},
        {"value": None},
        {"hosts": ["a:80"]},
        {"hosts": ["http://a"]},
        {"hosts": ["*"]},
    ],
)
def test_what_cannot_be_a_secret(platform: Platform, name: str, changes: dict[str, object]) -> None:
    assert platform.api("POST", "/secret", {"name": name, "value": "v", **changes}).status == 400


def test_pages_follow_each_other(platform: Platform) -> None:
    prefix = f"P{uuid.uuid4().hex[:8]}"
    made = [_make(platform, f"{prefix}_{number}")["name"] for number in range(5)]
    for order, wanted in (("asc", made), ("desc", made[::-1])):
        seen: list[str] = []
        cursor = ""
        while True:
            path = f"/secret/paginated?name={prefix}&sort=name&order={order}&limit=2&cursor={cursor}"
            page = platform.api("GET", path).json
            assert page["total"] == 5
            seen += [item["name"] for item in page["items"]]
            if page["nextCursor"] is None:
                break
            cursor = page["nextCursor"]
        assert seen == wanted


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "sort=value", "order=up", "cursor=x"])
def test_a_listing_without_sense_is_refused(platform: Platform, query: str) -> None:
    assert platform.api("GET", f"/secret/paginated?{query}").status == 400


def test_an_unknown_secret_cannot_be_attached(platform: Platform, name: str) -> None:
    assert platform.api("POST", "/sandbox", {"secrets": [{"KEY": name}]}).status == 404
    _make(platform, name)
    assert platform.api("POST", "/sandbox", {"secrets": [{"A=B": name}]}).status == 400
