"""Random operations, with processes killed at random moments: the platform and a dict agree on what there is afterwards.

Sixty operations by default, 500 with LONG_TESTS; CRASH_SEED repeats a run that failed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.launch import find
from daytona_plugins.local.platform.ending import mounts, with_descendants
from daytona_plugins.local.platform.states import ALLOWED, Desired, State
from daytona_plugins.local.runtime.cgroups import directory_name
from tests.local.platform_process import (
    Platform,
    agents_of,
    children_of,
    running_platform,
    wait_for_end,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

OPERATIONS = 500 if os.environ.get("LONG_TESTS") else 60
SEED = int(os.environ.get("CRASH_SEED", "20261123"))
MOST_SANDBOXES = 4
FAULTS = 0.3
"""How often something is killed during an operation."""
LONGEST_DELAY = 0.06
RUNNING = {"started", "paused"}
RESTING = {*RUNNING, "stopped", "archived", "error"}


@dataclass
class Known:
    """What must be true of a sandbox; where an operation was cut off, each of several things may be."""

    id: str
    states: set[str]
    labels: list[dict[str, str]]
    contents: list[str]
    memory: list[int] = field(default_factory=lambda: [1])
    gone: bool = False
    """Whether it may not be there any more."""


class Run:
    """One platform, the dict of what is known, and the random choices."""

    def __init__(self, platform: Platform, seed: int) -> None:
        self.platform = platform
        self.random = random.Random(seed)
        self.known: dict[str, Known] = {}
        self.snapshots: dict[str, bool] = {}
        """Names, and whether they must be there."""
        self.volumes: dict[str, bool] = {}
        self.log: list[str] = []
        self.count = 0

    # One step

    def step(self) -> None:
        """Do something, perhaps kill something meanwhile, and compare."""
        self.count += 1
        operation = self.random.choice(self.possible())
        kill = self.random.choice((self.kill_platform, self.kill_builder, self.kill_agent, self.kill_program))
        if self.random.random() < FAULTS:
            self.log.append(f"{operation.__name__} + {kill.__name__}")
            self._disturbed(operation, kill)
        else:
            self.log.append(operation.__name__)
            operation()
        self.settle()
        self.compare()

    def possible(self) -> list[Callable[[], None]]:
        changes = [
            self.write,
            self.label,
            self.stop,
            self.pause,
            self.start,
            self.archive,
            self.resize,
            self.snapshot,
            self.fork,
        ]
        return [self.create, self.volume, *(([*changes, self.delete]) if self.known else [])]

    def _disturbed(self, operation: Callable[[], None], kill: Callable[[], None]) -> None:
        thread = threading.Thread(target=operation)
        thread.start()
        thread.join(self.random.random() * LONGEST_DELAY)  # the moment of the fault, not a wait for anything
        kill()
        thread.join()

    # Operations; each writes what is certain before it, and what is certain once it was acknowledged

    def create(self) -> None:
        if len(self.known) >= MOST_SANDBOXES:
            return self.delete()
        name = f"s{self.count}"
        mine = self.known[name] = Known("", {*RESTING}, [{"n": name}], [""], gone=True)
        if answer := self.ask("POST", "/sandbox", {"name": name, "labels": {"n": name}}):
            mine.id, mine.states, mine.gone = answer["id"], {"started"}, False
        return None

    def write(self) -> None:
        _name, mine = self.pick()
        content = f"c{self.count}"
        if mine.states != {"started"}:
            return
        mine.contents.append(content)
        command = f"echo {content} > new && mv new file"
        try:
            answer = self.platform.call("POST", f"/toolbox/{mine.id}/process/execute", {"command": command})
        except OSError:
            return
        if answer.status == 200 and answer.json["exitCode"] == 0:
            mine.contents = [content]

    def label(self) -> None:
        name, mine = self.pick()
        labels = {"n": name, "count": str(self.count)}
        mine.labels.append(labels)
        if self.ask("PUT", f"/sandbox/{name}/labels", {"labels": labels}):
            mine.labels = [labels]

    def resize(self) -> None:
        name, mine = self.pick()
        size = mine.memory[-1] + 1
        mine.memory.append(size)
        if self.ask("POST", f"/sandbox/{name}/resize", {"memory": size}):
            mine.memory = [size]

    def stop(self) -> None:
        self.move("stop", "stopped")

    def pause(self) -> None:
        self.move("pause", "paused")

    def start(self) -> None:
        self.move("start", "started")

    def archive(self) -> None:
        self.move("archive", "archived")

    def move(self, verb: str, state: str) -> None:
        name, mine = self.pick()
        before, mine.states = mine.states, {*RESTING}
        answer = self.ask("POST", f"/sandbox/{name}/{verb}")
        if answer and answer["state"] == state:
            mine.states = {state}
        elif answer is None and self.refused:
            mine.states = before

    def delete(self) -> None:
        name, mine = self.pick()
        mine.gone = True
        before, mine.states = mine.states, {*RESTING}
        if self.ask("DELETE", f"/sandbox/{name}"):
            mine.states = set()
        elif self.refused:
            mine.gone, mine.states = False, before

    def snapshot(self) -> None:
        name, _mine = self.pick()
        made = f"snapshot-{self.count}"
        self.snapshots[made] = False
        if self.ask("POST", f"/sandbox/{name}/snapshot", {"name": made}):
            self.snapshots[made] = True
        elif self.refused:
            del self.snapshots[made]

    def fork(self) -> None:
        name, mine = self.pick()
        if len(self.known) >= MOST_SANDBOXES:
            return
        child = f"s{self.count}"
        theirs = self.known[child] = Known(
            "", {*RESTING}, [*mine.labels], [*mine.contents], [*mine.memory], gone=True
        )
        if answer := self.ask("POST", f"/sandbox/{name}/fork", {"name": child}):
            theirs.id, theirs.gone = answer["id"], False
            if answer["state"] == "started":
                theirs.states = {"started"}
        elif self.refused:
            del self.known[child]

    def volume(self) -> None:
        """Make a volume, or delete the one that there is."""
        if self.volumes:
            (name,) = self.volumes
            self.volumes[name] = False
            with suppress(OSError):
                identity = self.platform.api("GET", f"/volumes/by-name/{name}").json["id"]
                if self.platform.api("DELETE", f"/volumes/{identity}").status == 200:
                    del self.volumes[name]
            return
        name = f"v{self.count}"
        self.volumes[name] = False
        if self.ask("POST", "/volumes", {"name": name}):
            self.volumes[name] = True

    def pick(self) -> tuple[str, Known]:
        return self.random.choice(list(self.known.items()))

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return what was acknowledged; None for a refusal, which `refused` tells, and for silence."""
        self.refused = False
        try:
            answer = self.platform.api(method, path, body)
        except OSError:
            return None
        self.refused = answer.status in (400, 404, 409) and "failed" not in answer.json["message"]
        return answer.json if answer.status == 200 else None

    # Faults

    def kill_platform(self) -> None:
        _kill([self.platform.endpoint.pid])
        self.platform.start()
        for mine in self.known.values():
            mine.states = {"stopped" if state in RUNNING else state for state in mine.states}

    def kill_builder(self) -> None:
        _kill(children_of(self.platform.endpoint.pid))
        self.anything_stopped()

    def kill_agent(self) -> None:
        _kill(self.random.sample(agents, 1) if (agents := self.agents()) else [])
        self.anything_stopped()

    def kill_program(self) -> None:
        """Kill what runs inside, such as the command of an operation: the sandbox itself does not care."""
        for agent in self.agents():
            _kill(children_of(agent))

    def anything_stopped(self) -> None:
        for mine in self.known.values():
            if mine.states & RUNNING:
                mine.states = {*mine.states, "stopped", "error"}

    def agents(self) -> list[int]:
        return [agent for builder in children_of(self.platform.endpoint.pid) for agent in agents_of(builder)]

    def parked(self) -> set[str]:
        """Return the sandboxes that are made ahead, or were by a platform that was killed."""
        return {mark.name for mark in self.platform.paths.parked.iterdir()}

    # Comparing

    def settle(self) -> None:
        """Return when every sandbox is at rest, and what runs is what is said to run; collapse what may be to what is."""
        deadline = time.monotonic() + 30
        while not self.at_rest():
            assert time.monotonic() < deadline, [item["state"] for item in self.items().values()]
        for name, item in self.items().items():
            if item["state"] == "error" and not item["recoverable"]:
                assert self.known[name].gone, "only a fork that was never acknowledged has none of its files"
                assert self.platform.api("DELETE", f"/sandbox/{name}").status == 200
            elif item["state"] == "error":
                assert self.platform.api("POST", f"/sandbox/{name}/recover?skipStart=true").status == 200

    def at_rest(self) -> bool:
        states = [item["state"] for item in self.items().values()]
        running = sum(state in RUNNING for state in states)
        return set(states) <= RESTING and running == len(self.agents()) - len(self.parked())

    def items(self) -> dict[str, Any]:
        assert find(self.platform.paths), "the platform is there"
        found = self.platform.api("GET", "/sandbox?limit=200&includeErroredDeleted=true").json["items"]
        assert len({item["id"] for item in found}) == len(found)
        return {item["name"]: item for item in found}

    def compare(self) -> None:
        found = self.items()
        for name in [name for name, mine in self.known.items() if mine.gone and name not in found]:
            del self.known[name]
        assert {name for name in found if not name.startswith("DESTROYED_")} == set(self.known)
        for name, mine in self.known.items():
            item = found[name]
            assert State(item["state"]) in ALLOWED[Desired(item["desiredState"])]
            assert item["state"] in mine.states | ({"stopped"} if "error" in mine.states else set()), item
            assert item["labels"] in mine.labels
            assert item["memory"] in mine.memory
            self.known[name] = Known(
                item["id"], {item["state"]}, [item["labels"]], mine.contents, [item["memory"]]
            )
        self.compare_snapshots()
        self.compare_volumes()
        self.compare_directories()

    def compare_volumes(self) -> None:
        found = {one["name"]: one["id"] for one in self.platform.api("GET", "/volumes").json}
        assert {name for name, certain in self.volumes.items() if certain} <= set(found) <= set(self.volumes)
        self.volumes = dict.fromkeys(found, True)
        directories = {path.name for path in self.platform.paths.volumes.iterdir()}
        assert directories == set(found.values()), (
            "of a volume that is gone, or never was, there is nothing left"
        )

    def compare_snapshots(self) -> None:
        items = self.platform.api("GET", "/snapshots?limit=100").json["items"]
        found = {item["name"]: item["state"] for item in items if item["name"].startswith("snapshot-")}
        assert {name for name, certain in self.snapshots.items() if certain} <= set(found)
        assert set(found) <= set(self.snapshots)
        assert all(state == "active" for name, state in found.items() if self.snapshots[name]), found
        self.snapshots = {name: state == "active" for name, state in found.items()}

    def compare_directories(self) -> None:
        paths, known = self.platform.paths, {mine.id for mine in self.known.values()}
        assert {directory.name for directory in paths.sandboxes.iterdir()} <= known | self.parked()
        running = {mine.id for mine in self.known.values() if mine.states <= RUNNING}
        sockets = {socket.stem for socket in paths.agent_socket("").parent.glob("*.sock")}
        assert running <= sockets <= running | self.parked()
        assert mounts(paths) == []

    def read_all(self) -> None:
        """Start everything, and see that what was written and acknowledged is there."""
        for name, mine in self.known.items():
            if mine.states != {"started"}:
                assert self.platform.api("POST", f"/sandbox/{name}/start").json["state"] == "started"
            result = self.platform.execute(mine.id, "cat file 2>/dev/null")["result"]
            assert result.strip() in mine.contents, (name, result, mine.contents)
            mine.states = {"started"}
        self.settle()
        assert set(self.items()) == set(self.known), "nothing runs twice"


def _kill(pids: list[int]) -> None:
    """Kill these processes, and return when all that they have started has ended too."""
    waiting: list[int] = []
    for process in [process for pid in pids for process in with_descendants(pid)]:
        with suppress(ProcessLookupError):
            waiting.append(os.pidfd_open(process.pid))
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert wait_for_end(waiting), "a process outlived the one that it belongs to"


@pytest.fixture
def platform() -> Generator[Platform]:
    with running_platform() as platform:
        yield platform


def descriptors(platform: Platform) -> int:
    pids = [platform.endpoint.pid, *children_of(platform.endpoint.pid)]
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def test_what_is_left_after_crashes_is_what_was_acknowledged(platform: Platform) -> None:
    run = Run(platform, SEED)
    try:
        for _ in range(OPERATIONS):
            run.step()
        run.read_all()
    except BaseException:
        print(f"seed {SEED}, operations: {run.log[-40:]}\n{platform.paths.log_file.read_text()[-9000:]}")
        raise
    leave_nothing(platform)


def use_once(platform: Platform) -> None:
    sandbox = platform.create()
    platform.execute(sandbox["id"], "true")
    platform.api("DELETE", f"/sandbox/{sandbox['id']}")


def leave_nothing(platform: Platform) -> None:
    """Delete everything: no file, no process, no open descriptor is left of it."""
    platform.delete_all()
    for item in platform.api("GET", "/snapshots?limit=100").json["items"]:
        if item["name"].startswith("snapshot-"):
            assert platform.api("DELETE", f"/snapshots/{item['id']}").status in (200, 204)
    paths = platform.paths
    (builder,) = children_of(platform.endpoint.pid)
    deadline = time.monotonic() + 60
    parked = list[str]()
    while (
        platform.api("GET", "/sandbox?limit=200&includeErroredDeleted=true").json["items"]
        or len(agents_of(builder)) > 1
        or len(parked) != len(agents_of(builder))
    ):
        assert time.monotonic() < deadline
        parked = [mark.name for mark in paths.parked.iterdir()]
    for directory in (
        paths.sandboxes,
        paths.data / "archives",
        paths.data / "layers",
        paths.agent_socket("").parent,
    ):
        left = {file.stem for file in directory.iterdir()} if directory.exists() else set[str]()
        assert left <= {*parked}, directory
    assert not any(Path("/sys/fs/cgroup").glob(f"**/{directory_name(str(paths.data))}/*/"))
    use_once(platform)
    before = descriptors(platform)
    for _ in range(3):
        use_once(platform)
    while descriptors(platform) > before:
        assert time.monotonic() < deadline, "descriptors leak"
