"""What all sandboxes together may have: nothing is limited until somebody says so, and then it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.quotas import Usage, usage
from daytona_plugins.local.platform.regions import ORGANIZATION_ID
from daytona_plugins.local.platform.states import Desired, State
from tests.local.platform_process import running_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.platform_process import Platform

QUOTA = f"/organizations/{ORGANIZATION_ID}/quota/local"
NO_LIMIT = dict.fromkeys(("totalCpuQuota", "totalMemoryQuota", "totalDiskQuota", "totalGpuQuota"))


@pytest.mark.parametrize(
    ("state", "desired", "expected"),
    [
        ("started", "started", Usage(1, 1, 3)),
        ("stopped", "stopped", Usage(0, 0, 3)),
        ("paused", "paused", Usage(0, 0, 3)),
        ("snapshotting", "started", Usage(1, 1, 3)),
        ("snapshotting", "stopped", Usage(0, 0, 3)),
        ("archived", "archived", Usage()),
        ("error", "started", Usage()),
    ],
)
def test_what_counts_in_which_state(state: str, desired: str, expected: Usage) -> None:
    record = new_record(CreateSandbox(), 0.0)
    assert usage([msgspec.structs.replace(record, state=State(state), desired=Desired(desired))]) == expected


@pytest.fixture(scope="module")
def own_platform() -> Iterator[Platform]:
    with running_platform() as platform:
        yield platform


def test_a_quota_holds_for_what_runs(own_platform: Platform) -> None:
    first = own_platform.create()["id"]
    assert own_platform.api("PATCH", QUOTA, {**NO_LIMIT, "totalCpuQuota": 1}).status == 204
    used = own_platform.api("GET", f"/organizations/{ORGANIZATION_ID}/usage").json["regionUsage"][0]
    assert (used["currentCpuUsage"], used["totalCpuQuota"]) == (1, 1)
    refused = own_platform.api("POST", "/sandbox", {})
    assert refused.status == 400
    assert refused.json["message"].startswith("cpu quota exceeded: 1 of 1")
    assert own_platform.api("POST", f"/sandbox/{first}/fork", {}).status == 400
    assert own_platform.api("POST", f"/sandbox/{first}/resize", {"cpu": 2}).status == 400
    assert own_platform.api("POST", f"/sandbox/{first}/stop").status == 200
    second = own_platform.create(autoDeleteInterval=0)["id"]
    assert own_platform.api("POST", f"/sandbox/{first}/start").status == 400
    own_platform.stop()
    own_platform.start()
    assert own_platform.api("GET", f"/sandbox/{second}/region-quota").status == 404  # it was ephemeral
    assert own_platform.api("GET", f"/sandbox/{first}/region-quota").json["totalCpuQuota"] == 1
    assert own_platform.api("PATCH", QUOTA, NO_LIMIT).status == 204
    assert own_platform.api("POST", f"/sandbox/{first}/start").status == 200
    own_platform.delete_all()


def test_a_quota_holds_for_each(own_platform: Platform) -> None:
    assert own_platform.api("PATCH", QUOTA, {**NO_LIMIT, "maxDiskPerSandbox": 2}).status == 204
    refused = own_platform.api("POST", "/sandbox", {})
    assert (refused.status, "disk of 3 exceeds the maximum of 2" in refused.json["message"]) == (400, True)
    assert own_platform.api("PATCH", QUOTA, NO_LIMIT).status == 204


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (QUOTA, {"totalCpuQuota": 1}, 400),
        (QUOTA, {**NO_LIMIT, "totalCpuQuota": -1}, 400),
        (QUOTA.replace("local", "mars"), NO_LIMIT, 404),
        ("/organizations/another/quota/local", NO_LIMIT, 403),
    ],
    ids=str,
)
def test_what_is_no_quota(own_platform: Platform, path: str, body: object, status: int) -> None:
    assert own_platform.api("PATCH", path, body).status == status
