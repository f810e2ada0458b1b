"""/channel: what an SSH connection opens in a sandbox: a program, files over SFTP, or a connection to a port.

Each is a request that is upgraded; then programs speak in frames, files and ports in bytes as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.login import Login, log_in
from daytona_plugins.local.agent.port_proxy import open_port, port_number
from daytona_plugins.local.agent.sftp import SftpServer
from daytona_plugins.local.agent.sftp_packets import BadPacketError
from daytona_plugins.local.frames import UPGRADE, Ended, Kind, Size, Start, frame, message, received
from daytona_plugins.local.tasks import cancel
from daytona_plugins.local.web import Request, Response, Upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from daytona_plugins.local.agent.toolbox import Toolbox
    from daytona_plugins.local.web import Stream
    from daytona_plugins.local.wire import Wire


def add_channels(toolbox: Toolbox) -> None:
    """Answer for what logins open."""

    async def program(request: Request) -> Response:
        return _upgraded(request, lambda stream: _run_program(toolbox, stream))

    toolbox.router.add("GET", "/channel/program", program)
    toolbox.router.add("GET", "/channel/sftp", _sftp)
    toolbox.router.add("GET", "/channel/port/{port}", _port)


def _upgraded(request: Request, run: Callable[[Stream], Awaitable[None]]) -> Response:
    _require_upgrade(request)
    return Upgrade(UPGRADE, run)


def _require_upgrade(request: Request) -> None:
    if request.headers.get("upgrade") != UPGRADE[0][1]:
        raise bad_request(f"this path needs an upgrade to {UPGRADE[0][1]}")


# -- Programs -----------------------------------------------------------------------------------------------------


async def _run_program(toolbox: Toolbox, stream: Stream) -> None:
    frames = received(stream.receive)
    with contextlib.suppress(ConnectionError):
        async with contextlib.aclosing(frames):
            _kind, content = await anext(frames, (Kind.START, b""))
            if not content:
                return
            try:
                login = log_in(toolbox, msgspec.json.decode(content, type=Start))
            except OSError as error:
                await stream.send(message(Kind.ENDED, Ended(failure=str(error))))
                return
            await _Session(login, stream).run(frames)


class _Session:
    """One program and the connection of its user, which it does not outlive."""

    def __init__(self, login: Login, stream: Stream) -> None:
        self._login = login
        self._stream = stream
        self._input: asyncio.Queue[bytes] = asyncio.Queue()  # as long as the sender has credit

    async def run(self, frames: AsyncGenerator[tuple[Kind, bytes]]) -> None:
        """Return when the program has ended and said all, or its user has hung up."""
        obeying = asyncio.ensure_future(self._obey(frames))
        feeding = asyncio.ensure_future(self._feed())
        showing = asyncio.ensure_future(self._show())
        try:
            await asyncio.wait({obeying, showing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not showing.done():
                self._login.kill()
            await cancel(feeding, showing)
            await self._login.exit_code
            self._login.close()
        await obeying  # hanging up on a user who is still sending would lose what the program said last

    async def _obey(self, frames: AsyncGenerator[tuple[Kind, bytes]]) -> None:
        async for kind, content in frames:
            if kind in (Kind.INPUT, Kind.INPUT_END):
                self._input.put_nowait(content)
            elif kind is Kind.SIGNAL:
                self._login.send_signal(content.decode("ascii", "replace"))
            elif kind is Kind.RESIZE:
                self._login.resize(msgspec.json.decode(content, type=Size))

    async def _feed(self) -> None:
        while data := await self._input.get():
            await self._login.write(data)
            await self._stream.send(frame(Kind.TAKEN, b"%d" % len(data)))
        self._login.end_input()

    async def _show(self) -> None:
        await asyncio.gather(*(self._pass_on(kind, read) for kind, read in self._login.outputs.items()))
        await self._stream.send(message(Kind.ENDED, _ended(await self._login.exit_code)))

    async def _pass_on(self, kind: Kind, read: Callable[[], Awaitable[bytes]]) -> None:
        while data := await read():
            await self._stream.send(frame(kind, data))


def _ended(code: int) -> Ended:
    return Ended(code=code) if code >= 0 else Ended(signal=signal.Signals(-code).name.removeprefix("SIG"))


# -- Files --------------------------------------------------------------------------------------------------------


async def _sftp(request: Request) -> Response:
    return _upgraded(request, _serve_files)


async def _serve_files(stream: Stream) -> None:
    server = SftpServer()
    try:
        with contextlib.suppress(ConnectionError, BadPacketError):
            while data := await stream.receive():
                for packet in server.feed(data):
                    # A slow disk holds up nobody else.
                    await stream.send(await asyncio.to_thread(server.answer, packet))
    finally:
        server.close()


# -- Ports --------------------------------------------------------------------------------------------------------


async def _port(request: Request) -> Response:
    _require_upgrade(request)
    port = port_number(request.params["port"])
    try:
        wire = await open_port(port)
    except OSError:
        return Response(502)
    return _upgraded(request, lambda stream: _join(stream, wire))


async def _join(stream: Stream, wire: Wire) -> None:
    """Pass bytes both ways; each side may end what it has to say before the other."""
    try:
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(_upload(stream, wire), _download(wire, stream))
    finally:
        wire.close()


async def _upload(stream: Stream, wire: Wire) -> None:
    while data := await stream.receive():
        wire.write(data)
        await wire.drain()
    wire.write_eof()


async def _download(wire: Wire, stream: Stream) -> None:
    while data := await wire.read():
        await stream.send(data)
    stream.end()
