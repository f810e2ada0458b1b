"""Sessions on every face against a real sandbox."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaConflictError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
    DaytonaValidationError,
    SessionExecuteRequest,
)
from daytona.errors import DaytonaCommandAlreadyCompletedError, DaytonaSessionEndedError
from tests.behaviour.conftest import ended

if TYPE_CHECKING:
    from collections.abc import Callable


async def run(process: Any, name: str, command: str) -> Any:
    return await process.execute_session_command(name, SessionExecuteRequest(command=command))


async def start(process: Any, name: str, command: str, **options: Any) -> str:
    request = SessionExecuteRequest(command=command, run_async=True, **options)
    return str((await process.execute_session_command(name, request)).cmd_id)


async def test_a_session_is_created_listed_and_deleted(box: Callable[[], Any]) -> None:
    name = f"s-{uuid.uuid4().hex[:8]}"
    async with box() as sandbox:
        process = sandbox.process
        await process.create_session(name)
        with pytest.raises(DaytonaConflictError, match="session already exists"):
            await process.create_session(name)
        found = await process.get_session(name)
        assert (found.session_id, found.commands) == (name, [])
        assert name in [each.session_id for each in await process.list_sessions()]
        await process.delete_session(name)
        with pytest.raises(DaytonaNotFoundError, match=r"Failed to get session: .*session not found"):
            await process.get_session(name)
        with pytest.raises(DaytonaNotFoundError):
            await run(process, name, "true")


@pytest.mark.parametrize("name", ["entrypoint", "", "a/b", ".."])
async def test_names_that_cannot_be_are_refused(box: Callable[[], Any], name: str) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaValidationError):
            await sandbox.process.create_session(name)


async def test_a_result_has_both_streams_and_the_exit_code(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        result = await run(process, name, "echo out; echo err >&2; (exit 7)")
        assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 7)
        command = await process.get_session_command(name, result.cmd_id)
        assert (command.id, command.exit_code) == (result.cmd_id, 7)


async def test_the_shell_keeps_its_state(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        await run(process, name, "cd /tmp; export X=5; f() { echo fn; }")
        assert (await run(process, name, 'pwd; echo "$X"; f')).stdout == "/tmp\n5\nfn\n"
        assert (await run(process, name, "cat <<END\nhere: $X\nEND")).stdout == "here: 5\n"
        assert (await run(process, name, "return 5")).exit_code == 5
        assert (await run(process, name, "if then")).exit_code != 0
        assert (await run(process, name, "echo usable")).stdout == "usable\n"


async def test_a_command_that_is_not_waited_for(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        command_id = await start(process, name, "echo begin; read line; echo got $line; (exit 3)")
        assert (await process.get_session_command(name, command_id)).exit_code is None
        async for event in process.stream_session_command_logs(name, command_id):
            if event.text == "begin\n":
                await process.send_session_command_input(name, command_id, "one\n")
        assert (await process.get_session_command(name, command_id)).exit_code == 3
        logs = await process.get_session_command_logs(name, command_id)
        assert (logs.stdout, logs.stderr) == ("begin\none\ngot one\n", "")
        with pytest.raises(DaytonaCommandAlreadyCompletedError, match="exit code 3"):
            await process.send_session_command_input(name, command_id, "two\n")


async def test_input_is_not_echoed_when_that_is_not_wanted(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        command_id = await start(process, name, "read line; echo got $line", suppress_input_echo=True)
        await process.send_session_command_input(name, command_id, "one\n")
        await ended(process, name, command_id)
        assert (await process.get_session_command_logs(name, command_id)).stdout == "got one\n"


async def test_commands_run_in_the_order_they_came(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        ids = [await start(process, name, f"echo {number} >> order; sleep 0.05") for number in range(4)]
        await ended(process, name, ids[-1])
        assert [command.id for command in (await process.get_session(name)).commands] == ids
        assert (await run(process, name, "cat order; rm order")).stdout == "0\n1\n2\n3\n"


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("exec true", 0), ("kill -9 $$", 137)])
async def test_the_end_of_the_shell_is_told(session: Callable[[], Any], command: str, status: int) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        assert (await run(process, name, command)).exit_code == status
        with pytest.raises(DaytonaSessionEndedError):
            await run(process, name, "echo again")


async def test_a_missing_command_and_a_blank_one(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        with pytest.raises(DaytonaNotFoundError, match="command not found"):
            await process.get_session_command(name, "nope")
        with pytest.raises(DaytonaNotFoundError):
            await process.get_session_command_logs(name, "nope")
        with pytest.raises(DaytonaValidationError):
            await run(process, name, "  ")


async def test_the_end_of_a_command_is_waited_for(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        slow = await start(process, name, "echo a; sleep 0.3; echo b; (exit 7)")
        ended_command = await process.wait_for_session_command(name, slow, timeout=60)
        assert (ended_command.id, ended_command.exit_code) == (slow, 7)
        endless = await start(process, name, "sleep 600")
        with pytest.raises(DaytonaTimeoutError, match="Failed to wait for session command: "):
            await process.wait_for_session_command(name, endless, timeout=0.3)
        with pytest.raises(DaytonaNotFoundError):
            await process.wait_for_session_command(name, "nope")


async def test_there_is_no_entrypoint_session(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.process.get_entrypoint_session()
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.process.get_entrypoint_logs()


async def test_the_last_bytes_come_before_the_exit_code(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        for number in range(150):
            result = await run(process, name, f"printf 'a{number}\\n'; printf 'b{number}\\n' >&2")
            assert (result.stdout, result.stderr, result.exit_code) == (f"a{number}\n", f"b{number}\n", 0)
