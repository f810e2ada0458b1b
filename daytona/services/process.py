"""Programs inside a sandbox: commands, code, and sessions that keep a shell alive."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..errors import DaytonaCommandFailedError
from ..models.process import (
    CodeRunParams,
    CodeRunReply,
    CodeRunRequest,
    Command,
    CreateSessionRequest,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResponse,
    ExecutionArtifacts,
    LogEvent,
    Session,
    SessionCommandLogsResponse,
    SessionExecuteRequest,
    SessionExecuteResponse,
    SessionSendInputRequest,
)
from ..models.pty import PtyListResponse, PtySessionInfo, PtySize
from ..service import (
    Api,
    AsyncService,
    awaitable_when_blocking,
    keyword_when_blocking,
    operation,
    seconds,
    segment,
    streaming_operation,
)
from ._callbacks import tell

if TYPE_CHECKING:
    from ._following import FollowedLog
    from .pty import AsyncPtyHandle

__all__ = ["AsyncProcess"]

GRACE: Final = 0.2
"""Seconds that the sandbox has to report its own timeout, with what the command printed, before we stop waiting."""

DRAIN: Final = 1.0
"""Seconds that children in the background may keep the output of a command open when the command itself has ended."""

MARGIN: Final = 5
"""Seconds that the official client waits longer than it is told to: programs that know ask for -1 when they mean 4."""

EXCERPT: Final = 200
"""Characters of a failed command's output that its error quotes."""


class AsyncProcess(AsyncService):
    """Runs commands, code, sessions and terminals in one sandbox."""

    def __init__(self, api: Api, language: str = "python") -> None:
        super().__init__(api)
        self._language = language

    @operation("Failed to execute command: ")
    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout: float | None = None,
        *,
        check: bool = False,
        separate: bool = False,
        drain: float | None = DRAIN,
    ) -> ExecuteResponse:
        """Run a shell command and return its exit code and output, with stdout and stderr combined.

        Args:
            command: Input for a shell: pipes, several lines and here-documents work, up to megabytes.
            cwd: Directory to run it in; None means the sandbox's working directory.
            env: Environment variables in addition to the sandbox's own.
            timeout: Seconds after which the command and everything it started are killed; None or 0 means no limit.
            check: Raise an error if the exit code is not 0.
            separate: Return stdout and stderr separately, as `stdout` and `stderr`; their relative order is lost. Hosted
                sandboxes can only separate them in sessions.
            drain: After the command has ended, seconds to wait for background processes that keep its output open; None
                waits until they end, and so does a hosted sandbox.

        Raises:
            DaytonaCommandFailedError: The exit code is not 0, and *check* is set.
            DaytonaProcessExecutionTimeoutError: It took longer than *timeout*.
        """
        request = ExecuteRequest(
            command=command,
            cwd=cwd,
            envs=env,
            timeout=_whole(timeout),
            separate_streams=separate or None,
            drain_seconds=drain,
        )
        reply = await self._api.call(
            "POST", "/process/execute", json=request, into=ExecuteReply, timeout=_patience(timeout)
        )
        exit_code = reply.exit_code if reply.exit_code is not None else reply.code
        response = ExecuteResponse(
            exit_code=exit_code if exit_code is not None else -1,
            result=reply.result,
            artifacts=ExecutionArtifacts(reply.result, []),
            stdout=reply.stdout,
            stderr=reply.stderr,
            truncated=bool(reply.truncated),
            duration=None if reply.duration_ms is None else reply.duration_ms / 1000,
        )
        return _checked(response, "The command") if check else response

    @operation("Failed to run code: ")
    async def code_run(
        self,
        code: str,
        params: CodeRunParams | None = None,
        timeout: float | None = None,
        *,
        check: bool = False,
        drain: float | None = DRAIN,
    ) -> ExecuteResponse:
        """Run code in the sandbox's language and return its exit code, its output and the charts it drew.

        Args:
            code: A program in the language that the sandbox was created with.
            params: Its arguments and environment variables.
            timeout: Seconds after which it is killed; None or 0 means no limit.
            check: Raise an error if the exit code is not 0.
            drain: Seconds to wait for background processes, as for `exec`.

        Raises:
            DaytonaCommandFailedError: The exit code is not 0, and *check* is set.
            DaytonaProcessExecutionTimeoutError: It took longer than *timeout*.
        """
        params = params or CodeRunParams()
        request = CodeRunRequest(
            code=code,
            language=self._language,
            argv=params.argv,
            envs=params.env,
            timeout=_whole(timeout),
            drain_seconds=drain,
        )
        reply = await self._api.call(
            "POST", "/process/code-run", json=request, into=CodeRunReply, timeout=_patience(timeout)
        )
        from ..models.charts import parse_charts

        charts = parse_charts(reply.artifacts.charts) if reply.artifacts is not None else []
        response = ExecuteResponse(
            exit_code=reply.exit_code if reply.exit_code is not None else -1,
            result=reply.result,
            artifacts=ExecutionArtifacts(reply.result, charts),
            truncated=bool(reply.truncated),
        )
        return _checked(response, "The code") if check else response

    # -- Terminals ------------------------------------------------------------------------------------------------

    @operation("Failed to create PTY session: ")
    @keyword_when_blocking("on_data")
    async def create_pty_session(
        self,
        id: str,  # noqa: A002 - the name that programs use
        on_data: Callable[[bytes], Awaitable[None] | None] | None = None,
        cwd: str | None = None,
        envs: dict[str, str] | None = None,
        pty_size: PtySize | None = None,
    ) -> AsyncPtyHandle:
        """Start the sandbox's shell in a new terminal and return it, attached.

        Args:
            id: A name for it.
            on_data: Called with the output as it arrives; on asyncio, from a callback of the event loop rather than in a
                task. Without an event loop nothing arrives in the background, so it is called while `wait` waits.
                Without *on_data*, iterate over the handle.
            cwd: Directory to start in; None means the sandbox's working directory.
            envs: Environment variables in addition to the sandbox's own; TERM is xterm-256color by default.
            pty_size: The size of the terminal; None means 24 rows and 80 columns.

        Raises:
            DaytonaConflictError: A terminal with this name exists.
        """
        from .pty import creation, open_terminal

        return await open_terminal(self._api, creation(id, cwd, envs, pty_size), on_data)

    @operation("Failed to connect PTY session: ")
    @keyword_when_blocking("on_data")
    async def connect_pty_session(
        self, session_id: str, on_data: Callable[[bytes], Awaitable[None] | None] | None = None
    ) -> AsyncPtyHandle:
        """Attach to an existing terminal, which others may be attached to as well; only new output is received.

        Args:
            session_id: Its name.
            on_data: As for `create_pty_session`.

        Raises:
            DaytonaConnectionError: There is no such terminal, or its program has ended.
        """
        from .pty import attach

        return await attach(self._api, session_id, on_data)

    @operation("Failed to list PTY sessions: ")
    async def list_pty_sessions(self, request_timeout: float | None = None) -> list[PtySessionInfo]:
        """Return the terminals whose programs are running."""
        answer = await self._api.call("GET", "/process/pty", into=PtyListResponse, timeout=request_timeout)
        return answer.sessions

    @operation("Failed to get PTY session info: ")
    async def get_pty_session_info(
        self, session_id: str, request_timeout: float | None = None
    ) -> PtySessionInfo:
        """Return what the sandbox knows about a terminal."""
        return await self._api.call("GET", _pty(session_id), into=PtySessionInfo, timeout=request_timeout)

    @operation("Failed to kill PTY session: ")
    async def kill_pty_session(self, session_id: str, request_timeout: float | None = None) -> None:
        """End the program in a terminal, and everything it started."""
        await self._api.call("DELETE", _pty(session_id), timeout=request_timeout)

    @operation("Failed to resize PTY session: ")
    async def resize_pty_session(
        self, session_id: str, pty_size: PtySize, request_timeout: float | None = None
    ) -> PtySessionInfo:
        """Change the size of a terminal; its program receives SIGWINCH."""
        from .pty import resize

        return await resize(self._api, session_id, pty_size, request_timeout)

    # -- Sessions -------------------------------------------------------------------------------------------------

    @operation("Failed to create session: ")
    async def create_session(self, session_id: str, request_timeout: float | None = None) -> None:
        """Start a shell that keeps its directory, variables and functions from one command to the next.

        Raises:
            DaytonaConflictError: A session with this name exists.
        """
        await self._api.call(
            "POST",
            "/process/session",
            json=CreateSessionRequest(session_id=session_id),
            timeout=request_timeout,
        )

    @operation("Failed to get session: ")
    async def get_session(self, session_id: str, request_timeout: float | None = None) -> Session:
        """Return a session and the commands it was given."""
        return await self._api.call("GET", _session(session_id), into=Session, timeout=request_timeout)

    @operation("Failed to get sandbox entrypoint session: ")
    async def get_entrypoint_session(self, request_timeout: float | None = None) -> Session:
        """Return the session that runs the sandbox's entrypoint."""
        return await self._api.call("GET", _session("entrypoint"), into=Session, timeout=request_timeout)

    @operation("Failed to list sessions: ")
    async def list_sessions(self, request_timeout: float | None = None) -> list[Session]:
        """Return all sessions."""
        return await self._api.call("GET", "/process/session", into=list[Session], timeout=request_timeout)

    @operation("Failed to delete session: ")
    async def delete_session(self, session_id: str, request_timeout: float | None = None) -> None:
        """End a session's shell and everything it started."""
        await self._api.call("DELETE", _session(session_id), timeout=request_timeout)

    @operation("Failed to get session command: ")
    async def get_session_command(
        self, session_id: str, command_id: str, request_timeout: float | None = None
    ) -> Command:
        """Return one command of a session; its exit code is None while it is running."""
        return await self._api.call(
            "GET", _command(session_id, command_id), into=Command, timeout=request_timeout
        )

    @operation("Failed to execute session command: ")
    async def execute_session_command(
        self, session_id: str, req: SessionExecuteRequest, timeout: float | None = None
    ) -> SessionExecuteResponse:
        """Run a command in a session's shell; with `run_async`, return as soon as it has an id.

        Args:
            session_id: The session.
            req: The command.
            timeout: Seconds to wait for the response; the command itself keeps running.
        """
        patience = timeout + MARGIN if timeout and timeout < 0 else _patience(timeout)
        reply = await self._api.call(
            "POST",
            f"{_session(session_id)}/exec",
            json=req.on_wire(),
            into=SessionExecuteResponse,
            timeout=patience,
        )
        return replace(reply, stdout=reply.stdout or "", stderr=reply.stderr or "")

    @operation("Failed to wait for session command: ")
    async def wait_for_session_command(
        self, session_id: str, command_id: str, timeout: float | None = None
    ) -> Command:
        """Return a command of a session once it has ended, with its exit code.

        The end of its log marks the end of the command, so there is no polling.

        Args:
            session_id: The session.
            command_id: The command, which keeps running if the time is up.
            timeout: Seconds; None or 0 means no limit.

        Raises:
            DaytonaTimeoutError: It took longer.
            DaytonaNotFoundError: There is no such command, or its session was deleted in the meantime.
        """
        with self._api.transport.deadline(timeout):
            async with aclosing(self._follow_command(session_id, command_id).events()) as events:
                async for _ in events:
                    pass
            return await self._api.call("GET", _command(session_id, command_id), into=Command)

    @operation("Failed to get session command logs: ")
    async def get_session_command_logs(
        self, session_id: str, command_id: str, request_timeout: float | None = None
    ) -> SessionCommandLogsResponse:
        """Return what a command has printed so far."""
        return await self._logs(f"{_command(session_id, command_id)}/logs", request_timeout)

    @operation("Failed to get entrypoint logs: ")
    async def get_entrypoint_logs(self, request_timeout: float | None = None) -> SessionCommandLogsResponse:
        """Return what the sandbox's entrypoint has printed so far."""
        return await self._logs(f"{_session('entrypoint')}/logs", request_timeout)

    @streaming_operation("Failed to get session command logs: ")
    async def stream_session_command_logs(
        self, session_id: str, command_id: str
    ) -> AsyncGenerator[LogEvent, None]:
        """Yield the output of a command from its beginning, as it arrives, until the command ends.

        If the connection is lost, a new one continues where it stopped; nothing is missing or repeated.
        """
        async with aclosing(self._follow_command(session_id, command_id).events()) as events:
            async for event in events:
                yield event

    @streaming_operation("Failed to get entrypoint logs: ")
    async def stream_entrypoint_logs(self) -> AsyncGenerator[LogEvent, None]:
        """Yield the output of the sandbox's entrypoint, as `stream_session_command_logs` does for a command."""
        async with aclosing(self._follow_entrypoint().events()) as events:
            async for event in events:
                yield event

    @awaitable_when_blocking
    @operation("Failed to get session command logs: ")
    async def get_session_command_logs_async(
        self,
        session_id: str,
        command_id: str,
        on_stdout: Callable[[str], Awaitable[None] | None],
        on_stderr: Callable[[str], Awaitable[None] | None],
    ) -> None:
        """Pass the output of a command to callbacks, from its beginning until the command ends.

        An exception in a callback ends the call. `stream_session_command_logs` is a stream without callbacks.
        """
        await _tell_all(self._follow_command(session_id, command_id), on_stdout, on_stderr)

    @awaitable_when_blocking
    @operation("Failed to get entrypoint logs: ")
    async def get_entrypoint_logs_async(
        self,
        on_stdout: Callable[[str], Awaitable[None] | None],
        on_stderr: Callable[[str], Awaitable[None] | None],
    ) -> None:
        """Pass the output of the sandbox's entrypoint to callbacks, as `get_session_command_logs_async` does."""
        await _tell_all(self._follow_entrypoint(), on_stdout, on_stderr)

    def _follow_command(self, session_id: str, command_id: str) -> FollowedLog:
        async def is_over() -> bool:
            return (await self.get_session_command(session_id, command_id)).exit_code is not None

        from ._following import FollowedLog

        return FollowedLog(self._api, f"{_command(session_id, command_id)}/logs", is_over)

    def _follow_entrypoint(self) -> FollowedLog:
        async def is_over() -> bool:
            return all(c.exit_code is not None for c in (await self.get_entrypoint_session()).commands)

        from ._following import FollowedLog

        return FollowedLog(self._api, f"{_session('entrypoint')}/logs", is_over)

    async def _logs(self, path: str, timeout: float | None) -> SessionCommandLogsResponse:
        return await self._api.call("GET", path, into=SessionCommandLogsResponse, timeout=timeout)

    @operation("Failed to send session command input: ")
    async def send_session_command_input(
        self, session_id: str, command_id: str, data: str, request_timeout: float | None = None
    ) -> None:
        """Write to the standard input of a running command; lines must end with a newline."""
        await self._api.call(
            "POST",
            f"{_command(session_id, command_id)}/input",
            json=SessionSendInputRequest(data=data),
            timeout=request_timeout,
        )


async def _tell_all(
    log: FollowedLog,
    on_stdout: Callable[[str], Awaitable[None] | None],
    on_stderr: Callable[[str], Awaitable[None] | None],
) -> None:
    """Give a log's text to callbacks."""
    async with aclosing(log.events()) as events:
        async for event in events:
            if event.text:  # a piece may hold no more than the beginning of a character
                await tell(on_stdout if event.stream == "stdout" else on_stderr, event.text)


def _pty(session_id: str) -> str:
    return f"/process/pty/{segment(session_id)}"


def _session(session_id: str) -> str:
    return f"/process/session/{segment(session_id)}"


def _command(session_id: str, command_id: str) -> str:
    return f"{_session(session_id)}/command/{segment(command_id)}"


def _checked(response: ExecuteResponse, what: str) -> ExecuteResponse:
    """Return *response*, or raise an error that holds it if it is a failure."""
    if response.exit_code == 0:
        return response
    said = (response.stderr or response.result).strip()
    quoted = (
        f": …{said[-EXCERPT:]}" if len(said) > EXCERPT else f": {said}" if said else ", and printed nothing"
    )
    error = DaytonaCommandFailedError(
        f"{what} ended with exit code {response.exit_code}{quoted}", outcome="done"
    )
    error.exit_code, error.output, error.response = response.exit_code, response.result, response
    raise error


def _whole(timeout: float | None) -> int | None:
    """Return the timeout as the wire has it, in whole seconds rounded up; None for no limit."""
    limit = None if timeout is None else seconds(timeout)
    return None if limit is None else math.ceil(limit)


def _patience(timeout: float | None) -> float | None:
    """Return how long we wait for an answer when the sandbox gives up after *timeout*."""
    return timeout + GRACE if timeout else None
