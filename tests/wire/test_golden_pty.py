"""Terminals recorded from a real toolbox daemon of v0.190, replayed frame by frame."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaBadRequestError,
    DaytonaConfig,
    DaytonaConnectionError,
    DaytonaInternalServerError,
    PtySize,
)
from tests.conftest import open_client
from tests.wire.canned_websocket import Canned, recorded, sent
from tests.wire.raw_server import RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TERMINALS = recorded("ptyws_")
ANSWERS = recorded("pty_")

EXPECTED: dict[str, tuple[int | None, str | None]] = {
    "connect_io_exit0": (0, None),
    "exit7": (7, "non-zero exit"),
    "ctrl_c": (130, "Ctrl+C"),
    "exit_after_output": (0, None),
    "exit_control_offered": (3, "non-zero exit"),
    "reconnect": (None, "the server closed the connection (close code 1009)"),
}
LEFT_BY_CLIENT = ("second_client", "lazy_prompt")


@asynccontextmanager
async def process_at(face: str, canned: Canned) -> AsyncIterator[Any]:
    """Yield the processes of a sandbox that *canned* serves."""
    with RawServer(canned) as server:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=f"{server.url}/api")) as daytona:
            yield (await daytona.get("sb-1")).process


def test_every_recorded_terminal_is_expected() -> None:
    assert EXPECTED.keys() | {*LEFT_BY_CLIENT, "create_connect_old_daemon"} == TERMINALS.keys()


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_recorded_terminal_comes_out_as_it_was(face: str, name: str) -> None:
    frames = TERMINALS[name]["frames"]
    canned = Canned(frames)
    async with process_at(face, canned) as process:
        pty = await process.connect_pty_session("p1")
        for data in sent(frames, "out"):
            await pty.send_input(data[:60_000])
        output = b"".join([chunk async for chunk in pty])
        result = await pty.wait()
        assert output == b"".join(sent(frames, "in")[1:])
        assert (result.exit_code, result.error) == EXPECTED[name]
        assert canned.received == [data[:60_000] for data in sent(frames, "out")]


@pytest.mark.parametrize("name", LEFT_BY_CLIENT)
async def test_a_client_that_leaves_has_seen_what_there_was(face: str, name: str) -> None:
    frames = [frame for frame in TERMINALS[name]["frames"] if frame["opcode"] != "close"]
    async with process_at(face, Canned(frames)) as process:
        pty = await process.connect_pty_session("p1")
        for data in sent(frames, "out"):
            await pty.send_input(data)
        seen = b""
        async for chunk in pty:
            seen += chunk
        assert seen == b"".join(sent(frames, "in")[1:])
        result = await pty.wait()
        assert result.exit_code is None
        assert "may still be running" in (result.error or "")


async def test_an_old_daemon_is_asked_in_two_steps(face: str) -> None:
    old = TERMINALS["create_connect_old_daemon"]["handshake"]
    canned = Canned(
        TERMINALS["exit7"]["frames"],
        {
            "GET /process/pty/create-connect": ("404 Not Found", old.get("body_text", "").encode()),
            "POST /process/pty": ("201 Created", b'{"sessionId":"a"}'),
        },
    )
    async with process_at(face, canned) as process:
        pty = await process.create_pty_session("a", cwd="/w", pty_size=PtySize(rows=2, cols=3))
        await pty.send_input("exit 7\n")
        assert (await pty.wait()).exit_code == 7
        lines = [head.partition(" HTTP")[0].replace("/toolbox/sb-1", "") for head in canned.heads[1:]]
        assert lines[0].startswith("GET /process/pty/create-connect?id=a&cols=3&rows=2&cwd=")
        assert lines[1:] == ["POST /process/pty", "GET /process/pty/a/connect"]


async def test_the_error_of_a_terminal_that_does_not_exist_is_raised(face: str) -> None:
    text = '{"error":"Failed to connect to PTY session: PTY session zz not found","status":"error","type":"control"}'
    async with process_at(face, Canned([{"dir": "in", "opcode": "text", "text": text}])) as process:
        with pytest.raises(DaytonaConnectionError, match="PTY session zz not found"):
            await process.connect_pty_session("zz")


async def test_an_end_that_comes_instead_of_connected_is_an_end(face: str) -> None:
    exited = json.dumps({"type": "control", "status": "exited", "exitCode": 5, "exitReason": "non-zero exit"})
    frames = [
        {"dir": "in", "opcode": "text", "text": exited},
        {"dir": "in", "opcode": "binary", "text": "late"},
        {"dir": "in", "opcode": "close", "code": 1011, "reason": ""},
    ]
    async with process_at(face, Canned(frames)) as process:
        pty = await process.create_pty_session("quick")
        assert [chunk async for chunk in pty] == [b"late"]
        assert (await pty.wait()).exit_code == 5


async def test_output_before_connected_is_kept(face: str) -> None:
    frames = [
        {"dir": "in", "opcode": "binary", "text": "early "},
        {"dir": "in", "opcode": "text", "text": '{"status":"connected","type":"control"}'},
        {"dir": "in", "opcode": "text", "text": "[1, 2]"},
        {"dir": "in", "opcode": "close", "code": 1000, "reason": '{"exitCode":0}'},
    ]
    async with process_at(face, Canned(frames)) as process:
        pty = await process.create_pty_session("p")
        assert b"".join([chunk async for chunk in pty]) == b"early [1, 2]"


async def test_the_recorded_answers_are_understood(face: str) -> None:
    def answer(name: str) -> tuple[str, bytes]:
        response = ANSWERS[name]["response"]
        return f"{response['status']} Recorded", response["body_text"].encode()

    canned = Canned(
        [],
        {
            "GET /process/pty": answer("list_empty"),
            "GET /process/pty/p1": answer("info"),
            "DELETE /process/pty/killed": answer("delete"),
            "POST /process/pty/p1/resize": answer("resize_too_big"),
            "GET /process/pty/create-connect": ("404 Not Found", b""),
            "POST /process/pty": answer("create_bad_cwd"),
        },
    )
    async with process_at(face, canned) as process:
        assert await process.list_pty_sessions() == []
        info = await process.get_pty_session_info("p1")
        assert (info.id, info.envs["FOO"], info.cols, info.rows, info.active) == (
            "p1",
            "bar baz",
            80,
            24,
            True,
        )
        await process.kill_pty_session("killed")
        with pytest.raises(DaytonaBadRequestError, match="cols must be less than 1000"):
            await process.resize_pty_session("p1", PtySize(rows=40, cols=1001))
        with pytest.raises(DaytonaInternalServerError, match="failed to start PTY session"):
            await process.create_pty_session("x", cwd="/no/such")
