"""Ends a platform from outside, and counts what is left of it: nothing, if all is well."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from daytona_plugins.local.launch import PlatformEndpoint
    from daytona_plugins.local.paths import Paths

PATIENCE = 30.0


class Process(NamedTuple):
    """One process; the time of its start tells it from a later one with the same number."""

    pid: int
    started: str


class Ended(NamedTuple):
    """What was ended, and what did not end."""

    sandboxes: int
    processes: int
    processes_left: int
    mounts_left: int
    sockets_left: int

    @property
    def clean(self) -> bool:
        """Whether nothing is left."""
        return not (self.processes_left or self.mounts_left or self.sockets_left)


def end(endpoint: PlatformEndpoint, paths: Paths, *, patience: float = PATIENCE) -> Ended:
    """End the platform and everything it runs; kill it when it does not end by itself in *patience* seconds."""
    family = with_descendants(endpoint.pid)
    parked = {mark.name for mark in paths.parked.glob("*")}
    sandboxes = sum(socket.stem not in parked for socket in _sockets(paths))
    with suppress(ProcessLookupError):
        _terminate(endpoint.pid, patience)
    left = [process for process in family if is_alive(process)]
    return Ended(sandboxes, len(family), len(left), len(mounts(paths)), len(_sockets(paths)))


def with_descendants(pid: int) -> list[Process]:
    """Return a process and all that it started, directly or not."""
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(Process(current, _start_time(current)))
            waiting += _children(current)
    return found


def is_alive(process: Process) -> bool:
    """Return whether the process still runs; one that only waits to be reaped does not."""
    try:
        state, started = _stat(process.pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return started == process.started and state != "Z"


def mounts(paths: Paths) -> list[str]:
    """Return what is mounted below the platform's directories, as this process sees it."""
    places = (f"{paths.data}/", f"{paths.runtime}/")
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if f"{point}/".startswith(places)]


def _terminate(pid: int, patience: float) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not _ends(descriptor, patience):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            _ends(descriptor, patience)
    finally:
        os.close(descriptor)


def _ends(descriptor: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(patience * 1000))


def _sockets(paths: Paths) -> list[Path]:
    return list(paths.agent_socket("").parent.glob("*.sock"))


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _start_time(pid: int) -> str:
    return _stat(pid)[1]


def _stat(pid: int) -> tuple[str, str]:
    """Return state and start time; the name before them is in brackets and may hold anything."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], fields[19]
