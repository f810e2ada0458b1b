"""The requests that the official client was recorded making, made again by ours: same method, path, query and body.

The recording names each call as Python text, which is what runs here, on every face.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import daytona
from daytona import AsyncDaytona, Daytona, DaytonaConfig
from tests.wire.anything import answer_anything
from tests.wire.stub_server import Recorded, StubServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RECORDING = Path(__file__).parents[1] / "data" / "golden_requests.jsonl"
LINES = [json.loads(line) for line in RECORDING.read_text(encoding="utf-8").splitlines()]

OUT_OF_SCOPE = {
    "ci.run_code": "a WebSocket, which the stub does not speak",
    "d.snapshot.": "snapshots are not in this version",
    "pr.create_pty_session": "a WebSocket, which the stub does not speak",
    "pr.connect_pty_session": "a WebSocket, which the stub does not speak",
    "asyncio.run(pr.get_session_command_logs_async": "a WebSocket, which the stub does not speak",
}
"""Beginnings of calls that come with later versions."""


class Difference(NamedTuple):
    """How our request is meant to differ from the recorded one."""

    reason: str
    target: str | None = None
    added: dict[str, str] = {}
    """Keys that our body has beside the recorded ones, and patterns of their values."""


NAMED = Difference(
    "a sandbox without a name gets one here, so that one whose creation was answered by silence can be found again",
    added={"name": r"sandbox-[0-9a-f]{16}"},
)

DIFFERENCES = {
    "d.create()": NAMED,
    'd.create(CreateSandboxFromImageParams(image="debian:12", resources=Resources(cpu=2, memory=4, disk=8, gpu=1, '
    "gpu_type=GpuType.H100)))": NAMED,
    'd.create(CreateSandboxFromImageParams(image=Image.debian_slim("3.12").pip_install("numpy")))': NAMED,
    'pr.exec("ls", cwd="/x", env={"A":"1"}, timeout=7)': Difference(
        "asks servers that know it not to wait for children in the background; others ignore it",
        added={"drainSeconds": r"1\.0"},
    ),
    'pr.code_run("print(1)", CodeRunParams(argv=["a"], env={"B":"2"}), timeout=3)': Difference(
        "asks servers that know it not to wait for children in the background; others ignore it",
        added={"drainSeconds": r"1\.0"},
    ),
    'sb.revoke_ssh_access("t")': Difference(
        "the recorded request sends the token as the organization and so revokes every access of the sandbox",
        target="/api/sandbox/sb-1/ssh-access?token=t",
    ),
}
"""Calls whose request is meant to differ."""

# Two headers differ on purpose wherever they occur. `Accept` is `application/json` on every call that is not a
# transfer: the recorded `*/*` and its absence come from what the published description says of the answer, and no
# server looks at it. `Content-Type` is there exactly when there is a body: the recorded client leaves it out of
# `POST /env`, which has one, and sends it with `POST /last-activity`, which has none.


def _is_out_of_scope(call: str) -> bool:
    return any(call.startswith(beginning) for beginning in OUT_OF_SCOPE)


IN_SCOPE = [line for line in LINES if not _is_out_of_scope(line["call"])]


def test_every_line_is_accounted_for() -> None:
    known = ("d.", "next(d.", "sb.", "fs.", "pr.", "git.", "ci.", "cu.", "lsp.")
    unaccounted = [line["call"] for line in IN_SCOPE if not line["call"].startswith(known)]
    assert unaccounted == []
    assert len(IN_SCOPE) >= 63
    calls = {line["call"] for line in LINES}
    assert DIFFERENCES.keys() <= calls
    for beginning in OUT_OF_SCOPE:
        assert any(call.startswith(beginning) for call in calls), f"nothing begins with {beginning}"


@pytest.mark.parametrize("line", IN_SCOPE, ids=lambda line: line["call"][:60])
async def test_the_request_is_the_recorded_one(face: str, line: dict[str, Any]) -> None:
    async with _objects(face) as (names, server):
        known = {name: getattr(daytona, name) for name in daytona.__all__}
        await _now(eval(_expression(line["call"]), {**known, **names}))
    assert len(server.requests) == len(line["requests"])
    for request, recorded in zip(server.requests, line["requests"], strict=True):
        _compare(face, request, recorded, DIFFERENCES.get(line["call"], Difference("none")))


def _compare(face: str, request: Recorded, recorded: dict[str, Any], meant: Difference) -> None:
    assert (request.method, request.target) == (recorded["method"], meant.target or recorded["target"])
    body = request.json
    for name, pattern in meant.added.items():
        assert re.fullmatch(pattern, str(body.pop(name)))
    assert body == (json.loads(recorded["body"]) if recorded["body"] else None)
    source = "sdk-python" if face == "blocking" else "sdk-python-async"
    headers = request.headers
    assert headers["Authorization"] == recorded["headers"]["Authorization"] == "Bearer KEY"
    assert headers["X-Daytona-SDK-Version"] == recorded["headers"]["X-Daytona-SDK-Version"]
    assert headers["X-Daytona-Source"] == source
    assert headers["User-Agent"].split()[0] == f"{source}/0.226.1"
    wanted = recorded["headers"].get("Accept")
    assert headers["Accept"] == (wanted if wanted == "multipart/form-data" else "application/json")
    assert headers.get("Content-Type") == ("application/json" if request.body else None)
    assert headers["Host"]
    assert "X-Daytona-Organization-ID" not in headers


@asynccontextmanager
async def _objects(face: str) -> AsyncIterator[tuple[dict[str, Any], StubServer]]:
    """Yield the names that the recorded calls use, and the server that they reach."""
    with StubServer(answer_anything) as server:
        config = DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api", target="us")
        client: Any = Daytona(config) if face == "blocking" else AsyncDaytona(config)
        try:
            sandbox = await _now(client.get("sb-1"))
            server.requests.clear()
            moment = datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)
            parts = {
                "fs": sandbox.fs,
                "pr": sandbox.process,
                "git": sandbox.git,
                "ci": sandbox.code_interpreter,
                "cu": sandbox.computer_use,
                "lsp": sandbox.create_lsp_server("python", "/proj"),
            }
            yield {"d": client, "sb": sandbox, "dt": moment, "ctx": CONTEXT, "vol": VOLUME, **parts}, server
        finally:
            await _now(client.close())


def _expression(call: str) -> str:
    """Return the call without the `next` that pulls a list: what it pulls differs from face to face."""
    return call.removeprefix("next(").removesuffix(")") if call.startswith("next(") else call


async def _now(result: Any) -> Any:
    """Return what a call of either face comes to; of a list, its first item."""
    if inspect.isasyncgen(result):
        async with aclosing(result):
            return await anext(result)
    if isinstance(result, Iterator):
        return next(result)
    return await result if inspect.isawaitable(result) else result


CONTEXT = daytona.InterpreterContext(id="ctx", cwd="/", language="python")

VOLUME = daytona.Volume(id="vol-1", name="n")
