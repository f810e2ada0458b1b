"""What a sandbox runs by itself: the program of its image, seen as a session of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    CreateSnapshotParams,
    DaytonaBadRequestError,
    DaytonaNotFoundError,
    Image,
    SessionExecuteRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = 'echo entry err >&2; echo "$0 $1 $GREETING $PWD"; exit 3'
PROGRAM = Image.base("debian:12").env({"GREETING": "it's"}).workdir("/srv").entrypoint(["sh", "-c", SCRIPT])


def of(image: Image) -> CreateSandboxFromImageParams:
    return CreateSandboxFromImageParams(image=image)


async def told(process: Any) -> dict[str, str]:
    """Return what the entrypoint prints until it ends."""
    seen = {"stdout": "", "stderr": ""}
    async for event in process.stream_entrypoint_logs():
        seen[event.stream] += event.text
    return seen


async def test_the_entrypoint_of_an_image_runs_with_its_arguments(connect: Callable[[], Any]) -> None:
    expected = {"stdout": "name two words it's /srv\n", "stderr": "entry err\n"}
    image = PROGRAM.cmd(["name", "two words"])
    async with connect() as daytona, await daytona.create(of(image)) as sandbox:
        process = sandbox.process
        assert await told(process) == expected
        logs = await process.get_entrypoint_logs()
        assert {"stdout": logs.stdout, "stderr": logs.stderr} == expected
        session = await process.get_entrypoint_session()
        (command,) = session.commands
        assert (session.session_id, command.id, command.exit_code) == (
            "entrypoint",
            "entrypoint_command",
            3,
        )
        assert command.command.startswith("'sh' '-c' 'echo entry err")
        assert command == await process.get_session_command("entrypoint", "entrypoint_command")
        pieces: list[str] = []
        await process.get_entrypoint_logs_async(pieces.append, pieces.append)
        assert sorted("".join(pieces)) == sorted("".join(expected.values()))
        assert (await process.exec("echo goes on")).result == "goes on\n"
        assert await process.list_sessions() == []


async def test_a_command_alone_runs_again_at_each_start(connect: Callable[[], Any]) -> None:
    image = Image.base("debian:12").cmd(["sh", "-c", "echo run >> /srv/runs; cat /srv/runs; exec sleep 600"])
    async with connect() as daytona, await daytona.create(of(image)) as sandbox:
        assert await first(sandbox.process) == "run\n"
        await sandbox.stop()
        await sandbox.start()
        assert await first(sandbox.process, 8) == "run\nrun\n"
        (command,) = (await sandbox.process.get_entrypoint_session()).commands
        assert command.exit_code is None


async def first(process: Any, size: int = 4) -> str:
    """Return the first characters that the entrypoint prints."""
    seen = ""
    stream = process.stream_entrypoint_logs()
    async for event in stream:
        seen += event.text
        if len(seen) >= size:
            break
    await stream.aclose()
    return seen


async def test_the_entrypoint_of_a_snapshot_goes_before_that_of_its_image(
    connect: Callable[[], Any], unique: str
) -> None:
    async with connect() as daytona:
        wanted = CreateSnapshotParams(
            name=unique, image="debian:12", entrypoint=["echo", "from the snapshot"]
        )
        await daytona.snapshot.create(wanted)
        async with await daytona.create(CreateSandboxFromSnapshotParams(snapshot=unique)) as sandbox:
            assert (await told(sandbox.process))["stdout"] == "from the snapshot\n"


async def test_nobody_else_gives_the_entrypoint_commands(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create(of(PROGRAM)) as sandbox:
        process = sandbox.process
        for refused in (
            lambda: process.create_session("entrypoint"),
            lambda: process.execute_session_command("entrypoint", SessionExecuteRequest(command="true")),
            lambda: process.send_session_command_input("entrypoint", "entrypoint_command", "x\n"),
            lambda: process.delete_session("entrypoint"),
        ):
            with pytest.raises(DaytonaBadRequestError):
                await refused()


async def test_a_sandbox_without_an_entrypoint_has_no_such_session(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.process.get_entrypoint_session()
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.process.get_entrypoint_logs()


async def test_an_entrypoint_that_cannot_run_takes_nothing_else_away(connect: Callable[[], Any]) -> None:
    image = Image.base("debian:12").entrypoint(["/no/such/program"])
    async with connect() as daytona, await daytona.create(of(image)) as sandbox:
        assert "no/such/program" in (await told(sandbox.process))["stderr"]
        (command,) = (await sandbox.process.get_entrypoint_session()).commands
        assert command.exit_code == 127
        assert (await sandbox.process.exec("echo fine")).result == "fine\n"
