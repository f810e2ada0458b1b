"""What the numbers should come to: one row for each goal."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Samples = Mapping[tuple[str, str], Sequence[Mapping[str, float]]]
    """What each run of each job took, in the order of the rounds."""

__all__ = ["GROUPS", "Goal", "Outcome"]

MS, US, MIB, ONE = ("ms", 1e3), ("µs", 1e6), ("MiB", 1.0), ("", 1.0)


class Goal(NamedTuple):
    """One row. *must* and *aim* are ratios (the peer's number divided by ours) when there is a peer, else limits."""

    title: str
    job: str
    ours: str
    peer: str | None
    value: str
    unit: tuple[str, float]
    must: float | None = None
    aim: float | None = None

    def outcome(self, samples: Samples) -> Outcome | None:
        """Return what came of it, None when it was not measured."""
        mine = samples.get((self.job, self.ours), ())
        theirs = samples.get((self.job, self.peer), ()) if self.peer is not None else mine
        other = self._of_peer
        pairs = [
            (own[self.value], peer[other])
            for own, peer in zip(mine, theirs, strict=False)
            if self.value in own and other in peer
        ]
        if not pairs:
            return None
        ours, others = (median(numbers) for numbers in zip(*pairs, strict=True))
        if self.peer is None:
            return Outcome(self, ours, None, None)
        return Outcome(self, ours, others, median(peer / own for own, peer in pairs))

    @property
    def _of_peer(self) -> str:
        return OTHER_VALUE.get((self.title, self.peer or ""), self.value)


OTHER_VALUE: Final[dict[tuple[str, str], str]] = {
    ("calls at 1000, beside ours at 10", "ours asyncio"): "at_10_cpu",
    ("a command, beside its shell alone inside", "ours"): "shell_floor",
    ("a log, a MiB, beside a pipe inside", "ours"): "pipe_floor",
    ("a terminal's output, a MiB, beside one inside", "ours"): "terminal_floor",
    ("a terminal, one byte there and back, beside one inside", "ours"): "echo_floor",
}
"""The few rows that compare one number with another one."""


class Outcome(NamedTuple):
    """A goal, and the medians that were measured for it."""

    goal: Goal
    ours: float
    theirs: float | None
    ratio: float | None

    @property
    def verdict(self) -> str:
        """What to say of it: aim, met, MISSED; nothing where there is no goal."""
        goal = self.goal
        if goal.must is None:
            return ""
        if self.ratio is not None:
            reached = [limit is not None and self.ratio >= limit for limit in (goal.must, goal.aim)]
        else:
            number = self.ours * goal.unit[1]
            reached = [limit is not None and number <= limit for limit in (goal.must, goal.aim)]
        return "aim" if reached[1] else "met" if reached[0] else "MISSED"


def _sides(
    title: str, job: str, value: str, unit: tuple[str, float], *goals: tuple[float, float]
) -> list[Goal]:
    """Return the rows of blocking, asyncio and, where there is a third goal, trio."""
    worlds = ("blocking", "asyncio", "trio")[: len(goals)]
    peers = ("official blocking", "official asyncio", "official asyncio")
    return [
        Goal(f"{title}, {world}", job, f"ours {world}", peer, value, unit, must, aim)
        for world, peer, (must, aim) in zip(worlds, peers, goals, strict=False)
    ]


GROUPS: Final[dict[str, list[Goal]]] = {
    "Starting": [
        *_sides("client object ready", "rest", "ready", MS, (15, 25), (15, 25), (1, 1))[:2],
        Goal("client object ready, trio", "rest", "ours trio", "official asyncio", "ready", MS),
        Goal("client object ready, beside E2B", "rest", "ours blocking", "e2b", "ready", MS),
        Goal("memory there, blocking", "rest", "ours blocking", None, "rss", MIB, 22, 17),
        *_sides("from the interpreter's start to the first answer", "rest", "first", MS, (12, 20), (12, 20)),
        Goal("threads started by the blocking client", "rest", "ours blocking", None, "threads", ONE, 0, 0),
        Goal("threads, with a terminal", "terminal", "ours blocking", None, "threads", ONE, 0, 0),
    ],
    "Calls": [
        *_sides("one command after the other", "rest", "exec_cpu", US, (8, 12), (6, 10), (6, 9)),
        Goal("the same, beside pyreqwest", "rest", "ours blocking", "pyreqwest", "exec_cpu", US, None, 1),
        Goal("the same, beside httpx", "rest", "ours blocking", "httpx", "exec_cpu", US),
        Goal("the same, beside a bare socket", "rest", "ours blocking", "raw socket", "exec_cpu", US, None, 1 / 3),
        Goal("asyncio, beside pyreqwest", "rest", "ours asyncio", "pyreqwest asyncio", "exec_cpu", US, None, 1),
        Goal("asyncio, beside aiohttp", "rest", "ours asyncio", "aiohttp", "exec_cpu", US),
        *(
            Goal(f"{n} callers in one loop, {world}", "crowd", f"ours {world}", "official asyncio", f"at_{n}_cpu", US, 6, 10)
            for world in ("asyncio", "trio")
            for n in (10, 100, 1000)
        ),
        Goal("calls at 1000, beside ours at 10", "crowd", "ours asyncio", "ours asyncio", "at_1000_cpu", US, 1 / 1.5, 1 / 1.25),
        Goal("memory with 1000 callers, asyncio", "crowd", "ours asyncio", None, "crowd_rss", MIB, 45, 35),
        *_sides("list of 1000 sandboxes", "rest", "list_cpu", MS, (20, 35), (20, 35), (20, 35)),
        *_sides("get one sandbox", "rest", "get_cpu", US, (4, 7), (4, 7), (4, 7)),
    ],
    "Streams": [
        *_sides("log in frames of 4 KiB, a MiB", "streams", "log_4096_cpu", MS, (10, 16), (2, 3)),
        *_sides("log in frames of 128 bytes, a MiB", "streams", "log_128_cpu", MS, (30, 50), (2, 2.7)),
        *_sides("log in frames of 32 KiB, a MiB", "streams", "log_32768_cpu", MS, (5, 8), (1.7, 2.5)),
        Goal("a message of 128 bytes, beside aiohttp", "streams", "ours frames", "aiohttp frames", "frame_cpu", US, 1, 2),
        *_sides("terminal, one byte there and back", "terminal", "trip_cpu", US, (3, 5), (1.2, 1.7)),
    ],
    "Files": [
        *_sides("256 MiB down, as a stream", "files", "down_cpu", MS, (3, 4), (2, 3)),
        Goal("256 MiB down, to a file", "files", "ours blocking", "official blocking", "to_file_cpu", MS, 1.8, 2.5),
        Goal("growth meanwhile", "files", "ours blocking", None, "down_growth", MIB, 2, 1),
        Goal("256 MiB up, from a file", "files", "ours blocking", "official blocking", "up_cpu", MS, 1.3, 1.8),
        *_sides("1 MiB up, as a stream", "files", "small_up_cpu", MS, (25, 60), (25, 60)),
    ],
    "The embedded platform": [
        Goal("create to first output, of a sandbox that was parked ahead", "platform", "ours", None, "parked", MS, 10, 5),
        Goal("create to first output, from the zygote", "platform", "ours", None, "zygote", MS, 20, 14),
        Goal("the same with bubblewrap: a command, nothing kept", "platform", "bubblewrap", None, "create", MS),
        Goal("the same with podman: a container, kept", "platform", "podman", None, "create", MS),
        Goal("a further command", "platform", "ours", None, "exec", MS, 2.5, 1.5),
        Goal("the same with podman", "platform", "podman", None, "exec", MS),
        Goal("a command, beside its shell alone inside", "inside", "ours", "ours", "exec", MS),
        Goal("a log, a MiB, beside a pipe inside", "inside", "ours", "ours", "log_wall", MS),
        Goal("a terminal's output, a MiB, beside one inside", "inside", "ours", "ours", "terminal_wall", MS),
        Goal("a terminal, one byte there and back, beside one inside", "inside", "ours", "ours", "echo_wall", US),
        Goal("fork of a stopped sandbox", "platform", "ours", None, "fork", MS, 20, 11),
        Goal("first create() on a cold machine, with its first output", "cold", "ours", None, "first", MS, 1000, 500),
        Goal("memory of 1000 idle sandboxes that all answer, GiB", "idle", "ours", None, "idle_gib", ONE, 6, 4.5),
    ],
}  # fmt: skip
