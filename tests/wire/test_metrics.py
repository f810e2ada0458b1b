"""The history of a sandbox's load: asked of the API, or of the analytics service if the platform has one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from daytona import DaytonaConfig
from daytona.models.system import SandboxMetrics
from tests.conftest import open_client
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

FIRST, SECOND = "2026-01-02T03:04:00.000Z", "2026-01-02T03:05:00.5Z"
START, END = datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 2, 4)
VALUES = [
    ("daytona.sandbox.cpu.utilization", SECOND, 12.5),
    ("daytona.sandbox.cpu.utilization", FIRST, 25),
    ("daytona.sandbox.cpu.limit", SECOND, 2.0),
    ("daytona.sandbox.memory.usage", SECOND, 1000),
    ("daytona.sandbox.memory.limit", SECOND, 4000),
    ("daytona.sandbox.memory.cache", SECOND, 300),
    ("daytona.sandbox.filesystem.usage", SECOND, 50),
    ("daytona.sandbox.filesystem.total", SECOND, 90),
    ("daytona.sandbox.of.the.future", SECOND, 7),
]
NAMES = [name for name, _, _ in VALUES[1:-1]]


class Platform:
    """Answers as the API does, and as an analytics service if it *has_analytics*."""

    def __init__(self, *, has_analytics: bool) -> None:
        self._has_analytics = has_analytics

    def __call__(self, request: Recorded) -> Reply:
        host = f"http://{request.headers['Host']}"
        if request.path == "/api/config":
            return as_json({"analyticsApiUrl": f"{host}/analytics"} if self._has_analytics else {})
        if request.path.startswith("/analytics/"):
            return as_json([{"metricName": n, "timestamp": t, "value": v} for n, t, v in VALUES])
        if request.path.endswith("/telemetry/metrics"):
            series = [{"metricName": n, "dataPoints": [{"timestamp": t, "value": v}]} for n, t, v in VALUES]
            return as_json({"series": series})
        return as_json({"id": "sb 1", "organizationId": "org/1", "createdAt": "2026-01-01T00:00:00.000Z"})


@pytest.mark.parametrize("has_analytics", [False, True])
async def test_series_become_points_in_time(face: str, has_analytics: bool) -> None:
    with StubServer(Platform(has_analytics=has_analytics)) as server:
        async with open_client(face, DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api")) as daytona:
            found = await (await daytona.get("sb 1")).get_metrics(START, END)
        asked = server.requests[-1]
    assert found == [
        SandboxMetrics(0, 25, 0, 0, 0, 0, 0, datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        SandboxMetrics(2, 12.5, 90, 50, 4000, 1000, 300, datetime(2026, 1, 2, 3, 5, 0, 500_000, UTC)),
    ]
    assert asked.headers["Authorization"] == "Bearer KEY"
    query = parse_qs(asked.target.partition("?")[2])
    if has_analytics:
        assert asked.path == "/analytics/organization/org%2F1/sandbox/sb%201/telemetry/metrics"
        assert (query["from"], query["to"]) == (["2026-01-02T03:00:00+00:00"], ["2026-01-02T04:00:00+00:00"])
        names = query["metricNames"][0].split(",")
    else:
        assert asked.path == "/api/sandbox/sb%201/telemetry/metrics"
        assert query["from"] == ["2026-01-02T03:00:00.000000+0000"]
        assert query["to"] == ["2026-01-02T04:00:00.000000+0000"]
        names = query["metricNames"]
    assert sorted(names) == sorted(NAMES)


async def test_the_whole_life_is_the_default(face: str) -> None:
    before = datetime.now(UTC)
    with StubServer(Platform(has_analytics=False)) as server:
        async with open_client(face, DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api")) as daytona:
            await (await daytona.get("sb 1")).get_metrics()
        query: Any = parse_qs(server.requests[-1].target.partition("?")[2])
    assert query["from"] == ["2026-01-01T00:00:00.000000+0000"]
    assert before <= datetime.strptime(query["to"][0], "%Y-%m-%dT%H:%M:%S.%f%z") <= datetime.now(UTC)
