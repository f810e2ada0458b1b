"""POST /process/execute: one command in a fresh shell."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.command import Command, StartError
from daytona_plugins.local.agent.environment import Variables, values_of
from daytona_plugins.local.agent.errors import ToolboxError, bad_request
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.web import Request, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TIMEOUT_OUTPUT_LIMIT: Final = 1024 * 1024
CONFIRMATION_TIMEOUT: Final = 0.1

Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Patience = Annotated[float, msgspec.Meta(ge=0)]


class ExecuteRequest(msgspec.Struct, rename="camel"):
    """A command; `separate_streams` and `drain_seconds` are extensions of ours."""

    command: str | None = None
    cwd: str | None = None
    timeout: Seconds | None = None
    envs: Variables | None = None
    separate_streams: bool = False
    drain_seconds: Patience | None = None


def add_execute(toolbox: Toolbox) -> None:
    """Answer commands."""

    async def execute(request: Request) -> Response:
        wanted = await read_json(request, ExecuteRequest)
        if not (wanted.command or "").strip():
            raise bad_request("command is required")
        check_env_names(wanted.envs)
        shell = choose_shell()
        try:
            command = toolbox.shells.start(
                shell,
                wanted.command or "",
                cwd=wanted.cwd or None,
                envs=values_of(wanted.envs),
                separate=wanted.separate_streams,
            )
        except StartError as error:
            return json_response({"exitCode": -1, "result": str(error)})
        # While this one runs we have nothing to do, and by the time that its answer is read the next shell is there.
        asyncio.get_running_loop().call_soon(toolbox.shells.expect_another, shell)
        exit_code = await finish(command, timeout=wanted.timeout, drain=wanted.drain_seconds)
        return json_response(_answer(wanted, command, exit_code))

    toolbox.router.add("POST", "/process/execute", execute)


async def finish(command: Command, *, timeout: int | None, drain: float | None = None) -> int:
    """Return the exit code.

    Raises:
        HTTPError: The command took longer than *timeout* seconds and was killed (408); 0 and None mean no limit.
    """
    try:
        return await command.finish(timeout=timeout or None, drain=drain)
    except TimeoutError as error:
        killed = await command.is_gone(CONFIRMATION_TIMEOUT)
        raise ToolboxError(
            408,
            "request timeout: command execution timeout",
            code="PROCESS_EXECUTION_TIMEOUT",
            facts={"output": command.text()[:TIMEOUT_OUTPUT_LIMIT], "killed": killed},
        ) from error


def check_env_names(envs: Variables | None) -> None:
    """Refuse names that a shell could not use."""
    for name in envs or {}:
        if not ENV_NAME.fullmatch(name):
            raise bad_request(f"invalid environment variable name: '{name}'")


def _answer(wanted: ExecuteRequest, command: Command, exit_code: int) -> dict[str, object]:
    """Return the real daemon's answer, and what else is known to a client that has asked for our extensions."""
    answer: dict[str, object] = {"exitCode": exit_code, "result": command.text()}
    if wanted.separate_streams:
        answer |= {"stdout": command.stdout.text(), "stderr": command.stderr.text()}
    if wanted.separate_streams or wanted.drain_seconds is not None:
        answer |= {"truncated": command.truncated, "durationMs": round(command.duration() * 1000, 3)}
    return answer
