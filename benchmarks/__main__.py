"""The command: `python -m benchmarks [--rounds N] [--only NAME]... [--write]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders import run
from benchmarks.measures import MEASURES
from benchmarks.tables import document, machine, table
from tests.local.platform_process import running_platform

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarks.contenders import Contender, Sample
    from benchmarks.measures import Measure

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    """Measure, and print a table for each measure as it is done."""
    options = _options()
    chosen = [measure for measure in MEASURES if not options.only or measure.name in options.only]
    print(machine())
    measured: dict[Measure, dict[Contender, list[Sample]]] = {}
    for measure in chosen:
        measured[measure] = samples(measure, options.rounds)
        print(f"\n## {measure.title} ({measure.name})\n\n{table(measure, measured[measure])}", flush=True)
    if options.write:
        PAGE.write_text(document(measured, options.rounds), encoding="utf-8")
        print(f"\nwritten to {PAGE.relative_to(Path.cwd())}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure beside the official client."
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each contender runs (default: 7)")
    parser.add_argument(
        "--only",
        action="append",
        choices=[measure.name for measure in MEASURES],
        help="measure this; may be repeated",
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    return parser.parse_args()


def samples(measure: Measure, rounds: int) -> dict[Contender, list[Sample]]:
    """Return what every contender took in each round; one run before the first compiles and caches, and is forgotten."""
    taken: dict[Contender, list[Sample]] = {contender: [] for contender in measure.contenders}
    with serving(measure) as variables:
        for number in range(rounds + 1):
            order = measure.contenders if number % 2 else measure.contenders[::-1]
            for contender in order:
                sample = run(contender, measure.name, measure.calls if number else 1, variables)
                if number:
                    taken[contender].append(sample)
    return taken


@contextmanager
def serving(measure: Measure) -> Generator[dict[str, str]]:
    """Run the server of *measure*; yield the variables that lead a client there."""
    if measure.server == "platform":
        with running_platform() as platform:
            endpoint = platform.endpoint
            yield {"DAYTONA_API_URL": endpoint.api_url, "DAYTONA_API_KEY": endpoint.api_key}
        return
    with (
        on_one_core(),
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stub"], stdout=subprocess.PIPE, text=True
        ) as stub,
    ):
        try:
            assert stub.stdout is not None
            port = stub.stdout.readline().strip()
            yield {"DAYTONA_API_URL": f"http://127.0.0.1:{port}/api", "DAYTONA_API_KEY": "key"}
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


if __name__ == "__main__":
    main()
