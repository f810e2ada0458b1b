"""Snapshots, forks, archives and sizes, on the three faces."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    CreateSnapshotParams,
    DaytonaBadRequestError,
    DaytonaConflictError,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaValidationError,
    Image,
    Resources,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.platform_process import Platform


def made_from(snapshot: str) -> CreateSandboxFromSnapshotParams:
    return CreateSandboxFromSnapshotParams(snapshot=snapshot)


async def test_a_snapshot_is_built_used_and_deleted(connect: Callable[[], Any], unique: str) -> None:
    image = Image.base("debian:12").run_commands(f"echo {unique} > /srv/word").env({"A": "b"})
    lines: list[str] = []
    async with connect() as daytona:
        wanted = CreateSnapshotParams(
            name=unique, image=image, resources=Resources(cpu=2, memory=3, disk=4), entrypoint=["sleep", "9"]
        )
        snapshot = await daytona.snapshot.create(wanted, on_logs=lines.append)
        assert (snapshot.name, snapshot.state, snapshot.general) == (unique, "active", False)
        assert (snapshot.cpu, snapshot.mem, snapshot.disk, snapshot.entrypoint) == (2, 3, 4, ["sleep", "9"])
        assert (lines[0], lines[-1]) == (
            f"Creating snapshot {unique} (pending)",
            f"Created snapshot {unique} (active)",
        )
        assert f"[1/3] RUN echo {unique} > /srv/word" in lines
        async with await daytona.create(made_from(unique)) as sandbox:
            assert (sandbox.snapshot, sandbox.cpu, sandbox.memory, sandbox.disk) == (unique, 2, 3, 4)
            await daytona.snapshot.delete(snapshot)
            assert (await sandbox.process.exec("cat /srv/word; echo $A")).result == f"{unique}\nb\n"
        with pytest.raises(DaytonaNotFoundError, match="Failed to get snapshot: "):
            await daytona.snapshot.get(unique)
        with pytest.raises(DaytonaBadRequestError, match="not found"):
            await daytona.create(made_from(unique))


async def test_what_a_build_prints_is_told_while_it_runs(
    connect: Callable[[], Any], unique: str, unused_port: int
) -> None:
    """The build goes on only when somebody listens, who begins to listen when told that it has begun."""
    gate = f"until exec 3<>/dev/tcp/127.0.0.1/{unused_port}; do sleep 0.05; done 2>/dev/null"
    image = Image.base("debian:12").dockerfile_commands(
        ['SHELL ["/bin/bash", "-c"]', f"RUN echo begun {unique}; {gate}; echo went on"]
    )
    with socket.socket() as door:
        door.bind(("127.0.0.1", unused_port))
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            if line == f"begun {unique}":
                door.listen()

        async with connect() as daytona:
            snapshot = await daytona.snapshot.create(
                CreateSnapshotParams(name=unique, image=image), on_logs=hear
            )
            await daytona.snapshot.delete(snapshot)
    assert lines.index(f"begun {unique}") < lines.index("went on")


async def test_whoever_stops_listening_does_not_end_the_build(
    connect: Callable[[], Any], unique: str
) -> None:
    class EnoughError(Exception):
        pass

    def hear(line: str) -> None:
        if line == f"begun {unique}":
            raise EnoughError

    image = Image.base("debian:12").run_commands(f"echo begun {unique}; sleep 0.3; echo done > /srv/file")
    async with connect() as daytona:
        with pytest.raises(EnoughError):
            await daytona.snapshot.create(CreateSnapshotParams(name=unique, image=image), on_logs=hear)
        while (snapshot := await daytona.snapshot.get(unique)).state != "active":
            assert snapshot.state == "building"
        async with await daytona.create(made_from(unique)) as sandbox:
            assert (await sandbox.process.exec("cat /srv/file")).result == "done\n"
        await daytona.snapshot.delete(unique)


async def test_a_snapshot_of_a_named_image(connect: Callable[[], Any], unique: str) -> None:
    async with connect() as daytona:
        snapshot = await daytona.snapshot.create(CreateSnapshotParams(name=unique, image="python:3.12-slim"))
        assert (snapshot.image_name, snapshot.state) == ("python:3.12-slim", "active")
        found = await daytona.snapshot.get(snapshot.id)
        assert found == await daytona.snapshot.get(unique)
        await daytona.snapshot.delete(unique)


async def test_a_build_that_fails_is_told(connect: Callable[[], Any], unique: str) -> None:
    image = Image.base("debian:12").run_commands(f"echo why {unique}; exit 5")
    async with connect() as daytona:
        with pytest.raises(DaytonaError, match=f"{unique}, reason: .*exit code 5\nwhy {unique}"):
            await daytona.snapshot.create(
                CreateSnapshotParams(name=unique, image=image), on_logs=lambda _: None
            )
        assert (await daytona.snapshot.get(unique)).state == "build_failed"
        await daytona.snapshot.delete(unique)


@pytest.mark.parametrize("image", ["debian", "debian:latest", "no blank:1"])
async def test_a_name_without_a_fixed_tag_is_refused(
    connect: Callable[[], Any], unique: str, image: str
) -> None:
    async with connect() as daytona:
        with pytest.raises(DaytonaBadRequestError, match="Failed to create snapshot: "):
            await daytona.snapshot.create(CreateSnapshotParams(name=unique, image=image))


async def test_names_are_unique_and_plain(connect: Callable[[], Any], unique: str) -> None:
    async with connect() as daytona:
        await daytona.snapshot.create(CreateSnapshotParams(name=unique, image="host"))
        for name, kind in ((unique, DaytonaConflictError), ("host", DaytonaConflictError)):
            with pytest.raises(kind):
                await daytona.snapshot.create(CreateSnapshotParams(name=name, image="host"))
        with pytest.raises(DaytonaBadRequestError, match="letters, digits"):
            await daytona.snapshot.create(CreateSnapshotParams(name="a b", image="host"))
        await daytona.snapshot.delete(unique)


async def test_an_inactive_snapshot_is_kept_and_not_used(
    connect: Callable[[], Any], platform: Platform, unique: str
) -> None:
    async with connect() as daytona:
        snapshot = await daytona.snapshot.create(CreateSnapshotParams(name=unique, image="host"))
        with pytest.raises(DaytonaBadRequestError, match="only an inactive one"):
            await daytona.snapshot.activate(snapshot)
        await daytona.snapshot.deactivate(unique)
        with pytest.raises(DaytonaBadRequestError, match="is inactive"):
            await daytona.create(made_from(unique))
        with pytest.raises(DaytonaBadRequestError, match="deactivated just now; activate it in"):
            await daytona.snapshot.activate(snapshot.id)
        platform.let_rest(snapshot.id)
        assert (await daytona.snapshot.activate(snapshot.id)).state == "active"
        await daytona.snapshot.delete(snapshot.id)


async def test_snapshots_are_listed_a_page_at_a_time(connect: Callable[[], Any], unique: str) -> None:
    async with connect() as daytona:
        for number in range(3):
            await daytona.snapshot.create(CreateSnapshotParams(name=f"{unique}-{number}", image="host"))
        everything = await daytona.snapshot.list()
        assert everything.items[-1].name == "host"
        assert everything.items[-1].general
        page = await daytona.snapshot.list(page=2, limit=1)
        assert (page.page, page.total, page.total_pages) == (2, everything.total, everything.total)
        assert page.items == everything.items[1:2]
        with pytest.raises(DaytonaValidationError, match="limit=0"):
            await daytona.snapshot.list(limit=0)
        for number in range(3):
            await daytona.snapshot.delete(f"{unique}-{number}")


async def test_deleting_what_is_not_there(connect: Callable[[], Any], unique: str) -> None:
    async with connect() as daytona:
        for name in (unique, "00000000-0000-4000-8000-00000000abcd", "host"):
            with pytest.raises(DaytonaNotFoundError, match="Failed to delete snapshot: "):
                await daytona.snapshot.delete(name)


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
async def test_a_snapshot_of_a_sandbox_has_its_files(
    connect: Callable[[], Any], unique: str, stopped: bool
) -> None:
    change = "echo one > /srv/a; ln -s a /srv/l; rm -r /etc/alternatives; mkdir -m 700 /srv/d; touch /srv/d/x"
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.process.exec(change)
        if stopped:
            await sandbox.stop()
        await sandbox.create_snapshot(unique)
        if stopped:
            await sandbox.start()
        await sandbox.process.exec("echo two > /srv/a")
        assert (await daytona.snapshot.get(unique)).source_sandbox_id == sandbox.id
        listed = await daytona.snapshot.list(source_sandbox_id=sandbox.id)
        assert [snapshot.name for snapshot in listed.items] == [unique]
        async with await daytona.create(made_from(unique)) as twin:
            seen = await twin.process.exec(
                "cat /srv/l; stat -c %a /srv/d; ls /srv/d; ls -d /etc/alternatives"
            )
            assert seen.result.splitlines()[:3] == ["one", "700", "x"]
            assert "No such file" in seen.result
            assert (await sandbox.process.exec("cat /srv/a /srv/d/x; ls /srv")).result == "two\na\nd\nl\n"
        with pytest.raises(DaytonaConflictError, match="Failed to create snapshot: "):
            await sandbox.create_snapshot(unique)
        await daytona.snapshot.delete(unique)


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
async def test_a_fork_goes_its_own_way(connect: Callable[[], Any], unique: str, stopped: bool) -> None:
    params = CreateSandboxFromSnapshotParams(env_vars={"A": "b"}, labels={"team": unique})
    async with connect() as daytona, await daytona.create(params) as sandbox:
        await sandbox.process.exec(
            "echo before > /srv/a; (while :; do date > /tmp/now; sleep 0.05; done) > /dev/null 2>&1 &"
        )
        if stopped:
            await sandbox.stop()
        async with await sandbox.fork(unique) as child:
            assert (child.name, child.state, child.labels["team"]) == (unique, "started", unique)
            assert child.id != sandbox.id
            assert (await child.process.exec("cat /srv/a; echo $A")).result == "before\nb\n"
            await child.process.exec("echo child > /srv/a")
            if stopped:
                await sandbox.start()
            assert (await sandbox.process.exec("cat /srv/a")).result == "before\n"
            with pytest.raises(DaytonaConflictError, match="Failed to fork sandbox: "):
                await sandbox.fork(unique)


async def test_forks_of_forks_know_where_they_come_from(
    connect: Callable[[], Any], platform: Platform, unique: str
) -> None:
    def named(sandbox: Any, question: str) -> Any:
        answer = platform.api("GET", f"/sandbox/{sandbox.id}/{question}").json
        return [each["name"] for each in answer] if isinstance(answer, list) else answer.get("name")

    async with connect() as daytona, await daytona.create() as first:
        await first.process.exec("echo 1 > /srv/first")
        async with await first.fork(f"{unique}-2") as second:
            await second.process.exec("echo 2 > /srv/second")
            async with await second.fork(f"{unique}-3") as third:
                await third.process.exec("rm /srv/first")
                assert (await third.process.exec("ls /srv")).result == "second\n"
                assert (await second.process.exec("ls /srv")).result == "first\nsecond\n"
                assert (await first.process.exec("ls /srv")).result == "first\n"
                assert named(third, "ancestors") == [first.name, f"{unique}-2"]
                assert named(third, "parent") == f"{unique}-2"
                assert (named(first, "forks"), named(first, "ancestors")) == ([f"{unique}-2"], [])
                assert platform.api("GET", f"/sandbox/{first.id}/parent").status == 404
                with pytest.raises(
                    DaytonaBadRequestError, match=f"has forks; delete these first: {unique}-3"
                ):
                    await second.delete()
                await second.stop()
                assert (await third.process.exec("ls /srv")).result == "second\n", (
                    "it does not need its parent"
                )


async def test_programs_go_on_after_they_were_held_still(connect: Callable[[], Any], unique: str) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.process.exec("(while :; do echo x >> /tmp/beats; sleep 0.02; done) > /dev/null 2>&1 &")
        await sandbox.create_snapshot(unique)
        later = "n=$(wc -l < /tmp/beats); while [ $(wc -l < /tmp/beats) -le $n ]; do sleep 0.02; done; echo goes on"
        assert (await sandbox.process.exec(later, timeout=10)).result == "goes on\n"
        await daytona.snapshot.delete(unique)


async def test_an_archived_sandbox_comes_back(connect: Callable[[], Any]) -> None:
    change = (
        "echo kept > /srv/a; rm -r /etc/alternatives; touch ' odd\nname'; chmod 000 /srv/a; ln /srv/a /srv/b"
    )
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.process.exec(change)
        with pytest.raises(DaytonaBadRequestError):
            await sandbox.archive()
        await sandbox.stop()
        await sandbox.archive()
        assert sandbox.state == "archived"
        with pytest.raises(DaytonaError):
            await sandbox.process.exec("true")
        await sandbox.start()
        seen = await sandbox.process.exec("stat -c '%a %h' /srv/a; ls; ls -d /etc/alternatives")
        assert seen.result.startswith("0 2\n")
        assert "odd" in seen.result
        assert "No such file" in seen.result


async def test_a_sandbox_is_resized(connect: Callable[[], Any]) -> None:
    params = CreateSandboxFromImageParams(image="host", resources=Resources(cpu=1, memory=1, disk=3))
    async with connect() as daytona, await daytona.create(params) as sandbox:
        await sandbox.resize(Resources(cpu=2, memory=4))
        assert (sandbox.cpu, sandbox.memory, sandbox.disk, sandbox.state) == (2, 4, 3, "started")
        for refused in (Resources(), Resources(cpu=2), Resources(cpu=1), Resources(disk=9)):
            with pytest.raises(DaytonaBadRequestError, match="Failed to resize sandbox: "):
                await sandbox.resize(refused)
        await sandbox.stop()
        await sandbox.resize(Resources(cpu=1, disk=9))
        assert (sandbox.cpu, sandbox.disk) == (1, 9)
        with pytest.raises(DaytonaBadRequestError, match="smaller"):
            await sandbox.resize(Resources(disk=4))
