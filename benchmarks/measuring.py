"""Running it: servers, fresh processes in turn, and what each of them took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.peers import python_of
from tests.local.platform_process import running_platform, short_directory

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from benchmarks.jobs import Job, Run

__all__ = ["Failed", "measure"]

PROGRAMS: Final = Path(__file__).parent / "programs"
PATIENCE: Final = 90.0
"""Seconds after which a program is given up."""
BESIDE: Final = "BESIDE"
"""Where each program without a server gets a directory of its own. All are removed when the last one has ended: some file
systems go around what was just removed, one by one, and a machine that has run no platform yet has removed none."""
WARM_UP: Final = 0.02
"""How much of a full run the first round does."""


class Failed(Exception):
    """A program did not come to its end."""


def measure(job: Job, rounds: int, scale: float) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Return what every run of *job* took in each round; in every other round they run in the opposite order."""
    taken: dict[tuple[str, str], list[dict[str, float]]] = {(job.name, run.name): [] for run in job.runs}
    with on_one_core() if job.one_core else nullcontext(), serving(job.server) as variables:
        runs = [run for run in job.runs[::-1] if works(run, scale * WARM_UP, variables)]
        for _ in range(1 if job.once else rounds):
            runs.reverse()
            for run in runs:
                taken[job.name, run.name].append(_sample(run, scale, variables))
    return taken


def _sample(run: Run, scale: float, variables: Mapping[str, str]) -> dict[str, float]:
    """Return what one run took; nothing for one that failed, and then the round does not count."""
    try:
        return once(run, scale, variables)
    except Failed as error:
        print(f"left out of a round: {error}", file=sys.stderr, flush=True)
        return {}


def works(run: Run, scale: float, variables: Mapping[str, str]) -> bool:
    """Return whether a program can be run here, having run it once: which compiles and caches, and is forgotten."""
    try:
        once(run, scale, variables)
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"left out: {run.name}: {error}", file=sys.stderr, flush=True)
        return False
    return True


def once(run: Run, scale: float, variables: Mapping[str, str]) -> dict[str, float]:
    """Run a program once, in a fresh process, and return what it took.

    Raises:
        Failed: It did not report.
    """
    command = [python_of(run.client), str(PROGRAMS / f"{run.program}.py"), str(scale), *run.arguments]
    begun = time.perf_counter()
    with ExitStack() as stack:
        if BESIDE in variables:
            variables = {"DAYTONA_LOCAL_DIR": tempfile.mkdtemp(dir=variables[BESIDE])}
        process = stack.enter_context(
            subprocess.Popen(command, env=_environment(variables), stdout=subprocess.PIPE, text=True)
        )
        assert process.stdout is not None
        lines, first = list[str](), 0.0
        alarm = threading.Timer(PATIENCE, process.kill)  # some clients wait for ever, now and then
        alarm.start()
        stack.callback(alarm.cancel)
        for line in process.stdout:
            lines.append(line)
            if line == "first\n":
                first = time.perf_counter() - begun
    if process.returncode != 0 or not lines or not lines[-1].startswith("{"):
        raise Failed(f"{run.name} failed in {run.program}")
    return ({"first": first} if first else {}) | json.loads(lines[-1])


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a quiet one: without settings of ours or of Python, which may forbid compiled files."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "DAYTONA_BENCH_IDLE" or not name.startswith(("DAYTONA_", "PYTHON"))
    }
    # The official client is spared its event connection, a thread and a WebSocket for each client.
    return kept | {"DAYTONA_USE_DEPRECATED_POLLING": "true", "PYTHONWARNINGS": "ignore"} | dict(variables)


@contextmanager
def serving(server: str) -> Generator[dict[str, str]]:
    """Run a server; yield the variables that lead a client there."""
    if server == "none":
        with short_directory() as directory:
            yield {BESIDE: str(directory)}
    elif server == "platform":
        with running_platform() as platform:
            endpoint = platform.endpoint
            yield {"DAYTONA_API_URL": endpoint.api_url, "DAYTONA_API_KEY": endpoint.api_key}
    else:
        with _stub(["-m", f"benchmarks.{server}"]) as port:
            yield {"DAYTONA_API_URL": f"http://127.0.0.1:{port}/api", "DAYTONA_API_KEY": "key"}


@contextmanager
def _stub(arguments: Sequence[str]) -> Generator[str]:
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as stub:
        try:
            assert stub.stdout is not None
            yield stub.stdout.readline().strip()
        finally:
            stub.kill()


@contextmanager
def on_one_core() -> Generator[None]:
    """Keep this process, and all that it starts meanwhile, on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
