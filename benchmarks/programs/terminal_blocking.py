"""A terminal, by either blocking client: `terminal_blocking.py SCALE`."""

from __future__ import annotations

from meter import SANDBOX, Meter

from daytona import Daytona

meter = Meter()
process = Daytona().get(SANDBOX).process
terminal = process.create_pty_session(id="terminal")
output = iter(terminal)
trips = meter.count(1000)
for _ in range(trips // 10):
    terminal.send_input(b"x")
    next(output)
with meter.timing("trip", trips):
    for _ in range(trips):
        terminal.send_input(b"x")
        next(output)
meter.threads()
terminal.disconnect()
meter.report()
