"""Whatever is sent, it is answered as the protocol answers mistakes: a platform that says 500 has been surprised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.schemas import RESPONSES

if TYPE_CHECKING:
    from tests.conformance.api import Api

TAKE_NOTHING = {"DELETE /sandbox/{sandboxIdOrName}", "POST /sandbox/{sandboxIdOrName}/start"}
OPERATIONS = [operation.split() for operation in RESPONSES if operation not in TAKE_NOTHING]
JUNK: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, "", "x", "\0", "\ud800", "9" * 5000, [], [[]], {}, {"a": {"b": []}}, [1, "a", None],
]  # fmt: skip  # a list
KEYS = [
    "name", "snapshot", "user", "env", "labels", "public", "networkBlockAll", "networkAllowList",
    "domainAllowList", "target", "cpu", "memory", "disk", "gpu", "gpuType", "autoStopInterval",
    "autoArchiveInterval", "autoDeleteInterval", "ttlMinutes", "volumes", "buildInfo", "linkedSandbox",
    "secrets", "spot", "queueTimeout", "outboundProxyUrl", "imageName", "entrypoint", "regionId",
    "sandboxClass", "value", "description", "hosts", "pool", "url", "username", "password", "project",
    "includeMemory", "activityType",
]  # fmt: skip  # a list
QUERY = [
    "cursor", "limit", "id", "name", "labels", "states", "snapshots", "regionIds", "sandboxClasses", "minCpu",
    "maxDiskGiB", "isPublic", "createdAtAfter", "lastEventBefore", "sort", "order", "page", "expiresInSeconds",
    "expiresInMinutes", "token", "from", "to", "follow", "force", "skipStart", "includeDeleted",
    "sourceSandboxId", "includeDestroyed",
]  # fmt: skip  # a list
LISTS = ("/sandbox", "/snapshots", "/secret/paginated")
TEXTS = [
    "", "x", "-1", "9" * 5000, "%00", "%FF", "1e999", "%EF%BC%92", "[]", "null", "2026-13-45T99:99:99Z", "AAAA",
]  # fmt: skip  # a list


def surprised(api: Api, method: str, path: str, body: Any = None) -> list[str]:
    answer = api.call(method, path, body)
    return [f"{method} {path[:200]} {str(body)[:100]}"] if answer.status == 500 else []


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_junk_is_refused(api: Api, box: Any, stopped: Any, operation: list[str]) -> None:
    """With the id of a sandbox that is stopped, and is given nothing that would be right."""
    method, route = operation
    path = re.sub(r"\{sandboxId(OrName)?\}", stopped["id"], route)
    found: list[str] = []
    if "{" in path:
        for text in TEXTS:
            found += surprised(api, method, re.sub(r"\{\w+\}", text or "x", path))
    path = re.sub(r"\{\w+\}", "1", path)
    if method == "GET":
        names = QUERY if operation[1] in LISTS else []
        for text in TEXTS:
            found += surprised(api, method, f"{path}?" + "&".join(f"{name}={text}" for name in QUERY))
            for name in names:  # one at a time, for the first one that is refused hides the others
                found += surprised(api, method, f"{path}?{name}={text}")
    elif method != "DELETE":
        for value in JUNK:
            found += surprised(api, method, path, dict.fromkeys(KEYS, value))
            found += surprised(api, method, path, value if value is not None else b"null")
    assert found == []
