"""What is measured, on which server, and what it should come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from benchmarks.contenders import CLIENTS, OURS, RAW, Contender, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

Server = Literal["stub", "platform"]


class Column(NamedTuple):
    """One number of a sample, and how to print it."""

    title: str
    value: Callable[[Sample], float]
    unit: str
    scale: float


READY = Column("client ready", lambda sample: sample.ready, "ms", 1e3)
RSS = Column("memory", lambda sample: sample.rss, "MiB", 1)
PROCESS = Column("first answer", lambda sample: sample.process, "ms", 1e3)
WALL_US = Column("wall", lambda sample: sample.wall or 0.0, "µs", 1e6)
CPU_US = Column("processor", lambda sample: sample.cpu or 0.0, "µs", 1e6)
WALL_MS = Column("wall", lambda sample: sample.wall or 0.0, "ms", 1e3)
CPU_MS = Column("processor", lambda sample: sample.cpu or 0.0, "ms", 1e3)


class Measure(NamedTuple):
    """One table."""

    name: str
    title: str
    server: Server
    calls: int
    contenders: tuple[Contender, ...]
    columns: tuple[Column, ...]
    """The first one decides: goals are for it."""
    goals: tuple[float, ...] = ()
    """How many times better than the peer blocking, asyncio and trio have to be."""


MEASURES = (
    Measure("ready", "Import and client object", "stub", 1, CLIENTS, (READY, RSS), (15, 15, 15)),
    Measure("cold", "From the start of the interpreter to the first answer", "stub", 1, CLIENTS, (PROCESS,), (12, 12, 12)),
    Measure("exec", "One command after the other, per call", "stub", 2000, (*CLIENTS, RAW), (CPU_US, WALL_US), (8, 6, 6)),
    Measure("list", "Listing 1000 sandboxes", "stub", 5, CLIENTS, (CPU_MS, WALL_MS), (20, 20, 20)),
    Measure("create", "Embedded platform: from create to the first output", "platform", 10, OURS, (WALL_MS,)),
    Measure("local", "Embedded platform: a command in a sandbox", "platform", 200, OURS, (WALL_MS,)),
)  # fmt: skip
