"""The load of a sandbox, now and over time: which service has it, and how its series become points in time."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec

from ..models.platform import DaytonaConfiguration, MetricPoint, MetricsResponse
from ..models.system import SandboxMetrics
from ..service import Api, segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..models.sandbox import SandboxData
    from ..models.system import SystemMetrics

FIELDS: Final = {
    "daytona.sandbox.cpu.utilization": "cpu_used_pct",
    "daytona.sandbox.cpu.limit": "cpu_count",
    "daytona.sandbox.memory.usage": "mem_used",
    "daytona.sandbox.memory.limit": "mem_total",
    "daytona.sandbox.memory.cache": "mem_cache",
    "daytona.sandbox.filesystem.usage": "disk_used",
    "daytona.sandbox.filesystem.total": "disk_total",
}
"""Names of the wire, and where we keep their values."""


def record_of(now: SystemMetrics) -> SandboxMetrics:
    """Return what a sandbox says of its load now; what it does not know is 0."""
    return SandboxMetrics(
        cpu_count=now.cpu_count or 0,
        cpu_used_pct=float(now.cpu_used_pct or 0),
        disk_total=now.disk_total or 0,
        disk_used=now.disk_used or 0,
        mem_total=now.mem_total or 0,
        mem_used=now.mem_used or 0,
        mem_cache=now.mem_cache or 0,
        timestamp=parsed(now.timestamp),
    )


def moment(time: datetime) -> datetime:
    """Return *time* with a zone; without one it is meant in UTC."""
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def parsed(text: str | None) -> datetime:
    """Return the time that the platform wrote; the present when it wrote none that can be read."""
    if text is not None:
        with suppress(msgspec.ValidationError):
            return msgspec.convert(text, datetime)
    return datetime.now(UTC)


async def ask(api: Api, sandbox: SandboxData, start: datetime, end: datetime) -> list[MetricPoint]:
    """Return the values of all metrics from *start* to *end*, from the service that has them."""
    platform = await api.call("GET", "/config", into=DaytonaConfiguration)
    if platform.analytics_api_url:
        return await _ask_analytics(api, platform.analytics_api_url, sandbox, start, end)
    answer = await api.call(
        "GET",
        f"/sandbox/{segment(sandbox.id)}/telemetry/metrics",
        query={"from": start, "to": end, "metricNames": list(FIELDS)},
        into=MetricsResponse,
    )
    return [
        MetricPoint(series.metric_name, point.timestamp, point.value)
        for series in answer.series
        for point in series.data_points
    ]


async def _ask_analytics(
    api: Api, url: str, sandbox: SandboxData, start: datetime, end: datetime
) -> list[MetricPoint]:
    analytics = Api(api.transport, (await api.endpoint()).at(url), sandbox.id)
    organization = segment(sandbox.organization_id or "")
    return await analytics.call(
        "GET",
        f"/organization/{organization}/sandbox/{segment(sandbox.id)}/telemetry/metrics",
        query={"from": start.isoformat(), "to": end.isoformat(), "metricNames": ",".join(FIELDS)},
        into=list[MetricPoint],
    )


def by_time(points: Iterable[MetricPoint]) -> list[SandboxMetrics]:
    """Return one record for each time at which anything was measured, in their order; what was not is 0."""
    known = sorted((point for point in points if point.metric_name in FIELDS), key=lambda one: one.timestamp)
    return [_record(at, list(group)) for at, group in groupby(known, key=lambda one: one.timestamp)]


def _record(at: str, points: list[MetricPoint]) -> SandboxMetrics:
    values = dict.fromkeys(FIELDS.values(), 0) | {FIELDS[one.metric_name]: one.value for one in points}
    whole = {name: round(value) for name, value in values.items() if name != "cpu_used_pct"}
    return msgspec.convert(
        {**whole, "cpu_used_pct": values["cpu_used_pct"], "timestamp": at}, SandboxMetrics, strict=False
    )
