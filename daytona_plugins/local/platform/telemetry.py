"""Who is told what sandboxes use: whoever asks, or the collector that a sandbox or the organization names.

What goes to a collector is not told here as well, as on the hosted platform. There are no logs and no traces: those of programs are
theirs to send, and `DAYTONA_OTEL_ENDPOINT` in a sandbox says where.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from daytona_plugins.local.platform.body import read_body
from daytona_plugins.local.platform.collectors import Collector, is_endpoint
from daytona_plugins.local.platform.load import Load
from daytona_plugins.local.platform.regions import require_ours
from daytona_plugins.local.platform.times import iso, seconds_of
from daytona_plugins.local.platform.views import number
from daytona_plugins.local.web import HTTPError, Response, json_response
from daytona_plugins.local.work import Work

if TYPE_CHECKING:
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.web import Handler, Query, Request, Router


class Telemetry:
    """The routes of reports, and what is sent without being asked for."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._collectors = sandboxes.collectors
        self._load = Load(sandboxes, self._tell)
        self._sending = Work()

    def add_to(self, router: Router) -> None:
        """Register every route."""
        one = "/api/sandbox/{sandbox}/telemetry"
        router.add("GET", f"{one}/metrics", self.metrics)
        for kind in ("logs", "traces"):
            router.add(
                "GET", f"{one}/{kind}", self._nothing({"items": [], "total": 0, "page": 1, "totalPages": 0})
            )
        router.add("GET", f"{one}/traces/{{trace}}", self._nothing([]))
        router.add("PUT", "/api/organizations/{organization}/otel-config", self.set_collector)
        router.add("DELETE", "/api/organizations/{organization}/otel-config", self.forget_collector)

    async def tick(self) -> None:
        """Look at what runs when it is time to."""
        await self._load.tick()

    async def close(self) -> None:
        """Finish what is being sent."""
        await self._sending.finish()

    async def metrics(self, request: Request) -> Response:
        """Say what a sandbox has used, a value a minute."""
        record = self._sandboxes.get(request.params["sandbox"])
        start, end = _range(request.query)
        found = [] if self._collectors.of(record) else await self._load.between(record, start, end)
        wanted = {*request.query.all("metricNames"), *request.query.all("metricNames[]")}
        names = [name for name in (found[0][1] if found else ()) if not wanted or name in wanted]
        series = [
            {
                "metricName": name,
                "dataPoints": [{"timestamp": iso(at), "value": number(point[name])} for at, point in found],
            }
            for name in names
        ]
        return json_response({"series": series})

    def _nothing(self, answer: object) -> Handler:
        async def report(request: Request) -> Response:
            self._sandboxes.get(request.params["sandbox"])
            _range(request.query)
            return json_response(answer)

        return report

    async def set_collector(self, request: Request) -> Response:
        """Send the metrics of all sandboxes to a collector from now on."""
        require_ours(request.params["organization"])
        body = await read_body(request, Collector)
        if not is_endpoint(body.endpoint):
            raise HTTPError(400, "endpoint is the address of a collector, like http://collector.example:4318")
        self._collectors.set(Collector(endpoint=body.endpoint, headers=body.headers))
        return Response(204)

    async def forget_collector(self, request: Request) -> Response:
        """Send them to nobody, unless a sandbox asks for it."""
        require_ours(request.params["organization"])
        self._collectors.forget()
        return Response(204)

    def _tell(self, records: list[Record]) -> None:
        if all(self._collectors.of(record) is None for record in records):
            return
        from daytona_plugins.local.platform import otlp  # it loads a client for HTTP, and few tell anybody

        told: dict[tuple[str, frozenset[tuple[str, str]]], list[dict[str, object]]] = {}
        for record in records:
            collector, latest = self._collectors.of(record), self._load.latest(record)
            if collector is not None and latest is not None:
                to = (collector.endpoint, frozenset((collector.headers or {}).items()))
                told.setdefault(to, []).append(otlp.resource_metrics(record, *latest))
        for (endpoint, headers), metrics in told.items():
            self._sending.begin(asyncio.to_thread(otlp.send, endpoint, dict(headers), metrics))


def _range(query: Query) -> tuple[float, float]:
    try:
        start, end = (datetime.fromisoformat(query.first(name)) for name in ("from", "to"))
    except ValueError as error:
        raise HTTPError(400, "from and to are needed: ISO 8601 dates and times") from error
    return seconds_of(start), seconds_of(end)
