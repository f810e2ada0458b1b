"""A connection that breaks between any two messages of a WebSocket, and a program that stops reading for a while."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final

import pytest

from daytona import DaytonaConfig, DaytonaConnectionError, DaytonaError, SessionExecuteRequest
from daytona.testing import CutMessages, FaultyRelay
from tests.conftest import open_client

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

Through = Callable[[], AbstractAsyncContextManager[Any]]

MANY: Final = 50
"""More messages than any conversation here has."""
BUSY: Final = float(os.environ.get("TEST_BUSY_SECONDS", "1"))
"""For how long a program reads nothing; a minute is what servers with keep-alives find hard."""
SIZE: Final = 12 * 1024 * 1024
"""Bytes, more than all buffers on the way hold."""

LOGS = r"/toolbox/[^/]+/process/session/[^/]+/command/[^/]+/logs"
TERMINAL = r"/toolbox/[^/]+/process/pty/.*"
INTERPRETER = r"/toolbox/[^/]+/process/interpreter/execute"


@pytest.fixture(scope="module")
def sandbox_id(platform: Platform) -> str:
    """A sandbox that the tests here share."""
    return str(platform.create(autoStopInterval=0)["id"])


@pytest.fixture
def relay(platform: Platform) -> Iterator[FaultyRelay]:
    with FaultyRelay(platform.endpoint.api_url) as relay:
        yield relay


@pytest.fixture
def through(face: str, platform: Platform, relay: FaultyRelay, sandbox_id: str) -> Through:
    """Return a function that opens the sandbox over connections that go through the relay."""
    config = DaytonaConfig(api_key=platform.endpoint.api_key, api_url=relay.url)

    @contextlib.asynccontextmanager
    async def opened() -> AsyncGenerator[Any]:
        async with open_client(face, config) as daytona:
            yield await daytona.get(sandbox_id)

    return opened


def name() -> str:
    return f"w-{uuid.uuid4().hex[:8]}"


async def begin(process: Any, command: str) -> tuple[str, str]:
    """Return a session and a command that has been begun in it."""
    session = name()
    await process.create_session(session)
    request = SessionExecuteRequest(command=command, run_async=True)
    return session, str((await process.execute_session_command(session, request)).cmd_id)


async def outcome(call: Awaitable[Any]) -> Any:
    """Return what a call returns, or the error of the connection that it raises."""
    try:
        return await call
    except DaytonaConnectionError as error:
        return error


# -- Between any two messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [0, 1, 2, 3, 4, 5, MANY])
async def test_a_log_loses_nothing(through: Through, relay: FaultyRelay, messages: int) -> None:
    async with through() as sandbox:
        command = "for i in 1 2 3 4; do echo out $i; echo err $i >&2; sleep 0.02; done"
        session, command_id = await begin(sandbox.process, command)
        relay.inject(CutMessages(messages), method="GET", path=LOGS)
        seen = {"stdout": "", "stderr": ""}
        async for event in sandbox.process.stream_session_command_logs(session, command_id):
            seen[event.stream] += event.text
        assert seen == {
            stream: "".join(f"{word} {number}\n" for number in range(1, 5))
            for stream, word in (("stdout", "out"), ("stderr", "err"))
        }
        await sandbox.process.delete_session(session)


@pytest.mark.parametrize("messages", [0, 1, 2, 3, 4, MANY])
async def test_a_run_says_that_it_was_lost_or_has_all_its_output(
    through: Through, relay: FaultyRelay, messages: int
) -> None:
    async with through() as sandbox:
        interpreter = sandbox.code_interpreter
        context = await interpreter.create_context()
        relay.inject(CutMessages(messages), method="GET", path=INTERPRETER)
        code = "x = 1\nfor i in range(3):\n    print(i, flush=True)"
        run = await outcome(interpreter.run_code(code, context=context))
        if isinstance(run, DaytonaConnectionError):
            assert (run.outcome, messages < MANY) == ("unknown", True)
        else:
            assert (run.stdout, messages > 1) == ("0\n1\n2\n", True)
        # Without any answer it is unknown whether the code was there already.
        again = await interpreter.run_code("print(x)" if messages else "print(1)", context=context)
        assert again.stdout == "1\n"
        await interpreter.delete_context(context)


@pytest.mark.parametrize("messages", [0, 1, 2, 3, MANY])
async def test_a_terminal_outlives_its_connection(
    through: Through, relay: FaultyRelay, messages: int
) -> None:
    async with through() as sandbox:
        terminal = name()
        relay.inject(CutMessages(messages), method="GET", path=TERMINAL)
        try:
            pty = await sandbox.process.create_pty_session(terminal)
            for _ in range(4):
                await pty.send_input("echo a''b\n")
                await anext(aiter(pty))
            lost = False
        except (DaytonaError, StopAsyncIteration):
            lost = True
        assert lost == (messages < MANY)
        pty = await sandbox.process.connect_pty_session(terminal)
        await pty.send_input("echo st''ill; exit 5\n")
        output = b"".join([piece async for piece in pty])
        assert b"still" in output
        assert (await pty.wait()).exit_code == 5


# -- A program that stops reading -----------------------------------------------------------------------------------


def busy() -> None:
    """Do something else, and let nothing else in this thread happen."""
    time.sleep(BUSY)


async def test_a_log_waits_for_its_reader(through: Through) -> None:
    async with through() as sandbox:
        session, command_id = await begin(sandbox.process, f"head -c {SIZE} /dev/zero | tr '\\0' a; echo")
        received = 0
        async for event in sandbox.process.stream_session_command_logs(session, command_id):
            if not received:
                busy()
            received += len(event.data)
        assert received == SIZE + 1
        assert (await sandbox.process.get_session_command(session, command_id)).exit_code == 0
        await sandbox.process.delete_session(session)


async def test_a_run_waits_for_its_reader(through: Through) -> None:
    lengths: list[int] = []

    def take(message: Any) -> None:
        if not lengths:
            busy()
        lengths.append(len(message.output))

    code = f"for _ in range({SIZE // 65536}):\n    print('a' * 65535)"
    async with through() as sandbox:
        result = await sandbox.code_interpreter.run_code(code, on_stdout=take)
    assert sum(lengths) == len(result.stdout) == SIZE


async def test_a_terminal_keeps_what_its_reader_has_not_taken(through: Through) -> None:
    async with through() as sandbox:
        pty = await sandbox.process.create_pty_session(name())
        await pty.send_input("stty -echo; seq -f 'line-%g' 20000; exit\n")
        output = b""
        async for piece in pty:
            if not output:
                busy()
            output += piece
        lines = [line for line in output.split() if line.startswith(b"line-")]
        assert lines == [b"line-%d" % number for number in range(1, 20001)]
        assert (await pty.wait()).exit_code == 0
