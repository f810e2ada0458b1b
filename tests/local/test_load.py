"""What sandboxes use, measured from outside: once a minute, told to who asks, or to the collector that they name."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from daytona_plugins.local.platform import otlp
from daytona_plugins.local.platform.collectors import Collector
from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.load import FRESH, KEPT, PERIOD, Load
from daytona_plugins.local.platform.telemetry import Telemetry
from daytona_plugins.local.runtime.usage import age_of, processor_seconds_of
from tests.local.fake_driver import FakeSandbox, fake_sandboxes
from tests.local.http_server import QuietHandler, web_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import pytest

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes

CPU = "daytona.sandbox.cpu.utilization"
MEMORY = "daytona.sandbox.memory.usage"


class Clock:
    """A time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


def in_a_platform(scenario: Callable[[Sandboxes, Record, Clock], Awaitable[None]], **body: Any) -> None:
    """Run *scenario* with a sandbox whose process 1 is this one."""

    async def run() -> None:
        clock = Clock()
        async with fake_sandboxes(clock=clock) as (sandboxes, _driver):
            record = await sandboxes.create(new_record(CreateSandbox(**body), clock()))
            become_real(sandboxes, record)
            await scenario(sandboxes, record, clock)

    asyncio.run(run())


def become_real(sandboxes: Sandboxes, record: Record) -> None:
    running = sandboxes.running(record.id)
    assert isinstance(running, FakeSandbox)
    running.pid = os.getpid()


def test_a_process_has_an_age_and_uses_processors() -> None:
    assert age_of(os.getpid()) > 0
    assert processor_seconds_of(os.getpid()) > 0
    assert (age_of(2**22 + 1), processor_seconds_of(2**22 + 1)) == (0, 0)


def test_whoever_asks_gets_a_value_of_now() -> None:
    async def scenario(sandboxes: Sandboxes, record: Record, clock: Clock) -> None:
        load = Load(sandboxes)
        ((at, point),) = await load.between(record, clock.now - 1, clock.now)
        assert at == clock.now
        assert point[MEMORY] > 1e6
        assert point[CPU] > 0
        assert point["daytona.sandbox.cpu.limit"] == os.cpu_count()
        clock.now += FRESH / 2
        assert len(await load.between(record, 0, clock.now)) == 1  # that is new enough

    in_a_platform(scenario)


def test_a_minute_has_one_value_and_hours_are_kept() -> None:
    async def scenario(sandboxes: Sandboxes, record: Record, clock: Clock) -> None:
        load = Load(sandboxes)
        for _ in range(3):
            await load.tick()
            clock.now += PERIOD / 2
        assert load.latest(record) is not None
        clock.now = 1200.0
        for _ in range(3):
            clock.now += FRESH
            await load.between(record, 0, clock.now)
        found = await load.between(record, 0, clock.now)
        assert [at for at, _point in found] == [660.0, 1215.0]
        assert await load.between(record, 700, 1000) == []
        for _ in range(KEPT + 1):
            clock.now += PERIOD
            await load.tick()
        assert len(await load.between(record, 0, clock.now)) == KEPT

    in_a_platform(scenario)


def test_what_does_not_run_is_not_looked_at() -> None:
    async def scenario(sandboxes: Sandboxes, record: Record, clock: Clock) -> None:
        load = Load(sandboxes)
        stopped = await sandboxes.stop(record)
        assert await load.between(stopped, 0, clock.now) == []

    in_a_platform(scenario)


def service_names(body: Any) -> list[str]:
    """Return whom a collector was told of."""
    attributes = (one["resource"]["attributes"] for one in body["resourceMetrics"])
    return [
        pair["value"]["stringValue"]
        for pairs in attributes
        for pair in pairs
        if pair["key"] == "service.name"
    ]


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, Any, Any]]]]:
    """Yield the address of a collector, and what it is told: path, headers, body."""
    told: list[tuple[str, Any, Any]] = []

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.path, self.headers, json.loads(body)))
            self.send_response(200)
            self.end_headers()

    with web_server(Handler) as address:
        yield address, told


def test_the_collector_of_a_sandbox_is_told_each_minute() -> None:
    with collector() as (endpoint, told):

        async def scenario(sandboxes: Sandboxes, record: Record, clock: Clock) -> None:
            telemetry = Telemetry(sandboxes)
            await telemetry.tick()
            clock.now += PERIOD
            await telemetry.tick()
            await telemetry.close()
            ((path, _headers, body),) = told
            (resource,) = body["resourceMetrics"]
            assert path == "/v1/metrics"
            assert service_names(body) == [f"sandbox-{record.id}"]
            gauges = {
                one["name"]: one["gauge"]["dataPoints"][0] for one in resource["scopeMetrics"][0]["metrics"]
            }
            assert gauges[MEMORY]["asDouble"] > 1e6
            assert gauges[CPU]["timeUnixNano"] == str(int(clock.now * 1e9))

        in_a_platform(scenario, otel_endpoint_override=endpoint)


def test_the_collector_of_the_organization_is_told_of_everything_else() -> None:
    with collector() as (endpoint, told):

        async def scenario(sandboxes: Sandboxes, record: Record, clock: Clock) -> None:
            telemetry = Telemetry(sandboxes)
            sandboxes.collectors.set(Collector(endpoint=endpoint, headers={"X-Key": "k"}))
            clock.now += PERIOD
            await telemetry.tick()
            await telemetry.close()
            sandboxes.collectors.forget()
            clock.now += PERIOD
            await telemetry.tick()
            await telemetry.close()
            ((_path, headers, _body),) = told
            assert headers["X-Key"] == "k"

        in_a_platform(scenario)


def test_the_headers_of_the_organization_are_sent_with_its_own_metrics_only() -> None:
    with collector() as (endpoint, told):

        async def scenario(sandboxes: Sandboxes, record: Record, clock: Clock) -> None:
            telemetry = Telemetry(sandboxes)
            sandboxes.collectors.set(Collector(endpoint=endpoint, headers={"X-Key": "k"}))
            overriding = CreateSandbox(otel_endpoint_override=endpoint)
            names_it = await sandboxes.create(new_record(overriding, clock()))
            become_real(sandboxes, names_it)
            clock.now += PERIOD
            await telemetry.tick()
            await telemetry.close()
            assert {headers["X-Key"]: service_names(body) for _path, headers, body in told} == {
                "k": [f"sandbox-{record.id}"],
                None: [f"sandbox-{names_it.id}"],
            }

        in_a_platform(scenario)


def test_a_collector_that_redirects_is_told_nothing_and_nobody_else_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Redirecting(QuietHandler):
        def do_POST(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{elsewhere}/v1/metrics")
            self.end_headers()

    class Elsewhere(QuietHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["X-Key"])
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET

    asked: list[str] = []
    with web_server(Elsewhere) as elsewhere, web_server(Redirecting) as endpoint:
        otlp.send(endpoint, {"X-Key": "k"}, [])
        assert asked == []
        assert f"{endpoint}/v1/metrics does not take metrics: HTTP Error 302" in caplog.text


def test_a_collector_that_is_not_there_harms_nobody() -> None:
    async def scenario(sandboxes: Sandboxes, record: Record, clock: Clock) -> None:
        telemetry = Telemetry(sandboxes)
        clock.now += PERIOD
        await telemetry.tick()
        await telemetry.close()
        assert (await sandboxes.start(record)).state == "started"

    in_a_platform(scenario, otel_endpoint_override="http://127.0.0.1:9")
