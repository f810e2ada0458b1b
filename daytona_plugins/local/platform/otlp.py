"""What sandboxes use, told to a collector of OpenTelemetry: OTLP over HTTP, in JSON."""

from __future__ import annotations

import logging
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from daytona_plugins.local.platform.regions import ORGANIZATION_ID, REGION_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daytona_plugins.local.platform.load import Point
    from daytona_plugins.local.platform.records import Record

PATIENCE = 10.0
_UNITS = {"utilization": "%", "usage": "By", "available": "By", "total": "By", "limit": "By"}

logger = logging.getLogger(__name__)


class _NoRedirects(HTTPRedirectHandler):
    """Makes an error of an answer that leads elsewhere: the headers have secrets that are for the collector only."""

    def redirect_request(self, *_positional: object, **_named: object) -> None:
        """Return that nothing is asked instead."""


_opener = build_opener(_NoRedirects)


def resource_metrics(record: Record, at: float, point: Point) -> dict[str, object]:
    """Return what one sandbox used at one moment, as OTLP spells it."""
    attributes = {
        "service.name": f"sandbox-{record.id}",
        "daytona.organization.id": ORGANIZATION_ID,
        "daytona.region.id": REGION_ID,
    }
    return {
        "resource": {
            "attributes": [{"key": key, "value": {"stringValue": text}} for key, text in attributes.items()]
        },
        "scopeMetrics": [
            {
                "scope": {"name": "daytona"},
                "metrics": [_gauge(name, at, value) for name, value in point.items()],
            }
        ],
    }


def _gauge(name: str, at: float, value: float) -> dict[str, object]:
    unit = "{cpu}" if name.endswith("cpu.limit") else _UNITS[name.rpartition(".")[2]]
    data = {"timeUnixNano": str(int(at * 1e9)), "asDouble": value}
    return {"name": name, "unit": unit, "gauge": {"dataPoints": [data]}}


def send(endpoint: str, headers: Mapping[str, str], metrics: list[dict[str, object]]) -> None:
    """Tell a collector; what it does not take is lost, which the platform's log says."""
    url = f"{endpoint.rstrip('/')}/v1/metrics"
    content = msgspec.json.encode({"resourceMetrics": metrics})
    request = Request(url, content, {"Content-Type": "application/json", **headers})  # noqa: S310 (`is_endpoint` let it pass)
    try:
        with _opener.open(request, timeout=PATIENCE):
            pass
    except (OSError, HTTPException, ValueError) as error:
        logger.warning("%s does not take metrics: %s", url, error)
