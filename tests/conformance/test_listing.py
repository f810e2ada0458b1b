"""`GET /sandbox`: filters, bounds, orders and pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from tests.conformance.api import Api

TAG = uuid4().hex[:8]
PREFIX = f"List-{TAG}"
LABEL = {"listed": PREFIX}


@pytest.fixture(scope="module")
def three(api: Api) -> list[Any]:
    """Three sandboxes, the second one public and stopped."""
    made = [
        api.create(name=f"{PREFIX}-{letter}", labels={**LABEL, "letter": letter}, public=letter == "b")
        for letter in "abc"
    ]
    api.call("POST", f"/sandbox/{made[1]['id']}/stop")
    made[1] = api.until(made[1]["id"], "stopped")
    return made


def letters(api: Api, **query: object) -> str:
    asked = {"name": PREFIX, "sort": "name", "order": "asc", **query}
    return "".join(item["name"][-1] for item in api.get("/sandbox", **asked)["items"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "abc"),
        ({"order": "desc"}, "cba"),
        ({"name": PREFIX.lower()}, "abc"),
        ({"name": PREFIX[1:]}, ""),
        ({"labels": json.dumps(LABEL)}, "abc"),
        ({"labels": json.dumps({**LABEL, "letter": "c"})}, "c"),
        ({"labels": json.dumps({**LABEL, "letter": "x"})}, ""),
        ({"states": "started"}, "ac"),
        ({"states": ["started", "stopped"]}, "abc"),
        ({"states[]": "stopped"}, "b"),
        ({"isPublic": "true"}, "b"),
        ({"isPublic": "no"}, "ac"),
        ({"isRecoverable": "true"}, ""),
        ({"minCpu": 1, "maxCpu": 64, "minMemoryGiB": 1, "minDiskGiB": 1}, "abc"),
        ({"minCpu": 65}, ""),
        ({"maxDiskGiB": 1}, ""),
        ({"minGpu": 1}, ""),
        ({"maxGpu": 1}, "abc"),
        ({"sandboxClasses": "container"}, "abc"),
        ({"sandboxClasses": ["windows", "linux-vm"]}, ""),
        ({"regionIds": "nowhere"}, ""),
        ({"snapshots": "nothing"}, ""),
        ({"createdAtAfter": "2020-01-01T00:00:00Z", "lastEventAfter": "2020-01-01T00:00:00.000Z"}, "abc"),
        ({"createdAtBefore": "2020-01-01T00:00:00Z"}, ""),
        ({"lastEventBefore": "2020-01-01T00:00:00Z"}, ""),
        ({"autoDestroyAtBefore": "2999-01-01T00:00:00Z"}, ""),
        ({"includeErroredDeleted": "true", "includeWarm": "true"}, "abc"),
    ],
    ids=lambda value: json.dumps(value).replace(TAG, "TAG") if isinstance(value, dict) else "",
)
def test_a_filter_leaves(api: Api, three: list[Any], query: dict[str, object], expected: str) -> None:
    assert letters(api, **query) == expected


def test_an_id_is_matched_by_its_beginning(api: Api, three: list[Any]) -> None:
    found = api.get("/sandbox", id=three[0]["id"][:13].upper())["items"]
    assert [item["id"] for item in found] == [three[0]["id"]]


@pytest.mark.parametrize("sort", ["name", "cpu", "memoryGib", "diskGib", "lastActivityAt", "createdAt"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_put_together_are_the_whole_list(api: Api, three: list[Any], sort: str, order: str) -> None:
    query: dict[str, object] = {"name": PREFIX, "sort": sort, "order": order, "limit": 1}
    seen: list[str] = []
    page = api.get("/sandbox", **query)
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        page = api.get("/sandbox", **query, cursor=page["nextCursor"])
    assert sorted(seen) == sorted(sandbox["id"] for sandbox in three)
    if sort == "name":
        assert seen == [sandbox["id"] for sandbox in (three if order == "asc" else three[::-1])]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "limit=1.5", "cursor=x", "cursor=%5B%5D", "cursor=bnVsbA==", "states=destroyed",
        "states=moon", "labels=x", "labels=%5B%5D", "sort=memoryGiB", "order=up", "minCpu=0", "minDiskGiB=x",
        "createdAtAfter=yesterday",
    ],
)  # fmt: skip  # a list
def test_a_question_without_sense_is_refused(api: Api, query: str) -> None:
    answer = api.call("GET", f"/sandbox?{query}")
    assert (answer.status, type(answer.json["message"])) == (400, str)


def test_an_item_is_the_shorter_sandbox(api: Api, three: list[Any]) -> None:
    item = api.get("/sandbox", id=three[0]["id"])["items"][0]
    shown = api.get(f"/sandbox/{three[0]['id']}")
    left_out = {
        "env", "volumes", "buildInfo", "backupCreatedAt", "linkedSandboxId", "kvm", "outboundProxyUrl", "otelEndpointOverride",
    }  # fmt: skip  # a list
    assert not left_out & set(item)
    both = set(item) & set(shown) - {"lastActivityAt", "updatedAt"}
    assert {key: item[key] for key in both} == {key: shown[key] for key in both}


def test_older_clients_list_by_the_number_of_a_page(api: Api, three: list[Any]) -> None:
    query: dict[str, object] = {"name": PREFIX, "sort": "name", "order": "asc", "limit": 2}
    first = api.get("/sandbox/paginated", **query)
    assert [item["id"] for item in first["items"]] == [sandbox["id"] for sandbox in three[:2]]
    assert (first["total"], first["page"], first["totalPages"]) == (3, 1, 2)
    assert [item["id"] for item in api.get("/sandbox/paginated", **query, page=2)["items"]] == [
        three[2]["id"]
    ]
    assert api.get("/sandbox/paginated", regions="elsewhere")["items"] == []
    for wrong in ({"page": 0}, {"limit": 201}, {"sort": "memoryGib"}):
        assert api.status("GET", "/sandbox/paginated", **wrong) == 400
