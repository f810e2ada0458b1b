"""Programs inside a sandbox: commands, code, and sessions that keep a shell alive, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.process`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import TYPE_CHECKING

from collections.abc import Callable
from daytona.models.process import (
    CodeRunParams,
    Command,
    ExecuteResponse,
    LogEvent,
    Session,
    SessionCommandLogsResponse,
    SessionExecuteRequest,
    SessionExecuteResponse,
)
from daytona.models.pty import PtySessionInfo, PtySize
from daytona.service import BlockingService, BlockingStream, Done, same, step
from daytona.services.process import AsyncProcess, DRAIN

if TYPE_CHECKING:
    from daytona.blocking.pty import PtyHandle

__all__ = ["Process"]


class Process(BlockingService[AsyncProcess]):
    """Runs commands, code, sessions and terminals in one sandbox."""

    def exec(
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
        return step(self._core.exec(command, cwd, env, timeout, check=check, separate=separate, drain=drain))

    def code_run(
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
        return step(self._core.code_run(code, params, timeout, check=check, drain=drain))

    def create_pty_session(
        self,
        id: str,
        cwd: str | None = None,
        envs: dict[str, str] | None = None,
        pty_size: PtySize | None = None,
        *,
        on_data: Callable[[bytes], None] | None = None,
    ) -> PtyHandle:
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
        from daytona.blocking.pty import PtyHandle
        return PtyHandle._over(step(self._core.create_pty_session(id, on_data, cwd, envs, pty_size)))

    def connect_pty_session(
        self, session_id: str, *, on_data: Callable[[bytes], None] | None = None
    ) -> PtyHandle:
        """Attach to an existing terminal, which others may be attached to as well; only new output is received.

        Args:
            session_id: Its name.
            on_data: As for `create_pty_session`.

        Raises:
            DaytonaConnectionError: There is no such terminal, or its program has ended.
        """
        from daytona.blocking.pty import PtyHandle
        return PtyHandle._over(step(self._core.connect_pty_session(session_id, on_data)))

    def list_pty_sessions(self, request_timeout: float | None = None) -> list[PtySessionInfo]:
        """Return the terminals whose programs are running."""
        return step(self._core.list_pty_sessions(request_timeout))

    def get_pty_session_info(self, session_id: str, request_timeout: float | None = None) -> PtySessionInfo:
        """Return what the sandbox knows about a terminal."""
        return step(self._core.get_pty_session_info(session_id, request_timeout))

    def kill_pty_session(self, session_id: str, request_timeout: float | None = None) -> None:
        """End the program in a terminal, and everything it started."""
        step(self._core.kill_pty_session(session_id, request_timeout))

    def resize_pty_session(
        self, session_id: str, pty_size: PtySize, request_timeout: float | None = None
    ) -> PtySessionInfo:
        """Change the size of a terminal; its program receives SIGWINCH."""
        return step(self._core.resize_pty_session(session_id, pty_size, request_timeout))

    def create_session(self, session_id: str, request_timeout: float | None = None) -> None:
        """Start a shell that keeps its directory, variables and functions from one command to the next.

        Raises:
            DaytonaConflictError: A session with this name exists.
        """
        step(self._core.create_session(session_id, request_timeout))

    def get_session(self, session_id: str, request_timeout: float | None = None) -> Session:
        """Return a session and the commands it was given."""
        return step(self._core.get_session(session_id, request_timeout))

    def get_entrypoint_session(self, request_timeout: float | None = None) -> Session:
        """Return the session that runs the sandbox's entrypoint."""
        return step(self._core.get_entrypoint_session(request_timeout))

    def list_sessions(self, request_timeout: float | None = None) -> list[Session]:
        """Return all sessions."""
        return step(self._core.list_sessions(request_timeout))

    def delete_session(self, session_id: str, request_timeout: float | None = None) -> None:
        """End a session's shell and everything it started."""
        step(self._core.delete_session(session_id, request_timeout))

    def get_session_command(
        self, session_id: str, command_id: str, request_timeout: float | None = None
    ) -> Command:
        """Return one command of a session; its exit code is None while it is running."""
        return step(self._core.get_session_command(session_id, command_id, request_timeout))

    def execute_session_command(
        self, session_id: str, req: SessionExecuteRequest, timeout: float | None = None
    ) -> SessionExecuteResponse:
        """Run a command in a session's shell; with `run_async`, return as soon as it has an id.

        Args:
            session_id: The session.
            req: The command.
            timeout: Seconds to wait for the response; the command itself keeps running.
        """
        return step(self._core.execute_session_command(session_id, req, timeout))

    def wait_for_session_command(
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
        return step(self._core.wait_for_session_command(session_id, command_id, timeout))

    def get_session_command_logs(
        self, session_id: str, command_id: str, request_timeout: float | None = None
    ) -> SessionCommandLogsResponse:
        """Return what a command has printed so far."""
        return step(self._core.get_session_command_logs(session_id, command_id, request_timeout))

    def get_entrypoint_logs(self, request_timeout: float | None = None) -> SessionCommandLogsResponse:
        """Return what the sandbox's entrypoint has printed so far."""
        return step(self._core.get_entrypoint_logs(request_timeout))

    def stream_session_command_logs(
        self, session_id: str, command_id: str
    ) -> BlockingStream[LogEvent, LogEvent]:
        """Yield the output of a command from its beginning, as it arrives, until the command ends.

        If the connection is lost, a new one continues where it stopped; nothing is missing or repeated.
        """
        return BlockingStream(self._core.stream_session_command_logs(session_id, command_id), same)

    def stream_entrypoint_logs(self) -> BlockingStream[LogEvent, LogEvent]:
        """Yield the output of the sandbox's entrypoint, as `stream_session_command_logs` does for a command."""
        return BlockingStream(self._core.stream_entrypoint_logs(), same)

    def get_session_command_logs_async(
        self,
        session_id: str,
        command_id: str,
        on_stdout: Callable[[str], None],
        on_stderr: Callable[[str], None],
    ) -> Done:
        """Pass the output of a command to callbacks, from its beginning until the command ends.

        An exception in a callback ends the call. `stream_session_command_logs` is a stream without callbacks.
        """
        return Done(step(self._core.get_session_command_logs_async(session_id, command_id, on_stdout, on_stderr)))

    def get_entrypoint_logs_async(
        self, on_stdout: Callable[[str], None], on_stderr: Callable[[str], None]
    ) -> Done:
        """Pass the output of the sandbox's entrypoint to callbacks, as `get_session_command_logs_async` does."""
        return Done(step(self._core.get_entrypoint_logs_async(on_stdout, on_stderr)))

    def send_session_command_input(
        self, session_id: str, command_id: str, data: str, request_timeout: float | None = None
    ) -> None:
        """Write to the standard input of a running command; lines must end with a newline."""
        step(self._core.send_session_command_input(session_id, command_id, data, request_timeout))
