"""Python code that draws charts: what runs it, and how its charts come back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from daytona_plugins.local.agent.command import text_file

# Read now, because inside a sandbox our files cannot be seen.
RUNTIME: Final = Path(__file__).with_name("chart_runtime.py").read_text("utf-8")
STARTER: Final = (
    'exec(compile(open("/proc/self/fd/{runtime}").read(), "<daytona>", "exec"),'
    ' {{"__name__": "daytona_charts", "CODE": {code}, "CHARTS": {charts}}})\n'
)
CHARTS_LIMIT: Final = 64 * 1024 * 1024


def draws(code: str) -> bool:
    """Return whether Python code may draw: running it for nothing in the way of such code changes nothing."""
    return "matplotlib" in code or "pylab" in code


class Drawing:
    """One run of code that draws: its files lie in memory, and nowhere else."""

    def __init__(self, code: str) -> None:
        self._charts = os.memfd_create("charts", os.MFD_CLOEXEC)
        self._code, self._runtime = text_file(code), text_file(RUNTIME)
        places = {"code": self._code, "runtime": self._runtime, "charts": self._charts}
        self.starter = text_file(STARTER.format(**places))
        """What the interpreter reads instead of the code."""

    @property
    def passed(self) -> list[int]:
        """The descriptors that the interpreter inherits."""
        return [self._charts, self._code, self._runtime, self.starter]

    def started(self) -> None:
        """Leave the files to the interpreter, but for the one with the charts, which no other program shall inherit."""
        os.set_inheritable(self._charts, False)
        for descriptor in self.passed[1:]:
            os.close(descriptor)

    def take(self) -> list[msgspec.Raw]:
        """Return what was drawn, each as JSON; what is none was written by somebody else and is left out."""
        with open(self._charts, "rb") as file:
            file.seek(0)
            text = file.read(CHARTS_LIMIT)
        return [msgspec.Raw(line) for line in text.split(b"\n")[:-1] if _is_object(line)]


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except msgspec.DecodeError:
        return False
