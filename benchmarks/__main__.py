"""The command: `python -m benchmarks [--rounds N] [--only JOB]... [--scale X] [--write]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.goals import GROUPS
from benchmarks.jobs import JOBS
from benchmarks.measuring import measure
from benchmarks.report import document, machine, table, write_between_markers

if TYPE_CHECKING:
    from benchmarks.goals import Samples
    from benchmarks.jobs import Job

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the tables."""
    options = _options(arguments)
    samples: dict[tuple[str, str], list[dict[str, float]]] = {}
    loads = [os.getloadavg()[0]]
    for job in _chosen(options):
        begun = time.monotonic()
        samples |= measure(job, options.rounds, options.scale)
        loads.append(os.getloadavg()[0])
        print(f"{job.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        if options.write:
            _write(samples, options.rounds, loads)  # a job that hangs does not take the others with it
    print(machine(loads))
    for title, goals in GROUPS.items():
        print(f"\n## {title}\n\n{table(goals, samples)}", flush=True)
    if not all(taken and all(taken) for taken in samples.values()):
        sys.exit("some programs failed, or could not be run here")


def _write(samples: Samples, rounds: int, loads: list[float]) -> None:
    """Write docs/benchmarks.md, and the tables of README.md."""
    PAGE.write_text(document(samples, rounds, loads), encoding="utf-8")
    short = "\n\n".join(
        table(goals, samples) for title, goals in GROUPS.items() if title in ("Starting", "Calls")
    )
    write_between_markers(ROOT / "README.md", f"{machine(loads)}\n\n{short}")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure beside other clients.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each program runs (default: 5)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="how much of its calls each program makes (default: 1)"
    )
    names = [job.name for job in JOBS]
    parser.add_argument("--only", action="append", choices=names, help="run this job; may be repeated")
    parser.add_argument(
        "--alone", action="store_true", help="without other clients, which have to be installed"
    )
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmarks.md, and the tables of README.md"
    )
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> list[Job]:
    chosen = [job for job in JOBS if not options.only or job.name in options.only]
    if options.alone:
        return [job._replace(runs=tuple(run for run in job.runs if run.client == "ours")) for job in chosen]
    return chosen


if __name__ == "__main__":
    main()
