"""Who is measured, and how one of them is run once, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.interop.peer import VERSION, official_python

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = Path(__file__).parent / "programs"
OFFICIAL = f"daytona {VERSION}"
US = "daytona-anyio"


class Contender(NamedTuple):
    """A program and the interpreter that runs it."""

    name: str
    program: str
    arguments: tuple[str, ...] = ()
    official: bool = False
    peer: str | None = None
    """The name of the contender that this one is compared with."""


BLOCKING_PEER = Contender(f"{OFFICIAL} blocking", "blocking.py", official=True)
ASYNC_PEER = Contender(f"{OFFICIAL} asyncio", "asynchronous.py", ("asyncio",), official=True)
OURS = (
    Contender(f"{US} blocking", "blocking.py", peer=BLOCKING_PEER.name),
    Contender(f"{US} asyncio", "asynchronous.py", ("asyncio",), peer=ASYNC_PEER.name),
    Contender(f"{US} trio", "asynchronous.py", ("trio",), peer=ASYNC_PEER.name),
)
CLIENTS = (*OURS, BLOCKING_PEER, ASYNC_PEER)
RAW = Contender("raw socket", "raw.py", peer=BLOCKING_PEER.name)


class Sample(NamedTuple):
    """What one run took, in seconds; `process` is what its parent saw, from the start of the interpreter."""

    process: float
    ready: float
    rss: float
    wall: float | None = None
    cpu: float | None = None


def run(contender: Contender, measure: str, count: int, variables: Mapping[str, str]) -> Sample:
    """Run *contender* once and return what it took."""
    python = str(official_python()) if contender.official else sys.executable
    command = [python, str(PROGRAMS / contender.program), measure, str(count), *contender.arguments]
    begun = time.perf_counter()
    with subprocess.Popen(command, env=_environment(variables), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - begun
    assert process.returncode == 0, f"{contender.name} failed in {measure}"
    return Sample(process=seconds, **json.loads(line))


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a quiet one: without settings of ours or of Python, which may forbid compiled files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAYTONA_", "PYTHON"))}
    # The official client is spared its event connection, a thread and a WebSocket for each client.
    return kept | {"DAYTONA_USE_DEPRECATED_POLLING": "true", "PYTHONWARNINGS": "ignore"} | dict(variables)
