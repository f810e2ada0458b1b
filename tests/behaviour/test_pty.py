"""Terminals in a real sandbox, on the three faces."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from daytona import (
    DaytonaBadRequestError,
    DaytonaConflictError,
    DaytonaConnectionError,
    DaytonaError,
    DaytonaGoneError,
    DaytonaNotFoundError,
    DaytonaValidationError,
    PtySize,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Box = Callable[[], Any]


async def until(pty: Any, wanted: bytes) -> bytes:
    """Return the output up to where *wanted* has been printed."""
    seen = b""
    try:
        async for chunk in pty:
            seen += chunk
            if wanted in seen:
                return seen
    except BaseException:  # one that hangs is ended with an error that does not know
        print(f"waited for {wanted!r} after {seen!r}")
        raise
    raise AssertionError(f"the terminal ended after {seen!r}")


async def finished(pty: Any) -> bytes:
    """Return the output to its end."""
    return b"".join([chunk async for chunk in pty])


def is_connected(pty: Any) -> bool:
    """Return the one plain method's answer on every face."""
    return bool(getattr(pty, "wrapped", pty).is_connected())


async def test_a_terminal_has_the_size_variables_and_directory_asked_for(box: Box, unique: str) -> None:
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(
            unique, cwd="/tmp", envs={"CITY": "Oslo é"}, pty_size=PtySize(rows=11, cols=47)
        )
        assert is_connected(pty)
        await pty.send_input('stty size; tty; echo "$CITY|$TERM|$PWD"; exit\n')
        output = await finished(pty)
        assert b"11 47\r\n" in output
        assert b"/dev/pts/" in output
        assert "Oslo é|xterm-256color|/tmp".encode() in output
        assert not is_connected(pty)


@pytest.mark.parametrize(
    ("typed", "exit_code", "error"),
    [
        ("exit 0\n", 0, None),
        ("exit 7\n", 7, "non-zero exit"),
        ("exit 130\n", 130, "Ctrl+C"),
        ("exit 200\n", 200, "signal 72"),
        ("sh -c 'kill -TERM $$'; exit\n", 143, "SIGTERM"),
        ("kill -9 $$\n", -1, "non-zero exit"),
    ],
)
async def test_the_exit_code_is_exact(
    box: Box, unique: str, typed: str, exit_code: int, error: str | None
) -> None:
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique)
        await pty.write(typed)
        result = await pty.wait()
        assert (result.exit_code, result.error) == (exit_code, error)
        assert (pty.exit_code, pty.error) == (exit_code, error) if not hasattr(pty, "wrapped") else True


async def test_a_resize_reaches_the_program_as_sigwinch(box: Box, unique: str) -> None:
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique)
        await pty.write('sh -c \'trap "stty size" WINCH; echo re""ady; while :; do sleep 0.05; done\'\n')
        await until(pty, b"ready")
        info = await pty.resize(PtySize(rows=40, cols=150))
        assert (info.rows, info.cols) == (40, 150)
        await until(pty, b"40 150")
        await sandbox.process.resize_pty_session(unique, PtySize(rows=9, cols=99))
        await until(pty, b"9 99")
        await pty.kill()


async def test_job_control_works(box: Box, unique: str) -> None:
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique)
        # A shell may drop what is typed before it asks for more.
        await pty.write("PS1='pro''mpt> '\n")
        await until(pty, b"prompt> ")
        # Not a shell script: a shell that is stopped while it forks may stay half stopped.
        await pty.write(
            'python3 -c "import os, signal, time;'
            " signal.signal(signal.SIGCONT, lambda *_: os.write(1, b'go' b'ing'));"
            " os.write(1, b're' b'ady'); time.sleep(300)\"\n"
        )
        await until(pty, b"ready")
        await pty.write(b"\x1a")
        assert b"Stopped" in await until(pty, b"prompt> ")
        await pty.write("fg\n")
        await until(pty, b"going")
        await pty.write(b"\x03")
        assert b"KeyboardInterrupt" in await until(pty, b"prompt> ")
        await pty.write("echo status $?; exit\n")
        assert b"status 130" in await finished(pty)


async def test_kill_ends_every_process_of_the_terminal(box: Box, unique: str) -> None:
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique)
        mark = f"{unique}-mark"
        await pty.write(
            f"(exec -a {mark} sleep 300) & nohup bash -c 'exec -a {mark} sleep 301' >/dev/null 2>&1 & disown\n"
            f"setsid --wait bash -c 'exec -a {mark} sleep 302' & bash -c 'exec -a {mark} sleep 303 & echo started'\n"
        )
        await until(pty, b"\nstarted")
        await pty.kill()
        assert (await pty.wait()).exit_code == 137
        left = (await sandbox.process.exec(f"ps -eo stat,args | grep {mark} | grep -v grep")).result
        assert left == ""


async def test_a_terminal_outlives_its_clients_and_is_found_again(box: Box, unique: str) -> None:
    async with box() as sandbox:
        first = await sandbox.process.create_pty_session(unique)
        await first.write("echo o''ne\n")
        await until(first, b"one")
        await first.close()
        await first.close()
        info = await sandbox.process.get_pty_session_info(unique)
        assert (info.id, info.active) == (unique, True)
        assert unique in [one.id for one in await sandbox.process.list_pty_sessions()]
        second = await sandbox.process.connect_pty_session(unique)
        third = await sandbox.process.connect_pty_session(unique)
        await second.write("echo tw''o\n")
        assert b"two" in await until(second, b"two")
        assert b"two" in await until(third, b"two")
        await sandbox.process.kill_pty_session(unique)
        assert (await second.wait()).exit_code == (await third.wait()).exit_code == 137
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.process.get_pty_session_info(unique)


async def test_what_is_wrong_is_told(box: Box, unique: str) -> None:
    async with box() as sandbox:
        process = sandbox.process
        pty = await process.create_pty_session(unique)
        with pytest.raises(DaytonaConflictError, match=r"Failed to create PTY session: .*already exists"):
            await process.create_pty_session(unique)
        with pytest.raises(DaytonaBadRequestError):
            await process.create_pty_session("", cwd="/")
        with pytest.raises(DaytonaBadRequestError, match="less than 1000"):
            await process.create_pty_session(f"{unique}-big", pty_size=PtySize(rows=1, cols=1001))
        with pytest.raises(DaytonaError, match="no such file"):
            await process.create_pty_session(f"{unique}-lost", cwd="/no/such")
        with pytest.raises(DaytonaConnectionError, match="not found"):
            await process.connect_pty_session(f"{unique}-none")
        with pytest.raises(DaytonaGoneError):
            await process.resize_pty_session(f"{unique}-none", PtySize(rows=1, cols=1))
        with pytest.raises(DaytonaNotFoundError):
            await process.kill_pty_session(f"{unique}-none")
        await pty.kill()
        await pty.wait()
        with pytest.raises(DaytonaConnectionError, match="is not connected"):
            await pty.write("too late\n")


async def test_output_is_complete_and_large_input_too(box: Box, unique: str) -> None:
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique)
        await pty.write("stty raw -echo; echo re''ady; head -c 300000 | sha256sum; seq 1 20000; exit 0\n")
        await until(pty, b"ready")
        data = bytes(range(1, 251)) * 1200
        await pty.send_input(data)
        output = await finished(pty)
        assert hashlib.sha256(data).hexdigest().encode() in output
        numbers = output.partition(b"-")[2].split()
        assert numbers[:20000] == [b"%d" % number for number in range(1, 20001)]


async def test_on_data_given_to_wait_gets_the_output(box: Box, unique: str) -> None:
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique)
        seen: list[bytes] = []
        result = await pty.wait(on_data=seen.append, timeout=0.05)
        assert result.exit_code is None
        await pty.write("echo w''ord; exit 3\n")
        assert (await pty.wait(seen.append)).exit_code == 3
        assert b"word" in b"".join(seen)


async def test_on_data_given_at_the_start_is_told_all(box: Box, unique: str) -> None:
    seen: list[bytes] = []
    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique, on_data=seen.append)
        await pty.write("echo w''ord; exit 4\n")
        assert (await pty.wait()).exit_code == 4
        assert b"word" in b"".join(seen)
        with pytest.raises(DaytonaValidationError, match="goes to on_data"):
            await until(pty, b"x")


async def test_what_on_data_raises_ends_the_connection_and_is_raised(box: Box, unique: str) -> None:
    def refuse(_data: bytes) -> None:
        raise DaytonaConnectionError("not wanted")  # not the terminal's, though it looks like that

    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique, on_data=refuse)
        with pytest.raises(DaytonaConnectionError, match="not wanted"):
            await pty.wait()
        assert not is_connected(pty)
        assert unique in [one.id for one in await sandbox.process.list_pty_sessions()]
        await sandbox.process.kill_pty_session(unique)


@pytest.mark.faces("asyncio", "trio")
async def test_on_data_is_told_without_wait_and_may_be_async(box: Box, unique: str) -> None:
    arrived = anyio.Event()
    seen: list[bytes] = []

    async def on_data(data: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(data)
        if b"word" in b"".join(seen):
            arrived.set()

    async with box() as sandbox:
        pty = await sandbox.process.create_pty_session(unique, on_data)
        await pty.write("echo w''ord\n")
        with anyio.fail_after(20):
            await arrived.wait()
        await pty.close()
        await sandbox.process.kill_pty_session(unique)


@pytest.mark.faces("asyncio", "trio")
async def test_a_handle_can_be_closed_from_its_own_callback(box: Box, unique: str) -> None:
    async with box() as sandbox:
        handles: list[Any] = []

        async def on_data(_data: bytes) -> None:
            await handles[0].close()

        handles.append(await sandbox.process.create_pty_session(unique))
        await handles[0].wait(timeout=0.01)
        pty = await sandbox.process.connect_pty_session(unique, on_data)
        handles[0] = pty
        await pty.write("echo x\n")
        assert (await pty.wait()).exit_code is None
        await sandbox.process.kill_pty_session(unique)


@pytest.mark.faces("asyncio")
async def test_no_task_is_left_of_closed_handles_and_clients(
    connect: Any, shared_id: str, unique: str
) -> None:
    before = asyncio.all_tasks()
    async with connect() as daytona:
        process = (await daytona.get(shared_id)).process
        closed = await process.create_pty_session(unique, lambda _data: None)
        await closed.close()
        assert asyncio.all_tasks() == before
        await process.connect_pty_session(unique, lambda _data: None)
        assert asyncio.all_tasks() != before
    assert asyncio.all_tasks() == before
    async with connect() as daytona:
        await (await daytona.get(shared_id)).process.kill_pty_session(unique)


async def test_the_face_takes_the_official_positional_arguments(box: Box, face: str, unique: str) -> None:
    async with box() as sandbox:
        if face == "blocking":
            pty = await sandbox.process.create_pty_session(unique, "/tmp", {"A": "1"})
        else:
            pty = await sandbox.process.create_pty_session(unique, None, "/tmp", {"A": "1"})
        await pty.write('echo "$PWD:$A"; exit\n')
        assert b"/tmp:1" in await finished(pty)


async def test_an_open_terminal_does_not_keep_its_sandbox_from_stopping(connect: Any) -> None:
    async with connect() as daytona:
        sandbox = await daytona.create()
        pty = await sandbox.process.create_pty_session("open")
        await pty.write("echo re''ady\n")
        await until(pty, b"ready")
        await sandbox.stop(timeout=8)
        await pty.wait()
        assert not is_connected(pty)
        await sandbox.start()
        assert await sandbox.process.list_pty_sessions() == []
        await sandbox.delete()
