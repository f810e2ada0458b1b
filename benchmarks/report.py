"""What came of it, as Markdown: for the terminal, for docs/benchmarks.md and for the README."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from benchmarks.goals import GROUPS
from benchmarks.peers import PINNED

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.goals import Goal, Outcome, Samples

__all__ = ["document", "machine", "table", "write_between_markers"]

BUSY: Final = 1.5
"""A load beyond which other work has disturbed the numbers: ours makes one."""
MARKERS: Final = (
    "<!-- benchmarks: written by `python -m benchmarks --write` -->",
    "<!-- end of benchmarks -->",
)

INTRODUCTION = """\
Written by `python -m benchmarks --write`. Numbers are medians of {rounds} rounds. In each round every program runs once, one
after another, each in a fresh process; every other round runs them in the opposite order. A ratio is the median of the ratios
of the rounds, and says how many times less ours takes than the other. Unless the row names another, the other is the official
client, {official}, which runs on asyncio where ours runs on trio. "must" and "aim" are the project's goals for the ratio or,
if there is nothing to compare with, for the number itself.

Times are CPU time of the client's process, except for times to the first answer and those of the embedded platform, which are
wall-clock time. The server sends canned bytes. For calls and terminals it runs on the client's core: between two cores of a
virtual machine, most of the time of an exchange goes into waking up a core, which would hide the client's share. The official
client's event connection is switched off, which saves it a thread and a WebSocket. Over a network, every client also waits for
the round trip, and TLS costs all of them the same.

E2B's client talks to another platform, so it is only imported and configured. The other HTTP clients send the same request and
read the same response, but are not SDKs. The memory of many sandboxes is how much less free memory the machine has while they
exist, per sandbox, times 1000.
"""


def document(samples: Samples, rounds: int, loads: list[float]) -> str:
    """Return the page."""
    parts = ["# Benchmarks", INTRODUCTION.format(rounds=rounds, official=PINNED["official"]), machine(loads)]
    parts += [f"## {title}\n\n{table(goals, samples)}" for title, goals in GROUPS.items()]
    return "\n".join(f"{part.strip()}\n" for part in parts)


def table(goals: list[Goal], samples: Samples) -> str:
    """Return one table, of what was measured."""
    rows = [
        "| | ours | other | ratio | must | aim | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    outcomes = [outcome for goal in goals if (outcome := goal.outcome(samples)) is not None]
    return "\n".join([*rows, *map(_row, outcomes)])


def _short(value: float) -> str:
    """Return three digits of it, never with an exponent: 0.0123, 1.23, 1,230."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def _row(outcome: Outcome) -> str:
    goal = outcome.goal
    name, scale = goal.unit
    numbers = ["" if value is None else f"{_short(value * scale)} {name}".strip() for value in outcome[1:3]]
    ratio = f"{outcome.ratio:.2g}" if outcome.ratio is not None else ""
    ratio = f"{outcome.ratio:.0f}" if outcome.ratio is not None and outcome.ratio >= 10 else ratio
    limits = [
        "" if limit is None else f"{limit:.2g}" if limit < 10 else f"{limit:g}"
        for limit in (goal.must, goal.aim)
    ]
    sign = "≥ " if outcome.ratio is not None else "≤ "
    limits = [limit and sign + limit for limit in limits]
    return f"| {' | '.join([goal.title, *numbers, ratio, *limits, outcome.verdict])} |"


def machine(loads: list[float]) -> str:
    """Say where and when this was measured, with which versions, and whether anything else ran there."""
    busy = max(loads) > BUSY
    warning = (
        " **The machine was busy with other work, so rely on the ratios only, and only roughly.**"
        if busy
        else ""
    )
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {os.cpu_count()} cores ({_processor()}), load average"
        f" {min(loads):.1f} to {max(loads):.1f}, Linux {platform.release()}, Python {platform.python_version()}, with"
        f" anyio {version('anyio')}, msgspec {version('msgspec')}, trio {version('trio')}.{warning}"
    )


def write_between_markers(path: Path, text: str) -> bool:
    """Replace what stands between the markers of a file; return whether it has any."""
    content = path.read_text(encoding="utf-8")
    begin, end = map(re.escape, MARKERS)
    block = f"{MARKERS[0]}\n{text.strip()}\n{MARKERS[1]}"
    changed, found = re.subn(f"{begin}.*?{end}", lambda _: block, content, flags=re.DOTALL)
    path.write_text(changed, encoding="utf-8")
    return bool(found)


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
        return next(names, platform.machine())
