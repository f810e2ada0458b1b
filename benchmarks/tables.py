"""Samples as tables: medians, and medians of the ratios of each round."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.contenders import OFFICIAL, OURS

if TYPE_CHECKING:
    from benchmarks.contenders import Contender, Sample
    from benchmarks.measures import Column, Measure

INTRODUCTION = """\
Written by `python -m benchmarks --write`. Numbers are medians of {rounds} rounds; in each round every contender runs once in
a fresh process, in turn, and in the opposite order every other round. A ratio is the median of the ratios of the rounds:
how many times less the client takes than the official one ({official}). Trio is compared with the official client on
asyncio, because there is no other.

The server answers with canned bytes and runs on the same core as the client: between two cores of a virtual machine, most
of what a sequential exchange takes is waking a core, which would hide the client. Processor time is what decides; wall time
includes the server. The official client runs with its event connection switched off, which spares it a thread and a
WebSocket. Over a network each call takes its round trip in addition, for everybody.
"""


def document(measured: dict[Measure, dict[Contender, list[Sample]]], rounds: int) -> str:
    """Return the page."""
    parts = ["# Benchmarks", INTRODUCTION.format(rounds=rounds, official=OFFICIAL), machine()]
    parts += [f"## {measure.title}\n\n{table(measure, samples)}" for measure, samples in measured.items()]
    return "\n".join(f"{part.strip()}\n" for part in parts)


def table(measure: Measure, samples: dict[Contender, list[Sample]]) -> str:
    """Return the table of one measure, as Markdown."""
    head = ["", *(f"{one.title}, {one.unit}" for one in measure.columns)]
    compared = bool(measure.goals)
    if compared:
        head += [f"{measure.columns[0].title}: times less", "goal"]
    rows = [_row(measure, contender, samples, compared=compared) for contender in measure.contenders]
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def ratio(column: Column, ours: list[Sample], peers: list[Sample]) -> float:
    """Return how many times less ours take, by the median of the rounds."""
    return median(column.value(peer) / column.value(mine) for mine, peer in zip(ours, peers, strict=True))


def _row(
    measure: Measure, contender: Contender, samples: dict[Contender, list[Sample]], *, compared: bool
) -> list[str]:
    mine = samples[contender]
    cells = [
        contender.name,
        *(f"{median(map(one.value, mine)) * one.scale:.3g}" for one in measure.columns),
    ]
    if not compared:
        return cells
    peers = next((taken for peer, taken in samples.items() if peer.name == contender.peer), None)
    factor = f"{ratio(measure.columns[0], mine, peers):.1f}" if peers is not None else ""
    goal = f"{measure.goals[OURS.index(contender)]:g}" if contender in OURS else ""
    return [*cells, factor, goal]


def machine() -> str:
    """Say where this was measured, and with which versions."""
    load = f"{os.getloadavg()[0]:.1f}"
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores ({_processor()}), load {load}, Linux"
        f" {platform.release()}, Python {platform.python_version()}, with anyio {version('anyio')},"
        f" msgspec {version('msgspec')}, trio {version('trio')}."
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
        return next(names, platform.machine())
