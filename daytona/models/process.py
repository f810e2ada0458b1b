"""Commands and code that run in a sandbox, at once or in sessions."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from daytona.models._base import Model, Request, WireRecord
from daytona.models._records import DataRecord, Field, Options, Plain, Record, warn_of

if TYPE_CHECKING:
    from daytona.models.charts import Chart
else:
    Chart = object  # a command draws none; nothing decodes this type, but `inspect.signature` looks at it

T = TypeVar("T")

OutputHandler: TypeAlias = Callable[[T], Awaitable[None] | None]
"""A function that takes a piece of output; it may be a coroutine function."""


class ExecuteRequest(Request, frozen=True):
    """Asks to run a command; servers that know the last two fields no better than v0.190 ignore them."""

    command: str
    cwd: str | None = None
    envs: dict[str, str] | None = None
    timeout: int | None = None
    separate_streams: bool | None = None
    drain_seconds: float | None = None


class ExecuteReply(Model, frozen=True):
    """What a command left behind; older servers say `code` for `exitCode`, and nothing of the last four."""

    result: str = ""
    exit_code: int | None = None
    code: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    truncated: bool | None = None
    duration_ms: float | None = None


class CodeRunRequest(Request, frozen=True):
    """Asks to run code; servers that know the last field no better than v0.190 ignore it."""

    code: str
    language: str
    argv: list[str] | None = None
    envs: dict[str, str] | None = None
    timeout: int | None = None
    drain_seconds: float | None = None


class CodeRunArtifacts(Model, frozen=True):
    """What code made besides output; `daytona.models.charts.parse_charts` reads them, each by itself."""

    charts: list[object] = []


class CodeRunReply(Model, frozen=True):
    """What code left behind."""

    result: str = ""
    exit_code: int | None = None
    artifacts: CodeRunArtifacts | None = None
    truncated: bool | None = None


class CodeRunParams(DataRecord, msgspec.Struct):
    """Arguments and environment for code."""

    argv: list[str] | None = None
    env: dict[str, str] | None = None


class ExecutionArtifacts(DataRecord, msgspec.Struct):
    """What a command or code made: its output, and the charts it drew."""

    stdout: str = ""
    charts: list[Chart] | None = None


class ExecuteResponse(Record, msgspec.Struct, kw_only=True):
    """What a command or code left behind.

    Args:
        exit_code: 0 is success; -1 says that it could not be started, or that its shell was killed.
        result: All output. Both streams as they came, or stdout and then stderr where they were kept apart.
        artifacts: The output once more, and the charts that code drew.
        stdout: What went there, where the streams were kept apart; None elsewhere.
        stderr: What went there, where the streams were kept apart; None elsewhere.
        truncated: Whether there was more output than the sandbox keeps; what came too late is missing.
        duration: Seconds from start to end, where the sandbox tells.
        additional_properties: Always empty.
    """

    exit_code: int
    result: str
    artifacts: ExecutionArtifacts | None = None
    stdout: str | None = None
    stderr: str | None = None
    truncated: bool = False
    duration: float | None = None
    additional_properties: dict[str, object] = {}


class CreateSessionRequest(Request, frozen=True):
    """Asks for a session."""

    session_id: str


class Command(Model, frozen=True):
    """A command of a session; it has no exit code while it runs."""

    id: str
    command: str = ""
    exit_code: int | None = None


class Session(Model, frozen=True):
    """A shell that keeps its state between commands."""

    session_id: str
    commands: list[Command] = []


class SessionCommand(Request, frozen=True):
    """Asks for a command of a session."""

    command: str
    run_async: bool | None = None
    suppress_input_echo: bool | None = None


class SessionExecuteRequest(WireRecord, Options):
    """A command for a session.

    Args:
        command: What the shell reads.
        run_async: Do not wait for it.
        suppress_input_echo: Keep input out of the log.
        var_async: The former name of *run_async*.
        unknown: Anything else warns and is ignored.
    """

    def __init__(
        self,
        *,
        command: str,
        run_async: bool | None = None,
        suppress_input_echo: bool | None = None,
        var_async: bool | None = None,
        **unknown: object,
    ) -> None:
        warn_of(unknown, SessionExecuteRequest)
        if var_async is not None:
            warnings.warn("var_async is deprecated; use run_async", DeprecationWarning, stacklevel=2)
        self.command = command
        self.run_async = run_async if var_async is None else var_async
        self.suppress_input_echo = suppress_input_echo
        self.var_async: bool | None = None

    def __repr__(self) -> str:
        return f"SessionExecuteRequest(command={self.command!r}, run_async={self.run_async!r})"

    @classmethod
    def _fields(cls) -> Sequence[Field]:
        return SessionCommand._fields()

    def on_wire(self) -> SessionCommand:
        """Return what is sent."""
        return SessionCommand(self.command, self.run_async, self.suppress_input_echo)

    def to_dict(self) -> Plain:
        """Return what is sent, as plain data."""
        return self.on_wire().to_dict()


class SessionExecuteResponse(Model, frozen=True):
    """The command in the session, and what it left behind if it was waited for."""

    cmd_id: str
    output: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    exit_code: int | None = None


class SessionCommandLogsResponse(Model, frozen=True):
    """What a command has written so far."""

    output: str | None = None
    stdout: str | None = None
    stderr: str | None = None


class LogEvent(NamedTuple):
    """A piece of what a command wrote, as early as it can be told.

    `text` is `data` decoded; a character that ends in a later piece belongs to that piece's text, and bytes that are no
    UTF-8 are U+FFFD.
    """

    stream: Literal["stdout", "stderr"]
    text: str
    data: bytes


class SessionSendInputRequest(Request, frozen=True):
    """Something for a command to read; a newline is the sender's business."""

    data: str
