"""/process/interpreter: Python that keeps its variables, one WebSocket for each run.

What is wrong with a run is told by the code that closes its WebSocket, never by HTTP.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from daytona_plugins.local.agent.body import BadJSONError, parse, read_json
from daytona_plugins.local.agent.environment import Variables, unusable_name, values_of
from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.files import checked_path
from daytona_plugins.local.agent.interpreter_context import Context, Job, Verdict
from daytona_plugins.local.agent.interpreter_process import WorkerEndedError
from daytona_plugins.local.agent.websocket import ClientGoneError, WebSocket, upgrade
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.interpreter_process import Chunk
    from daytona_plugins.local.agent.toolbox import Toolbox

DEFAULT: Final = "default"
DEFAULT_TIMEOUT: Final = 600
LONGEST_TIMEOUT: Final = 2**63 - 1
PATIENCE: Final = 300.0
"""Seconds for which code waits for a client that does not read its output: people look at what they get, and debug."""


class CreateRequest(msgspec.Struct):
    """A new context."""

    cwd: str | None = None
    language: str | None = None


class ExecuteRequest(msgspec.Struct, rename="camel"):
    """Code to run."""

    code: str = ""
    context_id: str | None = None
    timeout: Annotated[int, msgspec.Meta(le=LONGEST_TIMEOUT)] | None = None
    envs: Variables | None = None


def add_interpreter(toolbox: Toolbox) -> None:
    """Run Python."""
    interpreter = Interpreter(toolbox)
    router = toolbox.router
    router.add("POST", "/process/interpreter/context", interpreter.create)
    router.add("GET", "/process/interpreter/context", interpreter.list)
    router.add("DELETE", "/process/interpreter/context/{id}", interpreter.delete)
    router.add("GET", "/process/interpreter/execute", interpreter.execute)


class Interpreter:
    """The contexts of a sandbox, by id."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._contexts: dict[str, Context] = {}
        self._runs: set[asyncio.Task[Verdict]] = set()

    async def create(self, request: Request) -> Response:
        """Make a context, and the Python that serves it."""
        wanted = await read_json(request, CreateRequest)
        if wanted.language not in (None, "", "python"):
            raise bad_request(f"unsupported language: {wanted.language} (only python is)")
        cwd = checked_path(wanted.cwd or self._toolbox.work_dir)
        context = Context(self._toolbox.reaper, cwd)
        try:
            await context.start()
        except WorkerEndedError as error:
            raise HTTPError(500, str(error), code="INTERNAL_SERVER_ERROR") from error
        self._contexts[context.id] = context
        return json_response(context.info())

    async def list(self, _request: Request) -> Response:
        """Return all contexts but the default one, oldest first."""
        found = [context.info() for context in self._contexts.values() if context.id != DEFAULT]
        return json_response({"contexts": found})

    async def delete(self, request: Request) -> Response:
        """End a context, and what runs in it."""
        name = request.params["id"]
        if name == DEFAULT:
            raise bad_request("the default context cannot be deleted")
        context = self._contexts.pop(name, None)
        if context is None:
            raise HTTPError(404, f"context not found: {name}", code="NOT_FOUND")
        context.delete()
        return json_response({"message": "Context deleted successfully"})

    async def execute(self, request: Request) -> Response:
        """Run the code that the first message brings."""
        return upgrade(request, self._serve)

    async def _serve(self, socket: WebSocket) -> None:
        message = await socket.receive()
        if message is None:
            return
        try:
            wanted = parse(message, ExecuteRequest)
        except BadJSONError:
            await socket.close(1002, "invalid JSON payload")
            return
        context = self._find(wanted)
        if isinstance(context, Verdict):
            await socket.close(*context)
            return
        viewer = Viewer(socket)
        run = asyncio.create_task(context.run(_job(wanted), viewer.show))
        self._runs.add(run)  # the loop itself holds tasks only weakly
        run.add_done_callback(self._runs.discard)
        await socket.while_connected(_see_off(run, socket))
        # Code runs on when its client has gone.
        viewer.gone = True

    def _find(self, wanted: ExecuteRequest) -> Context | Verdict:
        """Return the context to run in, or why nothing will be run."""
        if not wanted.code:
            return Verdict(1008, "code is required")
        if wanted.timeout is not None and wanted.timeout < 0:
            return Verdict(1008, "timeout must be greater than or equal to 0")
        if (unusable := unusable_name(wanted.envs)) is not None:
            return Verdict(1008, f"invalid environment variable: {unusable!r}")
        name = wanted.context_id or DEFAULT
        if name == DEFAULT and name not in self._contexts:
            self._contexts[name] = Context(self._toolbox.reaper, self._toolbox.work_dir, name)
        return self._contexts.get(name) or Verdict(1008, f"context not found: {name}")


class Viewer:
    """The client of a run, who may leave while it goes on."""

    def __init__(self, socket: WebSocket) -> None:
        self.gone = False
        self._socket = socket

    async def show(self, chunk: Chunk) -> None:
        """Send *chunk*, unless the client has gone or will not read."""
        if self.gone:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._socket.send(msgspec.json.encode(chunk).decode())
        except ClientGoneError:
            self.gone = True
        except TimeoutError:
            self.gone = True
            await self._socket.close(1008, "slow consumer")


async def _see_off(run: asyncio.Task[Verdict], socket: WebSocket) -> None:
    await socket.close(*await asyncio.shield(run))


def _job(wanted: ExecuteRequest) -> Job:
    timeout = DEFAULT_TIMEOUT if wanted.timeout is None else wanted.timeout
    return Job(wanted.code, values_of(wanted.envs), timeout or None)
