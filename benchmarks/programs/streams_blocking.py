"""Logs, by either blocking client: `streams_blocking.py SCALE`.

The log of command `FRAME-TOTAL` comes in frames of so many bytes, and is so many bytes long.
"""

from __future__ import annotations

import asyncio

from meter import SANDBOX, Meter

from daytona import Daytona

MIB = 1 << 20
LOGS = {4096: 32 * MIB, 128: 2 * MIB, 32768: 64 * MIB}

meter = Meter()
process = Daytona().get(SANDBOX).process
received = 0


def count(text: str) -> None:
    """Count what arrives."""
    global received
    received += len(text)


asyncio.run(process.get_session_command_logs_async("session", "128-128", count, count))  # loads what it takes
for frame, total in LOGS.items():
    size = max(frame, meter.count(total) // frame * frame)
    received = 0
    with meter.timing(f"log_{frame}", size / MIB):
        asyncio.run(process.get_session_command_logs_async("session", f"{frame}-{size}", count, count))
    assert received == size, (received, size)
meter.report()
