"""The program that both blocking clients run: `blocking.py MEASURE COUNT`."""

from __future__ import annotations

from meter import COMMAND, SANDBOX, Meter, arguments

from daytona import Daytona


def ready(daytona: Daytona, meter: Meter, count: int) -> None:
    """Do nothing more."""


def cold(daytona: Daytona, meter: Meter, count: int) -> None:
    """Get the first answer of a command."""
    daytona.get(SANDBOX).process.exec(COMMAND)


def exec_calls(daytona: Daytona, meter: Meter, count: int) -> None:
    """Run a command, again and again."""
    process = daytona.get(SANDBOX).process
    for _ in range(count // 10):
        process.exec(COMMAND)
    with meter.timing(count):
        for _ in range(count):
            process.exec(COMMAND)


def lists(daytona: Daytona, meter: Meter, count: int) -> None:
    """Go through all sandboxes, again and again."""
    sum(1 for _ in daytona.list())
    with meter.timing(count):
        for _ in range(count):
            sum(1 for _ in daytona.list())


def create(daytona: Daytona, meter: Meter, count: int) -> None:
    """Make a sandbox and see its first output; deleting it is not counted."""
    for _ in range(count):
        with meter.one():
            sandbox = daytona.create()
            sandbox.process.exec(COMMAND)
        sandbox.delete()


def local(daytona: Daytona, meter: Meter, count: int) -> None:
    """Run a command in one real sandbox, again and again."""
    sandbox = daytona.create()
    sandbox.process.exec(COMMAND)
    with meter.timing(count):
        for _ in range(count):
            sandbox.process.exec(COMMAND)
    sandbox.delete()


MEASURES = {"ready": ready, "cold": cold, "exec": exec_calls, "list": lists, "create": create, "local": local}

meter = Meter()
name, count = arguments()
daytona = Daytona()
meter.ready()
MEASURES[name](daytona, meter, count)
meter.report()
