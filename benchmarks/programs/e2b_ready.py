"""E2B's client as far as it comes without a platform of its own kind: imported, and configured. `e2b_ready.py SCALE`."""

from __future__ import annotations

from meter import Meter

meter = Meter()
from e2b import ConnectionConfig, Sandbox  # noqa: E402 - the clock is running

ConnectionConfig(api_key="e2b_" + "0" * 40)
assert callable(Sandbox)
meter.ready()
meter.report()
