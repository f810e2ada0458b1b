"""/process/session: shells that stay, the commands they were given, and what those have written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import uuid
from typing import TYPE_CHECKING, Final

import msgspec

from daytona.protocols.logs import STDERR, STDOUT, split
from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.command import StartError
from daytona_plugins.local.agent.command_log import combined, without_markers
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.sdk_version import LogForm, log_form, starts_at_home
from daytona_plugins.local.agent.session_command import SessionCommand
from daytona_plugins.local.agent.session_shell import SessionShell
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.agent.websocket import upgrade, wants_websocket
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from daytona_plugins.local.agent.command_log import CommandLog
    from daytona_plugins.local.agent.toolbox import Toolbox
    from daytona_plugins.local.agent.websocket import WebSocket
    from daytona_plugins.local.web import Request

logger = logging.getLogger(__name__)

ENTRYPOINT: Final = "entrypoint"
ENTRYPOINT_COMMAND: Final = "entrypoint_command"
GRACE: Final = 5.0
ID_LIMIT: Final = 255


class CreateRequest(msgspec.Struct, rename="camel"):
    """Asks for a session."""

    session_id: str | None = None


class ExecRequest(msgspec.Struct, rename="camel"):
    """A command for a session; `async` is the former name of `runAsync`."""

    command: str | None = None
    run_async: bool | None = None
    suppress_input_echo: bool | None = None
    former_async: bool | None = msgspec.field(name="async", default=None)


class InputRequest(msgspec.Struct):
    """Something for a command to read."""

    data: str | None = None


class CommandView(msgspec.Struct, rename="camel", omit_defaults=True):
    """A command as clients see it; it has no exit code while it runs."""

    id: str
    command: str
    exit_code: int | None = None


class SessionView(msgspec.Struct, rename="camel"):
    """A session as clients see it."""

    session_id: str
    commands: list[CommandView]


class Session:
    """A shell, its directory and its commands in the order they came."""

    def __init__(self, name: str, directory: str, shell: SessionShell) -> None:
        self.name = name
        self.shell = shell
        self._directory = directory
        self._commands: dict[str, SessionCommand] = {}

    def execute(self, wanted: ExecRequest) -> SessionCommand:
        """Return a command that runs as soon as those before it have ended.

        Raises:
            HTTPError: There is no command (400), or the shell has ended (410).
        """
        text = wanted.command or ""
        if not text.strip():
            raise bad_request("command is required", code="INVALID_REQUEST_BODY")
        if self.shell.ended:
            raise _ended()
        command = SessionCommand(
            self._directory,
            text,
            keeps_input=bool(wanted.run_async or wanted.former_async),
            echoes_input=not wanted.suppress_input_echo,
        )
        self._submit(command)
        return command

    def run_entrypoint(self, program: tuple[str, ...]) -> None:
        """Run what the sandbox runs by itself."""
        text = " ".join(map(_quoted, program))
        self._submit(
            SessionCommand(
                self._directory, text, keeps_input=True, echoes_input=False, name=ENTRYPOINT_COMMAND
            )
        )

    def _submit(self, command: SessionCommand) -> None:
        self._commands[command.id] = command
        self.shell.submit(command)

    def command(self, command_id: str) -> SessionCommand:
        """Return a command.

        Raises:
            HTTPError: There is none of that id (404).
        """
        try:
            return self._commands[command_id]
        except KeyError:
            raise _not_found("command") from None

    async def end(self) -> None:
        """End the shell, and remove what there is of the session on disk.

        That may take a while, in which the name is free: what is removed must not be what a new session has under it.
        """
        ending = os.path.join(os.path.dirname(self._directory), f".ended-{uuid.uuid4()}")
        with contextlib.suppress(OSError):  # somebody was faster
            os.rename(self._directory, ending)
        await self.shell.end(GRACE)
        shutil.rmtree(ending, ignore_errors=True)

    def view(self) -> SessionView:
        """Return what clients see."""
        return SessionView(self.name, [_view(command) for command in self._commands.values()])


class Sessions:
    """The sessions of one agent."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._sessions: dict[str, Session] = {}
        self._entrypoint: Session | None = None

    # -- Sessions -------------------------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        """Start a shell."""
        wanted = await read_json(request, CreateRequest, code="INVALID_REQUEST_BODY")
        name = _checked_name(wanted.session_id or "")
        if name in self._sessions:
            raise HTTPError(409, "conflict: session already exists", code="CONFLICT")
        cwd = _home() if starts_at_home(request) else self._toolbox.work_dir
        try:
            self._sessions[name] = self._start(name, cwd)
        except (OSError, StartError) as error:
            raise HTTPError(
                500, f"failed to create session: {error}", code="INTERNAL_SERVER_ERROR"
            ) from error
        return Response(201)

    def _start(self, name: str, cwd: str) -> Session:
        directory = _directory(name)
        os.makedirs(directory, exist_ok=True)
        return Session(name, directory, SessionShell(self._toolbox.reaper, choose_shell(), cwd))

    def start_entrypoint(self) -> None:
        """Run what the sandbox runs by itself, in a session of its own; the log of its last run is no more.

        A sandbox whose entrypoint cannot even be tried is there all the same, and has no such session.
        """
        if not self._toolbox.entrypoint:
            return
        shutil.rmtree(_directory(ENTRYPOINT), ignore_errors=True)
        try:
            self._entrypoint = self._start(ENTRYPOINT, self._toolbox.work_dir)
            self._entrypoint.run_entrypoint(self._toolbox.entrypoint)
        except (OSError, StartError) as error:
            logger.warning("The entrypoint was not started: %s", error)

    async def show_all(self, _request: Request) -> Response:
        """List the sessions in the order of their creation."""
        return json_response([session.view() for session in self._sessions.values()])

    async def show(self, request: Request) -> Response:
        """Show one session."""
        return json_response(self._session(request).view())

    async def delete(self, request: Request) -> Response:
        """End a session with everything that runs in it."""
        _refuse_entrypoint(request, "deleted")
        session = self._session(request)
        del self._sessions[session.name]
        await session.end()
        return Response(204)

    def _session(self, request: Request) -> Session:
        name = request.params.get("session", ENTRYPOINT)
        session = self._entrypoint if name == ENTRYPOINT else self._sessions.get(name)
        if session is None:
            raise _not_found("session")
        return session

    # -- Commands -------------------------------------------------------------------------------------------------

    async def execute(self, request: Request) -> Response:
        """Run a command; wait for it unless that is not wanted."""
        _refuse_entrypoint(request, "used to execute commands")
        wanted = await read_json(request, ExecRequest, code="INVALID_REQUEST_BODY")
        command = self._session(request).execute(wanted)
        if wanted.run_async or wanted.former_async:
            return json_response(_result(command.id), 202)
        await command.over.wait()
        if command.refused or command.exit_code is None:
            raise _ended()
        log = command.log.read()
        if (form := log_form(request)) is LogForm.SPLIT:
            return json_response(_result(command.id, **_streams(log), exitCode=command.exit_code))
        output = _text(combined(log) if form is LogForm.COMBINED else log)
        return json_response(_result(command.id, output=output, exitCode=command.exit_code))

    async def show_command(self, request: Request) -> Response:
        """Show one command."""
        return json_response(_view(self._command(request)))

    async def send_input(self, request: Request) -> Response:
        """Write to a command's standard input, a whole line at least."""
        _refuse_entrypoint(request, "given input")
        wanted = await read_json(request, InputRequest, code="INVALID_REQUEST_BODY")
        if not wanted.data:
            raise bad_request("data is required", code="INVALID_REQUEST_BODY")
        command = self._command(request)
        if command.over.is_set():
            message = f"gone: command has already completed with exit code {command.exit_code}"
            raise HTTPError(410, message, code="COMMAND_ALREADY_COMPLETED")
        line_end = "" if wanted.data.endswith("\n") else "\n"
        try:
            command.send_input((wanted.data + line_end).encode("utf-8", "replace"))
        except BufferError as error:
            raise HTTPError(413, str(error), code="PAYLOAD_TOO_LARGE") from error
        return Response(204)

    def _command(self, request: Request) -> SessionCommand:
        return self._session(request).command(request.params.get("command", ENTRYPOINT_COMMAND))

    # -- Logs -----------------------------------------------------------------------------------------------------

    async def show_logs(self, request: Request) -> Response:
        """Show what a command has written, or follow it: as a WebSocket, or as a body that grows."""
        log = self._command(request).log
        follow = request.query.first("follow") == "true"
        form = log_form(request)
        if wants_websocket(request):
            return upgrade(request, lambda socket: _send_log(socket, log, form, follow=follow))
        if follow:
            body = until_disconnected(request, without_markers(log.follow()))
            return Response(200, [("Content-Type", "application/octet-stream")], body)
        if form is LogForm.SPLIT:
            return json_response(_streams(log.read()))
        data = combined(log.read()) if form is LogForm.COMBINED else log.read()
        return Response(200, [("Content-Type", "text/plain; charset=utf-8")], data)


def add_sessions(toolbox: Toolbox) -> None:
    """Keep shells."""
    sessions = Sessions(toolbox)
    one, command = "/process/session/{session}", "/process/session/{session}/command/{command}"
    for method, path, handler in (
        ("POST", "/process/session", sessions.create),
        ("GET", "/process/session", sessions.show_all),
        ("GET", one, sessions.show),
        ("DELETE", one, sessions.delete),
        ("POST", f"{one}/exec", sessions.execute),
        ("GET", command, sessions.show_command),
        ("POST", f"{command}/input", sessions.send_input),
        ("GET", f"{command}/logs", sessions.show_logs),
        ("GET", "/process/session/entrypoint/logs", sessions.show_logs),
    ):
        toolbox.router.add(method, path, handler)
    toolbox.at_start.append(sessions.start_entrypoint)


# -- Answers ----------------------------------------------------------------------------------------------------------


def _home() -> str:
    return os.path.expanduser("~")


def _directory(session: str) -> str:
    return os.path.join(_home(), ".daytona", "sessions", session)


def _quoted(word: str) -> str:
    """Return *word* in single quotes, as the real daemon shows every one."""
    return "'" + word.replace("'", """'"'"'""") + "'"


def _checked_name(name: str) -> str:
    """Return a name that is safe as the name of a directory."""
    if not name:
        raise bad_request("sessionId is required", code="INVALID_REQUEST_BODY")
    if name == ENTRYPOINT:
        raise bad_request("provided session ID is reserved and cannot be created/overridden")
    if "/" in name or not name.isprintable() or name in (".", "..") or len(os.fsencode(name)) > ID_LIMIT:
        raise bad_request(f"session ID {name!r} cannot be used: it must be a plain name")
    return name


def _refuse_entrypoint(request: Request, action: str) -> None:
    if request.params["session"] == ENTRYPOINT:
        raise bad_request(f"the entrypoint session cannot be {action}")


def _not_found(what: str) -> HTTPError:
    return HTTPError(404, f"not found: {what} not found", code="NOT_FOUND")


def _ended() -> HTTPError:
    return HTTPError(410, "gone: session process has exited", code="SESSION_ENDED")


def _view(command: SessionCommand) -> CommandView:
    return CommandView(command.id, command.text, command.exit_code)


def _result(command_id: str, **known: object) -> dict[str, object]:
    """Return all five keys of an answer to a command."""
    unknown = dict.fromkeys(("output", "stdout", "stderr", "exitCode"))
    return {"cmdId": command_id, **unknown, **known}


def _streams(log: bytes) -> dict[str, str]:
    streams = split(log)
    return {"output": _text(log), "stdout": _text(streams[STDOUT]), "stderr": _text(streams[STDERR])}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


# -- Logs that grow ---------------------------------------------------------------------------------------------------


async def _send_log(socket: WebSocket, log: CommandLog, form: LogForm, *, follow: bool) -> None:
    """Send a log to its end, or as it is now."""
    if not follow:
        data = log.read()
        await socket.send(combined(data) if form is LogForm.COMBINED else data)
        return
    pieces = without_markers(log.follow()) if form is LogForm.COMBINED else log.follow()
    await socket.while_connected(_send_all(socket, pieces))


async def _send_all(socket: WebSocket, pieces: AsyncGenerator[bytes]) -> None:
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            await socket.send(piece)


async def until_disconnected(request: Request, pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield *pieces* until their reader has gone, which nobody would notice while there are none."""
    gone = asyncio.ensure_future(request.disconnected())
    try:
        while True:
            piece = asyncio.ensure_future(anext(pieces, None))
            await asyncio.wait([piece, gone], return_when=asyncio.FIRST_COMPLETED)
            if not piece.done():
                piece.cancel()
                await asyncio.wait([piece])
            if piece.cancelled() or (data := piece.result()) is None:
                return
            yield data
    finally:
        gone.cancel()
        await pieces.aclose()
