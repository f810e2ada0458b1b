"""Spans and durations, seen by the real OpenTelemetry SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from daytona import DaytonaConfig, DaytonaNotFoundError
from tests.conftest import open_client


@pytest.fixture(scope="session")
def exported() -> tuple[InMemorySpanExporter, InMemoryMetricReader]:
    """The process's one provider of each kind: OpenTelemetry lets a program set them once."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    return spans, reader


def traced(platform: Any) -> DaytonaConfig:
    endpoint = platform.endpoint
    return DaytonaConfig(api_key=endpoint.api_key, api_url=endpoint.api_url, otel_enabled=True)


async def test_operations_are_spans_and_durations(face: str, platform: Any, exported: Any) -> None:
    spans, reader = exported
    prefix, snake = ("", "") if face == "blocking" else ("Async", "async_")
    spans.clear()
    async with open_client(face, traced(platform)) as daytona, await daytona.create() as sandbox:
        await sandbox.fs.create_folder("x", "755")
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.fs.get_file_info("missing")
        assert [item async for item in daytona.list()]
    seen = {span.name: span for span in spans.get_finished_spans()}
    created, failed = seen[f"{prefix}FileSystem.create_folder"], seen[f"{prefix}FileSystem.get_file_info"]
    assert created.attributes == {"component": f"{prefix}FileSystem", "method": "create_folder"}
    assert created.status.is_ok
    assert not failed.status.is_ok
    assert failed.events[0].name == "exception"
    assert {
        f"{prefix}Daytona.create",
        f"{prefix}Daytona.list.fetch_page",
        f"{prefix}Sandbox.delete",
    } <= seen.keys()
    metrics_data = json.loads(reader.get_metrics_data().to_json())
    named = {
        metric["name"]: metric
        for resource in metrics_data["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
    }
    durations = named[f"{snake}file_system_get_file_info_duration"]
    assert durations["unit"] == "ms"
    assert durations["data"]["data_points"][0]["attributes"]["status"] == "error"
    assert f"{snake}daytona_create_duration" in named


def test_requests_carry_the_trace(exported: Any) -> None:
    from daytona.telemetry import Telemetry

    telemetry = Telemetry(blocking=True)
    assert telemetry.headers() == []
    with telemetry.operation("AsyncSandbox", "start"):
        ((name, value),) = telemetry.headers()
    assert name == "traceparent"
    assert value.startswith("00-")


def test_off_does_not_even_import_it() -> None:
    program = (
        "import sys; from daytona import Daytona, DaytonaConfig;"
        "Daytona(DaytonaConfig(api_key='k', api_url='http://127.0.0.1:9/api'));"
        "print([m for m in sys.modules if m.startswith('opentelemetry') or m == 'daytona.telemetry'])"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
