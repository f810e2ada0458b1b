"""Runs of the interpreter recorded from a real toolbox daemon of v0.190, replayed frame by frame."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaBadRequestError,
    DaytonaConfig,
    DaytonaConnectionError,
    DaytonaProcessExecutionTimeoutError,
    ExecutionError,
    InterpreterContext,
)
from tests.conftest import open_client
from tests.wire.canned_websocket import Canned, recorded, sent
from tests.wire.raw_server import RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RUNS = recorded("interpws_")
ANSWERS = recorded("interp_")

SYNTAX_ERROR = ExecutionError(
    name="SyntaxError",
    value="invalid syntax (<string>, line 2)",
    traceback="SyntaxError: invalid syntax (<string>, line 2)\n",
)
EXPECTED: dict[str, tuple[str, str, ExecutionError | None]] = {
    "stdout": ("hi\n41\n", "", None),
    "state_default": ("42\n", "", None),
    "interleaved": ("o 0\no 1\no 2\n", "e 0\ne 1\ne 2\n", None),
    "no_echo_last_expr": ("", "", None),
    "syntax_error": ("", "", SYNTAX_ERROR),
    "sys_exit": ("bye\n", "", None),
    "large": ("z" * 5000 + "\n", "", None),
    "envs": ("1 \n", "", None),
    "after_timeout": ("alive 41\n", "", None),
}
FAILURES: dict[str, tuple[type[Exception], str]] = {
    "unknown_context": (DaytonaConnectionError, r"context not found: nope \(close code 1008\)"),
    "bad_json": (DaytonaConnectionError, r"invalid JSON payload \(close code 1002\)"),
    "timeout_forced_kill": (DaytonaProcessExecutionTimeoutError, "longer than its timeout"),
    "context_deleted_midrun": (DaytonaConnectionError, r"worker process ended \(close code 1001\)"),
}


@asynccontextmanager
async def interpreter_at(face: str, canned: Canned) -> AsyncIterator[Any]:
    """Yield the interpreter of a sandbox that *canned* serves."""
    with RawServer(canned) as server:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=f"{server.url}/api")) as daytona:
            yield (await daytona.get("sb-1")).code_interpreter


def test_every_recorded_run_is_expected() -> None:
    assert EXPECTED.keys() | FAILURES.keys() == RUNS.keys()


def arguments(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the call that makes the recorded request."""
    [data] = sent(frames, "out")
    request: dict[str, Any] = json.loads(data) if data.startswith(b"{") else {"code": data.decode()}
    context = request.pop("contextId", None)
    request["context"] = InterpreterContext(id=context) if context else None
    request["envs"] = {name: value or "" for name, value in request.get("envs", {}).items()} or None
    return request | {"timeout": request.get("timeout")}


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_recorded_run_comes_out_as_it_was(face: str, name: str) -> None:
    frames = RUNS[name]["frames"]
    canned = Canned(frames)
    told: list[str] = []
    async with interpreter_at(face, canned) as python:
        result = await python.run_code(
            **arguments(frames),
            on_stdout=lambda message: told.append(message.output),
            on_stderr=lambda message: told.append(message.output),
        )
    assert (result.stdout, result.stderr, result.error) == EXPECTED[name]
    chunks = [json.loads(data) for data in sent(frames, "in")]
    assert told == [chunk["text"] for chunk in chunks if chunk["type"] in ("stdout", "stderr")]


@pytest.mark.parametrize("name", FAILURES)
async def test_a_recorded_failure_is_raised(face: str, name: str) -> None:
    kind, message = FAILURES[name]
    frames = RUNS[name]["frames"]
    async with interpreter_at(face, Canned(frames)) as python:
        with pytest.raises(kind, match=message):
            await python.run_code(**arguments(frames))


async def test_the_request_is_the_recorded_one(face: str) -> None:
    frames = RUNS["no_echo_last_expr"]["frames"]
    canned = Canned(frames)
    async with interpreter_at(face, canned) as python:
        context = InterpreterContext(id="ctx")
        await python.run_code("x=1", context=context, envs={"A": "b"}, timeout=5)
    assert json.loads(canned.received[0]) == {
        "code": "x=1",
        "contextId": "ctx",
        "envs": {"A": "b"},
        "timeout": 5,
    }


@pytest.mark.parametrize(("timeout", "sent_one"), [(0, {"timeout": 0}), (None, {}), (0.5, {"timeout": 1})])
async def test_no_limit_is_said_and_no_wish_is_not(
    face: str, timeout: float | None, sent_one: dict[str, int]
) -> None:
    canned = Canned(RUNS["no_echo_last_expr"]["frames"])
    async with interpreter_at(face, canned) as python:
        await python.run_code("x=1", timeout=timeout)
    assert json.loads(canned.received[0]) == {"code": "x=1", **sent_one}


async def test_a_server_that_says_nothing_is_left_after_the_timeout(face: str) -> None:
    silent = [{"dir": "out", "opcode": "text"}, {"dir": "out", "opcode": "text"}]
    async with interpreter_at(face, Canned(silent)) as python:
        with pytest.raises(DaytonaProcessExecutionTimeoutError, match="did not end within"):
            await python.run_code("x=1", timeout=0.1)


async def test_the_recorded_answers_are_understood(face: str) -> None:
    def answer(name: str) -> tuple[str, bytes]:
        response = ANSWERS[name]["response"]
        return f"{response['status']} Recorded", response["body_text"].encode()

    deleted = ANSWERS["delete"]["request"]["target"]
    canned = Canned(
        [],
        {
            "POST /process/interpreter/context": answer("create_cwd"),
            "GET /process/interpreter/context": answer("list_two"),
            f"DELETE {deleted}": answer("delete"),
        },
    )
    async with interpreter_at(face, canned) as python:
        context = await python.create_context("/tmp")
        assert (context.cwd, context.language, context.active) == ("/tmp", "python", True)
        listed = await python.list_contexts()
        assert [one.cwd for one in listed] == ["/home/daytona", "/tmp"]
        await python.delete_context(InterpreterContext(id=deleted.rpartition("/")[2]))
    refused = Canned([], {"POST /process/interpreter/context": answer("create_bad_language")})
    async with interpreter_at(face, refused) as python:
        with pytest.raises(DaytonaBadRequestError, match="Failed to create interpreter context: "):
            await python.create_context()


async def test_a_server_that_refuses_before_it_was_asked_is_understood(face: str) -> None:
    close = {"dir": "in", "opcode": "close", "code": 1008, "reason": "no interpreter here"}
    async with interpreter_at(face, Canned([close])) as interpreter:
        with pytest.raises(DaytonaConnectionError, match=r"no interpreter here \(close code 1008\)"):
            await interpreter.run_code("1")
