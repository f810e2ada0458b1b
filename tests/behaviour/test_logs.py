"""Logs as they grow, on every face against a real sandbox: every byte once, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from daytona import Daytona, DaytonaConfig, DaytonaNotFoundError, SessionExecuteRequest
from daytona.testing import Cut, FaultyRelay
from tests.conftest import open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.local.platform_process import Platform

KIB = 1024
LOGS = r"/toolbox/[^/]+/process/session/[^/]+/command/[^/]+/logs"


async def start(process: Any, name: str, command: str) -> str:
    request = SessionExecuteRequest(command=command, run_async=True)
    return str((await process.execute_session_command(name, request)).cmd_id)


async def follow(process: Any, name: str, command_id: str) -> tuple[bytes, bytes]:
    """Return all that a command writes to both streams."""
    collected = {"stdout": bytearray(), "stderr": bytearray()}
    async for event in process.stream_session_command_logs(name, command_id):
        collected[event.stream] += event.data
    return bytes(collected["stdout"]), bytes(collected["stderr"])


def noise(size: int, seed: int) -> bytes:
    """Return bytes of all values, with what looks like markers and with characters of several bytes."""
    source = random.Random(seed)
    parts = [b"\1\1\1", b"\2\2\2", b"\1", b"\2\2", "grüße €".encode(), b"\n", b"\0", source.randbytes(50)]
    data = b"".join(source.choices(parts, k=size // 8 + 1))[:size]
    return data[:-1] + b"\n" if data else b""


# -- Exactness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3 * KIB * KIB])
async def test_what_is_written_is_what_arrives(session: Callable[[], Any], size: int) -> None:
    out, err = noise(size, 1), noise(size, 2)
    async with session() as (sandbox, name):
        await sandbox.fs.upload_file(out, f"{name}.out")
        await sandbox.fs.upload_file(err, f"{name}.err")
        command = f"cat {name}.out & cat {name}.err >&2; wait; rm {name}.*"
        command_id = await start(sandbox.process, name, command)
        assert await follow(sandbox.process, name, command_id) == (out, err)
        again = await follow(sandbox.process, name, command_id)  # opened late: all of it as well
        assert again == (out, err)
        logs = await sandbox.process.get_session_command_logs(name, command_id)
        assert (logs.stdout, logs.stderr) == (out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


async def test_a_prompt_arrives_before_its_line_ends(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        command_id = await start(process, name, "printf '> '; read line; echo got $line")
        seen = ""
        async for event in process.stream_session_command_logs(name, command_id):
            if not seen:
                assert event.text == "> "
                await process.send_session_command_input(name, command_id, "x\n")
            seen += event.text
        assert seen == "> x\ngot x\n"


async def test_a_character_in_two_pieces_is_one_character(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        command = r"printf '\303'; sleep 0.1; echo between >&2; sleep 0.1; printf '\251\n'"
        command_id = await start(sandbox.process, name, command)
        events = [each async for each in sandbox.process.stream_session_command_logs(name, command_id)]
        assert "".join(event.text for event in events if event.stream == "stdout") == "é\n"
        assert "".join(event.text for event in events if event.stream == "stderr") == "between\n"


async def test_the_end_of_the_log_comes_after_its_last_byte_and_before_the_exit_code(
    session: Callable[[], Any],
) -> None:
    async with session() as (sandbox, name):
        process = sandbox.process
        for number in range(40):
            command_id = await start(process, name, f"printf 'last words {number}\\n'; (exit 4)")
            assert await follow(process, name, command_id) == (f"last words {number}\n".encode(), b"")
            assert (await process.get_session_command(name, command_id)).exit_code == 4


# -- Ends -------------------------------------------------------------------------------------------------------------


async def test_an_unknown_command_is_refused_before_anything_comes(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        with pytest.raises(
            DaytonaNotFoundError, match=r"Failed to get session command logs: .*command not found"
        ):
            await follow(sandbox.process, name, "nope")


async def test_deleting_the_session_ends_the_log(session: Callable[[], Any], box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        process = sandbox.process
        name = f"s-{uuid.uuid4().hex[:8]}"
        await process.create_session(name)
        command_id = await start(process, name, "echo before; sleep 1000")
        seen = b""
        async for event in process.stream_session_command_logs(name, command_id):
            seen += event.data
            if seen.endswith(b"\n"):
                await process.delete_session(name)
        assert seen == b"before\n"


async def test_the_reader_may_leave_early(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        command_id = await start(sandbox.process, name, "while :; do echo line; sleep 0.01; done")
        events = sandbox.process.stream_session_command_logs(name, command_id)
        async for event in events:
            assert event.text.startswith("line")
            break
        await events.aclose()


# -- Callbacks --------------------------------------------------------------------------------------------------------


async def test_callbacks_get_the_text(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        command_id = await start(sandbox.process, name, "echo out; echo err >&2")
        out: list[str] = []
        err: list[str] = []
        await sandbox.process.get_session_command_logs_async(name, command_id, out.append, err.append)
        assert ("".join(out), "".join(err)) == ("out\n", "err\n")


@pytest.mark.faces("asyncio", "trio")
async def test_callbacks_may_be_coroutine_functions(session: Callable[[], Any]) -> None:
    async with session() as (sandbox, name):
        command_id = await start(sandbox.process, name, "echo out; echo err >&2")
        seen: list[str] = []

        async def take(text: str) -> None:
            seen.append(text)

        await sandbox.process.get_session_command_logs_async(name, command_id, take, take)
        assert sorted("".join(seen).split()) == ["err", "out"]


async def test_an_error_in_a_callback_ends_it_and_is_the_callers(session: Callable[[], Any]) -> None:
    class Enough(Exception):
        pass

    def refuse(_text: str) -> None:
        raise Enough

    async with session() as (sandbox, name):
        command_id = await start(sandbox.process, name, "echo out; sleep 1000")
        with pytest.raises(Enough):
            await sandbox.process.get_session_command_logs_async(name, command_id, refuse, refuse)


async def test_there_are_no_logs_of_an_entrypoint(box: Callable[[], Any]) -> None:
    async with box() as sandbox:
        with pytest.raises(DaytonaNotFoundError, match="Failed to get entrypoint logs"):
            await sandbox.process.get_entrypoint_logs_async(print, print)


def test_the_blocking_face_may_be_awaited_as_programs_for_the_official_client_do(
    platform: Platform, shared_id: str
) -> None:
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=platform.endpoint.api_url)
    with Daytona(config) as daytona:
        process = daytona.get(shared_id).process
        name = f"s-{uuid.uuid4().hex[:8]}"
        process.create_session(name)
        command = process.execute_session_command(
            name, SessionExecuteRequest(command="echo out", run_async=True)
        )
        plain: list[str] = []
        process.get_session_command_logs_async(name, command.cmd_id, plain.append, print)
        awaited: list[str] = []
        asyncio.run(process.get_session_command_logs_async(name, command.cmd_id, awaited.append, print))

        async def inside() -> None:
            await process.get_session_command_logs_async(name, command.cmd_id, awaited.append, print)
            await asyncio.create_task(
                process.get_session_command_logs_async(name, command.cmd_id, awaited.append, print)
            )

        asyncio.run(inside())
        process.delete_session(name)
    assert (plain, awaited) == (["out\n"], ["out\n"] * 3)


# -- Dropped connections ----------------------------------------------------------------------------------------------


@pytest.fixture
def relay(platform: Platform) -> Iterator[FaultyRelay]:
    with FaultyRelay(platform.endpoint.api_url) as relay:
        yield relay


@pytest.fixture
def through(face: str, platform: Platform, relay: FaultyRelay) -> Callable[[], Any]:
    """Return a function that opens a client whose every connection goes through the relay."""
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=relay.url)
    return lambda: open_client(face, config)


@pytest.mark.parametrize("seed", range(3))
async def test_a_dropped_connection_is_not_noticed(
    through: Callable[[], Any], relay: FaultyRelay, shared_id: str, seed: int
) -> None:
    cuts = random.Random(seed).sample(range(150, 400_000), 4)
    out, err = noise(200 * KIB, seed), noise(100 * KIB, seed + 100)
    async with through() as daytona:
        sandbox = await daytona.get(shared_id)
        name = f"s-{uuid.uuid4().hex[:8]}"
        await sandbox.process.create_session(name)
        await sandbox.fs.upload_file(out, f"{name}.out")
        await sandbox.fs.upload_file(err, f"{name}.err")
        for cut in cuts:
            relay.inject(Cut(cut), method="GET", path=LOGS)
        command = f"cat {name}.err >&2; sleep 0.4; cat {name}.out; sleep 0.4; rm {name}.*"
        command_id = await start(sandbox.process, name, command)
        assert await follow(sandbox.process, name, command_id) == (out, err)
        await sandbox.process.delete_session(name)


async def test_a_server_that_always_drops_is_read_by_the_plain_log(
    through: Callable[[], Any], relay: FaultyRelay, shared_id: str
) -> None:
    async with through() as daytona:
        sandbox = await daytona.get(shared_id)
        name = f"s-{uuid.uuid4().hex[:8]}"
        await sandbox.process.create_session(name)
        result = await sandbox.process.execute_session_command(
            name, SessionExecuteRequest(command="seq 10000; echo end >&2")
        )
        relay.inject(Cut(5000), method="GET", path=LOGS)
        out, err = await follow(sandbox.process, name, result.cmd_id)
        assert out.split() == [str(number).encode() for number in range(1, 10001)]
        assert err == b"end\n"
        await sandbox.process.delete_session(name)
