"""/process/pty: terminals that live on their own, and WebSockets that come and go.

Output is for those who are attached when it comes; nothing is kept. A terminal waits while one of its clients is slow,
as a terminal does at Ctrl-S. It waits as long as it takes for one who is alone; among several, who takes nothing for two
seconds is let go.
"""

from __future__ import annotations

import asyncio
import base64
import os
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from daytona.protocols.pty import DEFAULT_COLS, DEFAULT_ROWS, ENVS_PREFIX, EXIT_CONTROL, MESSAGE_LIMIT
from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.environment import Variables, unusable_name, values_of
from daytona_plugins.local.agent.errors import bad_request, now
from daytona_plugins.local.agent.files import checked_path
from daytona_plugins.local.agent.process_tree import wait_until_gone
from daytona_plugins.local.agent.shell import choose_shell
from daytona_plugins.local.agent.terminal import Terminal, start_terminal
from daytona_plugins.local.agent.websocket import (
    ClientGoneError,
    WebSocket,
    offered_subprotocols,
    upgrade,
    wants_websocket,
)
from daytona_plugins.local.tasks import cancel
from daytona_plugins.local.web import HTTPError, Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.agent.toolbox import Toolbox

QUEUE_LIMIT: Final = 256
INPUT_LIMIT: Final = 16
"""Messages of a client that wait until the program reads."""
FRAME_SIZE: Final = 32 * 1024
PATIENCE: Final = 2.0
"""Seconds for which a terminal waits for a client whose queue is full while others want to see more."""
SIZE_LIMIT: Final = 1000
KILLED: Final = 137

Dimension = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class CreateRequest(msgspec.Struct, rename="camel"):
    """A new terminal."""

    id: str = ""
    cwd: str | None = None
    envs: Variables | None = None
    cols: Dimension | None = None
    rows: Dimension | None = None
    lazy_start: bool = False


class ResizeRequest(msgspec.Struct):
    """A new size."""

    cols: Dimension
    rows: Dimension


def add_pty(toolbox: Toolbox) -> None:
    """Answer for terminals."""
    terminals = Terminals(toolbox)
    router = toolbox.router
    router.add("POST", "/process/pty", terminals.create)
    router.add("GET", "/process/pty", terminals.list)
    router.add("GET", "/process/pty/create-connect", terminals.create_connect)
    router.add("GET", "/process/pty/{id}", terminals.get)
    router.add("DELETE", "/process/pty/{id}", terminals.delete)
    router.add("POST", "/process/pty/{id}/resize", terminals.resize)
    router.add("GET", "/process/pty/{id}/connect", terminals.connect)


class Terminals:
    """The terminals of a sandbox, by name."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._sessions: dict[str, PtySession] = {}

    async def create(self, request: Request) -> Response:
        """Make a terminal and start its program, unless that shall wait for the first client."""
        wanted = await read_json(request, CreateRequest)
        session = self._add(wanted)
        if not wanted.lazy_start:
            self._start(session)
        return json_response({"sessionId": session.id}, 201)

    async def create_connect(self, request: Request) -> Response:
        """Make a terminal, start its program, and attach: its first client misses nothing."""
        if not wants_websocket(request):
            return upgrade(request, _nothing)
        session = self._add(_from_query(request))
        client = session.attach(_understands_exits(request))
        self._start(session)
        return upgrade(request, lambda socket: session.serve(client, socket), limit=MESSAGE_LIMIT)

    async def list(self, _request: Request) -> Response:
        """Return all terminals, oldest first."""
        return json_response({"sessions": [session.info() for session in self._sessions.values()]})

    async def get(self, request: Request) -> Response:
        """Return one terminal."""
        return json_response(self._find(request).info())

    async def delete(self, request: Request) -> Response:
        """End a terminal's program and everything it started."""
        session = self._find(request)
        self._forget(session)
        await session.kill()
        return json_response({"message": "PTY session deleted"})

    async def resize(self, request: Request) -> Response:
        """Change a terminal's size."""
        wanted = await read_json(request, ResizeRequest)
        _check_size(wanted.cols, wanted.rows)
        name = request.params["id"]
        session = self._sessions.get(name)
        if session is None:
            raise HTTPError(410, f"PTY session {name} not found", code="GONE")
        session.resize(wanted.rows, wanted.cols)
        return json_response(session.info())

    async def connect(self, request: Request) -> Response:
        """Attach to a terminal; the news that there is none comes over the WebSocket, where clients expect it."""
        name, understands_exits = request.params["id"], _understands_exits(request)

        async def run(socket: WebSocket) -> None:
            session = self._sessions.get(name)
            if session is None:
                await _refuse(socket, f"PTY session {name} not found")
                return
            client = session.attach(understands_exits)
            try:
                if not session.active:
                    session.start(self._toolbox, self._forget)
            except OSError as error:
                session.detach(client)
                await _refuse(socket, _start_error(error))
            await session.serve(client, socket)

        return upgrade(request, run, limit=MESSAGE_LIMIT)

    def _add(self, wanted: CreateRequest) -> PtySession:
        if not wanted.id:
            raise bad_request("session ID is required")
        _check_size(wanted.cols or 0, wanted.rows or 0)
        _check_process(wanted)
        if wanted.id in self._sessions:
            raise HTTPError(409, f"PTY session with ID '{wanted.id}' already exists", code="CONFLICT")
        session = self._sessions[wanted.id] = PtySession(wanted, self._toolbox.work_dir)
        return session

    def _start(self, session: PtySession) -> None:
        try:
            session.start(self._toolbox, self._forget)
        except OSError as error:
            self._forget(session)
            raise HTTPError(500, _start_error(error), code="INTERNAL_SERVER_ERROR") from error

    def _find(self, request: Request) -> PtySession:
        session = self._sessions.get(request.params["id"])
        if session is None:
            raise HTTPError(404, "PTY session not found", code="NOT_FOUND")
        return session

    def _forget(self, session: PtySession) -> None:
        # The name may belong to another terminal by now.
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]


class PtySession:
    """A terminal, and those who watch it."""

    def __init__(self, wanted: CreateRequest, work_dir: str) -> None:
        self.id = wanted.id
        self.cwd = wanted.cwd or work_dir
        self.envs = values_of(wanted.envs)
        self.envs["TERM"] = self.envs.get("TERM") or "xterm-256color"
        self.cols = wanted.cols or DEFAULT_COLS
        self.rows = wanted.rows or DEFAULT_ROWS
        self.lazy_start = wanted.lazy_start
        self.created_at = now()
        self._clients: set[Client] = set()
        self._terminal: Terminal | None = None
        self._pump: asyncio.Task[None] | None = None
        self._killed = False

    @property
    def active(self) -> bool:
        """Whether the program has been started."""
        return self._terminal is not None

    def info(self) -> dict[str, object]:
        """Return what a client may know."""
        return {
            "id": self.id,
            "cwd": self.cwd,
            "envs": self.envs,
            "cols": self.cols,
            "rows": self.rows,
            "createdAt": self.created_at,
            "active": self.active,
            "lazyStart": self.lazy_start,
        }

    def start(self, toolbox: Toolbox, forget: Callable[[PtySession], None]) -> None:
        """Start the shell; *forget* is called when it has ended.

        Raises:
            OSError: It cannot be started.
        """
        self._terminal = start_terminal(
            toolbox.reaper,
            [choose_shell(), "-i", "-l"],
            cwd=self.cwd,
            env={**os.environ, **self.envs},
            rows=self.rows,
            cols=self.cols,
        )
        self._pump = asyncio.create_task(self._run(self._terminal, forget))

    async def _run(self, terminal: Terminal, forget: Callable[[PtySession], None]) -> None:
        """Hand out output until the program ends, then say how it did."""
        while chunk := await terminal.read():
            await self._hand_out(chunk)
            await asyncio.sleep(0)  # a program that prints without end must not keep everybody else waiting
        exit_code = await terminal.exit_code
        terminal.close()
        forget(self)
        await self._hand_out(Ending.of(KILLED if self._killed else exit_code))

    async def _hand_out(self, item: bytes | Ending) -> None:
        for client in [*self._clients]:
            if not await client.put(item, is_alone=self._is_alone):
                self._clients.discard(client)

    def _is_alone(self) -> bool:
        return len(self._clients) < 2

    def resize(self, rows: int, cols: int) -> None:
        """Change the size.

        Raises:
            HTTPError: The program has not been started (500).
        """
        if self._terminal is None:
            raise HTTPError(500, "cannot resize inactive PTY session", code="INTERNAL_SERVER_ERROR")
        self.rows, self.cols = rows, cols
        if not self._terminal.exit_code.done():
            self._terminal.resize(rows, cols)

    async def kill(self) -> None:
        """End the program and everything it started, and wait until it is gone."""
        if self._terminal is not None:
            self._killed = True
            killed = self._terminal.kill()
            await asyncio.wait({self._terminal.exit_code}, timeout=PATIENCE)
            await wait_until_gone(killed, PATIENCE)

    # -- Clients --------------------------------------------------------------------------------------------------

    def attach(self, understands_exits: bool) -> Client:
        """Return a new client; it gets what comes from now on."""
        client = Client(understands_exits)
        self._clients.add(client)
        return client

    def detach(self, client: Client) -> None:
        """Let a client go."""
        self._clients.discard(client)
        client.leave()

    async def serve(self, client: Client, socket: WebSocket) -> None:
        """Carry output and input until either side has had enough."""
        typed: asyncio.Queue[bytes | None] = asyncio.Queue(INPUT_LIMIT)
        listening = asyncio.ensure_future(self._listen(socket, typed))
        tasks = {
            asyncio.ensure_future(client.send_all(socket)),
            asyncio.ensure_future(self._type(typed)),
            asyncio.ensure_future(client.wait_until_dropped()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.detach(client)
            await cancel(listening, *tasks)
        if client.dropped.is_set():
            await socket.close(1008, "slow consumer")

    async def _listen(self, socket: WebSocket, typed: asyncio.Queue[bytes | None]) -> None:
        """Type what the client sends, to its end; what the terminal does not take at once is queued.

        So the client's pings are answered even while the program does not read.
        """
        while (message := await socket.receive()) is not None:
            data = message.encode() if isinstance(message, str) else message
            if self._terminal is not None and typed.empty():
                data = self._terminal.write_now(data)
            if data:
                await typed.put(data)
        await typed.put(None)

    async def _type(self, typed: asyncio.Queue[bytes | None]) -> None:
        while (data := await typed.get()) is not None:
            if self._terminal is not None:
                await self._terminal.write(data)


class Client:
    """A queue of output on its way to one WebSocket."""

    def __init__(self, understands_exits: bool) -> None:
        self.dropped = asyncio.Event()
        self._understands_exits = understands_exits
        self._queue: asyncio.Queue[bytes | Ending] = asyncio.Queue(QUEUE_LIMIT)
        self._left: Ending | None = None

    async def put(self, item: bytes | Ending, is_alone: Callable[[], bool]) -> bool:
        """Queue *item*; return False, and drop the client, when others wait and there is no room for too long."""
        if not self._queue.full():
            self._queue.put_nowait(item)
            return True
        while not self.dropped.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._queue.put(item)
                return True
            except TimeoutError:
                if not is_alone():
                    self.dropped.set()
        return False

    def leave(self) -> None:
        """Make room for who is putting something in: nobody takes it out any more."""
        while not self._queue.empty():
            self._queue.get_nowait()

    async def wait_until_dropped(self) -> None:
        """Return when the client has been too slow."""
        await self.dropped.wait()

    async def send_all(self, socket: WebSocket) -> None:
        """Send the queue, to the end of the terminal."""
        await socket.send(_control(status="connected"))
        while isinstance(item := await self._next(), bytes):
            await socket.send(item)
        if self._understands_exits:
            await socket.send(_control(status="exited", **item.facts))
        await socket.close(item.close_code, msgspec.json.encode(item.facts).decode())

    async def _next(self) -> bytes | Ending:
        """Return what comes next; output that has gathered, which the kernel gives in small pieces, in one."""
        item = self._left or await self._queue.get()
        self._left = None
        if isinstance(item, Ending):
            return item
        gathered = bytearray(item)
        while len(gathered) < FRAME_SIZE and not self._queue.empty():
            item = self._queue.get_nowait()
            if isinstance(item, Ending):
                self._left = item
                break
            gathered += item
        return bytes(gathered)


class Ending(msgspec.Struct):
    """How a program ended, and how a WebSocket says so."""

    facts: dict[str, object]
    close_code: int

    @classmethod
    def of(cls, exit_code: int) -> Ending:
        """Return the words for *exit_code*; a negative one is the signal that killed the shell itself."""
        if exit_code == 0:
            return cls({"exitCode": 0}, 1000)
        if exit_code < 0:
            return cls({"exitCode": -1, "exitReason": "non-zero exit"}, 1011)
        reason = _REASONS.get(exit_code) or (
            f"signal {exit_code - 128}" if exit_code > 128 else "non-zero exit"
        )
        return cls({"exitCode": exit_code, "exitReason": reason}, 1011)


_REASONS: Final = {130: "Ctrl+C", 137: "SIGKILL", 143: "SIGTERM"}


async def _nothing(_socket: WebSocket) -> None:
    pass


async def _refuse(socket: WebSocket, reason: str) -> None:
    """Tell why there is no terminal, and hang up without a close frame, as the real daemon does."""
    await socket.send(_control(status="error", error=f"Failed to connect to PTY session: {reason}"))
    raise ClientGoneError(reason)


def _control(**facts: object) -> str:
    return msgspec.json.encode({**facts, "type": "control"}).decode()


def _understands_exits(request: Request) -> bool:
    return EXIT_CONTROL in offered_subprotocols(request)


def _start_error(error: OSError) -> str:
    subject = f"{error.filename}: " if error.filename else ""
    return f"failed to start PTY session: {subject}{os.strerror(error.errno or 0).lower()}"


def _check_size(cols: int, rows: int) -> None:
    for name, value in (("cols", cols), ("rows", rows)):
        if value > SIZE_LIMIT:
            raise bad_request(f"{name} must be less than {SIZE_LIMIT}")


def _check_process(wanted: CreateRequest) -> None:
    checked_path(wanted.cwd or "")
    if (unusable := unusable_name(wanted.envs)) is not None:
        raise bad_request(f"invalid environment variable: {unusable!r}")


def _from_query(request: Request) -> CreateRequest:
    query = request.query
    fields = {"id": query.first("id"), "cwd": query.first("cwd") or None, "envs": _offered_envs(request)}
    numbers = {name: query.first(name) or None for name in ("cols", "rows")}
    try:
        return msgspec.convert({**fields, **numbers}, CreateRequest, strict=False)
    except msgspec.ValidationError as error:
        raise bad_request(str(error)) from error


def _offered_envs(request: Request) -> dict[str, str]:
    for token in offered_subprotocols(request):
        if token.startswith(ENVS_PREFIX):
            text = token.removeprefix(ENVS_PREFIX)
            try:
                data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
                return msgspec.json.decode(data, type=dict[str, str])
            except (ValueError, msgspec.DecodeError) as error:
                raise bad_request("the variables cannot be read") from error
    return {}
