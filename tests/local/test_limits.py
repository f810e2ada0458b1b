"""What a sandbox may use: kept by the kernel where this machine lets us, looked after or ignored where not, and told so."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.lifecycle import DEMAND
from daytona_plugins.local.platform.sizes import Size
from daytona_plugins.local.platform.states import State
from daytona_plugins.local.platform.watching import DISK_PERIOD
from daytona_plugins.local.runtime.cgroup_claims import DELEGATED, OWN_PART
from daytona_plugins.local.runtime.cgroup_trees import controllers_of, hierarchies, parse_hierarchies
from daytona_plugins.local.runtime.cgroups import Cgroups, remove_abandoned, settings
from daytona_plugins.local.runtime.spec import Limits
from daytona_plugins.local.runtime.trying import try_groups
from daytona_plugins.local.runtime.usage import disk_of, memory_of
from daytona_plugins.local.web import HTTPError
from tests.local.fake_driver import fake_sandboxes
from tests.local.ordinary_user import needs_root, run_as_ordinary_user
from tests.local.test_escape import Builder, building

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from daytona_plugins.local.paths import Paths

MIB = 1024**2
BOMB = "import os, time\nn = 0\ntry:\n    while n < 300:\n        if os.fork() == 0: time.sleep(60)\n        n += 1\nexcept OSError as e:\n    print(n, e.errno)"


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    with building() as builder:
        yield builder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """What the kernel can keep on this machine."""
    return try_groups(str(tmp_path_factory.mktemp("limits")))


# The kernel's limits


def test_processes_are_limited_everywhere(builder: Builder):
    box = builder.box("bomb", max_processes=40)
    started, number = box.run(f"python3 -c {shlex.quote(BOMB)}; pkill -f sleep").split()
    assert (int(started) < 40, int(number)) == (True, 11)
    assert box.sandbox.isolation.limits["processes"] == "enforced"
    assert builder.box("beside").run("echo fine") == "fine\n"


def test_limits_are_told_as_what_they_are(builder: Builder, kept: frozenset[str]):
    box = builder.box("told", limits=Limits(cpu=1, memory=512 * MIB, disk=512 * MIB))
    assert box.sandbox.isolation.limits == {
        "cpu": "enforced" if "cpu" in kept else "ignored",
        "memory": "enforced" if "memory" in kept else "watched",
        "disk": "watched",
        "processes": "enforced",
    }
    watched = box.sandbox.watched
    assert (watched.memory, watched.disk) == (None if "memory" in kept else 512 * MIB, 512 * MIB)


def test_without_limits_nothing_is_promised(builder: Builder):
    box = builder.box("free")
    assert {box.sandbox.isolation.limits[name] for name in ("cpu", "memory", "disk")} == {"ignored"}


def test_what_needs_more_memory_than_allowed_is_killed(builder: Builder, kept: frozenset[str]):
    box = builder.box("memory", limits=Limits(memory=96 * MIB))
    answer = box.post("/process/execute", {"command": "python3 -c 'len(bytearray(300 << 20))'"}).json
    assert answer["exitCode"] == (137 if "memory" in kept else 0)
    assert box.run("echo alive") == "alive\n"


def test_memory_that_is_missing_in_one_sandbox_is_there_for_others(builder: Builder, kept: frozenset[str]):
    if "memory" not in kept:
        pytest.skip("no control group for memory can be made here")
    beside = builder.box("beside-memory", limits=Limits(memory=96 * MIB))
    beside.run("sleep 1000 >/dev/null 2>&1 &")
    box = builder.box("no-memory", limits=Limits(memory=96 * MIB))
    for _ in range(3):
        command = {"command": "python3 -c 'len(bytearray(300 << 20))'"}
        assert box.post("/process/execute", command).json["exitCode"] == 137
    assert beside.run("pgrep -c sleep") == "1\n"


def test_files_in_memory_count_as_memory(builder: Builder):
    box = builder.box("shared-memory", limits=Limits(memory=64 * MIB))
    for directory in ("/dev/shm", "/run"):
        assert "No space left" in box.run(f"head -c 48M /dev/zero > {directory}/file")


def test_a_limit_can_be_changed_while_programs_run(builder: Builder, kept: frozenset[str]):
    box = builder.box("changed")
    box.run("sleep 1000 >/dev/null 2>&1 &")
    box.sandbox.limit(Limits(cpu=1, memory=96 * MIB))
    assert box.sandbox.isolation.limits["memory"] == ("enforced" if "memory" in kept else "watched")
    if "memory" in kept:
        sleeper = Path(f"/proc/{box.pid}/task/{box.pid}/children").read_text().split()[0]
        assert "/changed" in Path(f"/proc/{sleeper}/cgroup").read_text()
        command = {"command": "python3 -c 'len(bytearray(300 << 20))'"}
        assert box.post("/process/execute", command).json["exitCode"] == 137
        box.sandbox.limit(Limits(cpu=1, memory=600 * MIB))
        assert box.post("/process/execute", command).json["exitCode"] == 0


def test_processors_are_limited_and_groups_go_with_their_sandbox(builder: Builder, kept: frozenset[str]):
    name = f"processors-{os.getpid()}"
    box = builder.box(name, limits=Limits(cpu=1))
    groups = list(Path("/sys/fs/cgroup").glob(f"**/daytona-*/{name}"))
    assert len(groups) == ("cpu" in kept)
    box.run("sleep 1000 >/dev/null 2>&1 &")
    sleeper = Path(f"/proc/{box.pid}/task/{box.pid}/children").read_text().split()[0]
    assert all(sleeper in (group / "cgroup.procs").read_text().split() for group in groups)
    quotas = [group / name for group in groups for name in ("cpu.cfs_quota_us", "cpu.max")]
    assert [quota.read_text().split()[0] for quota in quotas if quota.exists()] == ["100000"] * (
        "cpu" in kept
    )
    box.stop()
    assert not any(group.exists() for group in groups)


# Where groups may be made

MOUNTINFO = """\
30 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/x /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
OWN = "3:cpu,cpuacct:/user\n2:memory:/docker/x/y\n0::/user.slice/app.scope\n"


def test_trees_of_both_versions_are_found():
    found = {
        str(tree.own): (tree.version, set(tree.controllers), tree.read_only)
        for tree in parse_hierarchies(MOUNTINFO, OWN)
    }
    assert found == {
        "/sys/fs/cgroup/cpu,cpuacct/user": (1, {"cpu", "cpuacct"}, False),
        "/sys/fs/cgroup/memory/y": (1, {"memory"}, True),
        "/sys/fs/cgroup/unified/user.slice/app.scope": (2, set(), False),
    }


@pytest.mark.parametrize(
    ("version", "name", "value", "files"),
    [
        (1, "cpu", 2, {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "200000"}),
        (2, "cpu", 2, {"cpu.max": "200000 100000"}),
        (1, "memory", 5, {"memory.limit_in_bytes": "5", "memory.swappiness": "0"}),
        (2, "memory", 5, {"memory.max": "5", "memory.swap.max": "0"}),
        (1, "pids", 7, {"pids.max": "7"}),
        (2, "pids", 7, {"pids.max": "7"}),
    ],
)
def test_each_version_has_its_own_files(version: int, name: str, value: int, files: dict[str, str]):
    assert settings(version, name, value) == files


HANDED_OVER = """
import os, sys
from pathlib import Path
from daytona_plugins.local.runtime import cgroup_claims
own, controller, marked = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "marked"
cgroup_claims.CONTROLLERS = (controller,)
(own / "cgroup.procs").write_text(str(os.getpid()))
tree = cgroup_claims.Hierarchy(2, Path("/nowhere"), own, frozenset())
parts = (own / "cgroup.procs").read_text().split()
assert (len(parts) == 2) == marked, parts
made = cgroup_claims.claim(tree, "daytona-groups").directory
moved = Path("/proc/self/cgroup").read_text().split("0::")[1].split()[0]
(made / "one").mkdir()
print(made.relative_to(own), Path(moved).name, controller in (made / "one" / "cgroup.controllers").read_text())
again = cgroup_claims.claim(tree._replace(own=own / cgroup_claims.OWN_PART), "daytona-groups")
print(again.directory == made, (own / "cgroup.procs").read_text() == "")
(made / "one").rmdir()
made.rmdir()
"""


@contextmanager
def group_in_version_2() -> Generator[tuple[Path, str]]:
    """A group that can have others in it, and a controller of theirs."""
    mounts = [tree.mount for tree in hierarchies() if tree.version == 2]
    found = [(mount, name) for mount in mounts for name in sorted(controllers_of(mount))]
    if not found:
        pytest.skip("this machine has no controller in version 2 of the interface")
    mount, controller = found[0]
    (mount / "cgroup.subtree_control").write_text(f"+{controller}")
    own = mount / f"daytona-test-{os.getpid()}"
    own.mkdir()
    try:
        yield own, controller
    finally:
        if (own / OWN_PART).exists():
            (own / OWN_PART).rmdir()
        own.rmdir()


@needs_root
@pytest.mark.parametrize("who", ["marked", "alone"])
def test_a_group_that_was_handed_over_is_divided(who: str):
    """In version 2 a group has members or limited groups in it, so whoever was given one moves into a part of it.

    Others that are in it move too, where systemd has marked it as handed over.
    """
    with group_in_version_2() as (own, controller), subprocess.Popen(["sleep", "60"]) as other:
        if who == "marked":
            os.setxattr(own, DELEGATED, b"1")
            (own / "cgroup.procs").write_text(str(other.pid))
        program = [sys.executable, "-c", HANDED_OVER, str(own), controller, who]
        result = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
        other.kill()
        other.wait()
        assert result.stdout.splitlines() == ["daytona-groups daytona-platform True", "True True"], (
            result.stderr
        )


@needs_root
def test_a_group_with_strangers_in_it_is_not_divided():
    with group_in_version_2() as (own, controller), subprocess.Popen(["sleep", "60"]) as other:
        (own / "cgroup.procs").write_text(str(other.pid))
        program = [sys.executable, "-c", HANDED_OVER, str(own), controller, "marked"]
        result = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
        assert f"{own} has members" in result.stderr
        assert (own / "cgroup.procs").read_text().split() == [str(other.pid)]
        assert not (own / OWN_PART).exists()
        other.kill()
        other.wait()


@needs_root
def test_groups_that_were_left_behind_are_removed(tmp_path: Path, kept: frozenset[str]):
    groups = Cgroups(str(tmp_path))
    with subprocess.Popen(["sleep", "60"]) as lost:
        assert groups.open("lost").keep(lost.pid, {"cpu": 1, "memory": 96 * MIB}) == kept & {"cpu", "memory"}
        lost.kill()
    found = list(Path("/sys/fs/cgroup").glob("**/daytona-*/lost"))
    assert bool(found) == bool(kept)
    remove_abandoned(str(tmp_path))
    assert not any(path.parent.exists() for path in found)


KILLED = """
import asyncio, sys
from pathlib import Path
from daytona_plugins.local.paths import Paths
from daytona_plugins.local.runtime.runner import Runner, SandboxSpec
from daytona_plugins.local.runtime.cgroups import directory_name
from daytona_plugins.local.runtime.spec import Limits

async def main():
    paths = Paths(*map(Path, sys.argv[1:]))
    runner = await Runner.start(paths)
    spec = SandboxSpec(id="kept", hostname="kept", upper=str(paths.sandbox("kept")), limits=Limits(cpu=1))
    await runner.spawn(spec)
    print(directory_name(str(paths.data)), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@needs_root
def test_a_platform_that_was_killed_leaves_no_groups(paths: Paths, kept: frozenset[str]):
    if "cpu" not in kept:
        pytest.skip("no control group for processors can be made here")
    program = [sys.executable, "-c", KILLED, str(paths.data), str(paths.runtime)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as platform:
        assert platform.stdout is not None
        name = platform.stdout.readline().strip()
        assert any(Path("/sys/fs/cgroup").glob(f"**/{name}/kept"))
        platform.kill()
    deadline = time.monotonic() + 60
    while any(Path("/sys/fs/cgroup").glob(f"**/{name}")):
        assert time.monotonic() < deadline, "the zygote removes them when its platform is gone"


# What the platform looks after


def wanted(**fields: Any) -> Any:
    return new_record(CreateSandbox(**fields), 0.0)


async def started(sandboxes: Any, **fields: Any) -> Any:
    return await sandboxes.create(wanted(**fields))


def test_memory_and_disk_are_counted(tmp_path: Path):
    assert memory_of(os.getpid(), precise_above=10**15) > 5 * MIB
    assert 5 * MIB < memory_of(os.getpid(), precise_above=0) <= memory_of(os.getpid(), precise_above=10**15)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(MIB))
    os.link(tmp_path / "deep" / "file", tmp_path / "again")
    assert MIB <= disk_of(tmp_path) < 2 * MIB


async def in_asyncio(looks: int, **watched: int) -> Any:
    """Return a sandbox after some looks at what it uses, which is what we use."""
    async with fake_sandboxes() as (sandboxes, driver):
        record = await started(sandboxes)
        fake = driver.sandboxes[record.id]
        fake.pid = os.getpid()
        fake.watched = Limits(**watched)
        sandboxes.paths.sandbox(record.id).mkdir()
        (sandboxes.paths.sandbox(record.id) / "file").write_bytes(bytes(MIB))
        for _ in range(looks):
            await sandboxes.tick()
        return sandboxes.get(record.id)


def test_a_sandbox_over_its_limit_is_ended_with_a_reason():
    over = asyncio.run(in_asyncio(1, memory=MIB))
    assert (over.state, over.recoverable) == (State.ERROR, True)
    assert "of memory, and its limit is" in over.error_reason
    over = asyncio.run(in_asyncio(DISK_PERIOD, disk=1000))
    assert "of disk, and its limit is" in over.error_reason
    fine = asyncio.run(in_asyncio(DISK_PERIOD, disk=10 * MIB, memory=2**40))
    assert fine.state is State.STARTED


def test_sizes_that_nobody_asked_for_are_no_limits():
    async def main() -> None:
        async with fake_sandboxes() as (sandboxes, driver):
            record = await started(sandboxes)
            assert record.limits == Limits()
            sandboxes.resize(record, Size(cpu=2, memory=4))
            assert driver.sandboxes[record.id].watched == Limits(cpu=2, memory=4 * 1024 * MIB)
            child = await sandboxes.fork(sandboxes.get(record.id), None)
            assert child.limits == Limits(cpu=2, memory=4 * 1024 * MIB)

    asyncio.run(main())


def test_limits_that_must_hold_are_a_reason_to_refuse():
    async def main() -> None:
        async with fake_sandboxes() as (sandboxes, _driver):
            assert (await started(sandboxes, labels={DEMAND: "enforced"})).state is State.STARTED
            limited = msgspec.structs.replace(wanted(labels={DEMAND: "enforced"}), limited=("memory", "disk"))
            with pytest.raises(HTTPError, match="keeps none of disk, memory"):
                await sandboxes.create(limited)

    asyncio.run(main())


@needs_root
def test_all_of_this_holds_for_an_ordinary_user():
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
