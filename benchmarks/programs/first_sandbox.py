"""The first sandbox of a machine: `first_sandbox.py SCALE`, with the platform's directory empty and nothing running."""

from __future__ import annotations

import logging
import subprocess
import sys
import time

from meter import COMMAND, Meter

meter = Meter()
logging.disable(logging.WARNING)
begun = time.perf_counter()
from daytona import Daytona  # noqa: E402 - the clock is running

with Daytona() as daytona:
    sandbox = daytona.create()
    sandbox.process.exec(COMMAND)
    meter.seen["first"] = time.perf_counter() - begun
    sandbox.delete(wait=True)
subprocess.run([sys.executable, "-m", "daytona.cli", "local", "stop"], check=True, capture_output=True)
meter.report()
