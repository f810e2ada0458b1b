"""Spans and durations of operations, through the OpenTelemetry API alone.

A program that wants to see them sets up the OpenTelemetry SDK as it always does, and switches them on with
`DaytonaConfig(otel_enabled=True)` or `DAYTONA_OTEL_ENABLED=true`. Otherwise this module is not even imported.

Every operation is a span `Class.method` with the attributes `component` and `method`, and a value of the histogram
`class_method_duration`, in milliseconds, which also has `status`. Requests carry the trace on (`traceparent`).
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.metrics import Histogram

__all__ = ["Telemetry"]

SCOPE: Final = "daytona-sdk-python"
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|\.")


class Telemetry:
    """What one client reports.

    Args:
        blocking: Whether its operations go by the names of the blocking classes.
    """

    def __init__(self, *, blocking: bool) -> None:
        self._prefix = "" if blocking else "Async"
        self._histograms: dict[str, Histogram] = {}

    @cached_property
    def _tracer(self) -> trace.Tracer:
        return trace.get_tracer(SCOPE)

    @cached_property
    def _meter(self) -> metrics.Meter:
        return metrics.get_meter(SCOPE)

    @contextmanager
    def operation(self, class_name: str, method: str) -> Generator[None]:
        """Report what happens inside as one operation."""
        component = self._prefix + {"AsyncClient": "Daytona"}.get(
            class_name, class_name.removeprefix("Async")
        )
        name = f"{component}.{method}"
        attributes = {"component": component, "method": method}
        started, status = time.perf_counter(), "error"
        with self._tracer.start_as_current_span(
            name, attributes=attributes, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, str(error)))
                raise
            else:
                status = "success"
                span.set_status(Status(StatusCode.OK))
            finally:
                elapsed = (time.perf_counter() - started) * 1000
                self._histogram(name).record(elapsed, {**attributes, "status": status})

    def _histogram(self, name: str) -> Histogram:
        if name not in self._histograms:
            metric = _WORD_START.sub("_", name).lower()
            self._histograms[name] = self._meter.create_histogram(f"{metric}_duration", unit="ms")
        return self._histograms[name]

    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields that carry the running trace on."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return list(carrier.items())
