"""The desktop in a browser: noVNC's page on a port of the sandbox, and for each viewer an x11vnc of its own.

Nothing listens anywhere: the page belongs to the agent, which the platform's previews reach, and x11vnc talks through a
pair of sockets. A port on loopback would be open to everybody who shares the sandbox's network.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import socket
import subprocess
from typing import TYPE_CHECKING, Final

from daytona_plugins.computer_use.desktop.program import Program, Recipe
from daytona_plugins.local.agent.download import file_response
from daytona_plugins.local.agent.errors import from_os_error
from daytona_plugins.local.agent.killing import kill_session
from daytona_plugins.local.agent.websocket import WebSocket, upgrade
from daytona_plugins.local.tasks import cancel
from daytona_plugins.local.web import HTTPError, Response

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.local.agent.toolbox import Toolbox
    from daytona_plugins.local.web import Request

PAGES: Final = "/usr/share/novnc"
PORT: Final = "6080"
READ_SIZE: Final = 64 * 1024
OPTIONS: Final = ("-inetd", "-q", "-norc", "-nopw", "-shared", "-noxdamage")


class PageRecipe(Recipe):
    """A page that has to be there, instead of a program that could run."""

    @property
    def path(self) -> str | None:
        """Where it is in this sandbox, if it is."""
        return self.program if os.path.isfile(self.program) else None


X11VNC: Final = Recipe("x11vnc", "x11vnc", "x11vnc", 300, restarts=False, required=False)
NOVNC: Final = PageRecipe("novnc", f"{PAGES}/vnc.html", "novnc", 400, restarts=False, required=False)


class Shown(Program):
    """A part of what shows the desktop: it runs as long as the desktop does, if it is installed."""

    def __init__(self, recipe: Recipe, toolbox: Toolbox, logs: Path) -> None:
        super().__init__(recipe, toolbox, logs)
        self.showing = False

    @property
    def running(self) -> bool:
        """Whether it can be used now."""
        return self.showing and self.recipe.path is not None

    async def restart(self) -> None:
        """Viewers come back by themselves."""

    async def stop(self) -> None:
        """Be of no use until the desktop runs again."""
        self.showing = False


class Viewing:
    """Shows the desktop to whoever may see the port.

    Args:
        toolbox: The agent whose port it is.
        logs: Where x11vnc's complaints go.
    """

    def __init__(self, toolbox: Toolbox, logs: Path) -> None:
        self._toolbox = toolbox
        self._port = int(os.environ.get("NO_VNC_PORT", PORT))
        self._viewers: set[int] = set()
        self.server = Shown(X11VNC, toolbox, logs)
        self.page = Shown(NOVNC, toolbox, logs)

    def start(self) -> None:
        """Answer on the port from now on."""
        self.server.showing = self.page.showing = True
        self._toolbox.pages[self._port] = self._answer

    def stop(self) -> None:
        """Answer no more, and let the viewers go."""
        self._toolbox.pages.pop(self._port, None)
        for pid in self._viewers:
            kill_session(pid)

    async def _answer(self, request: Request) -> Response:
        """Return a file of the page, or the connection to the desktop; what is missing is named."""
        missing = [part.recipe.package for part in (self.server, self.page) if part.recipe.path is None]
        if missing:
            raise HTTPError(
                503,
                f"the desktop cannot be shown: this sandbox has no {' and no '.join(missing)}: "
                f"apt-get install {' '.join(missing)}",
                code="SERVICE_UNAVAILABLE",
            )
        path = _normal(request.params["path"])
        if path == "/websockify":
            return upgrade(request, self._show)
        return Response(302, [("Location", "vnc.html")]) if path == "/" else _file(request, PAGES + path)

    async def _show(self, viewer: WebSocket) -> None:
        """Be between a viewer and its x11vnc until one of them goes."""
        ours, theirs = socket.socketpair()
        with theirs:
            pid, exited = self._start(theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        both = {asyncio.ensure_future(_draw(reader, viewer)), asyncio.ensure_future(_steer(viewer, writer))}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(*both)
            writer.close()
            kill_session(pid)
            self._viewers.discard(pid)
            await asyncio.wait({exited})

    def _start(self, line: socket.socket) -> tuple[int, asyncio.Future[int]]:
        program = X11VNC.path
        assert program is not None
        self.server.log.parent.mkdir(parents=True, exist_ok=True)
        with self.server.errors.open("ab") as errors:
            process = subprocess.Popen(  # noqa: S603 (a program of the desktop)
                [program, *OPTIONS, "-display", os.environ["DISPLAY"]],
                stdin=line.fileno(),
                stdout=line.fileno(),
                stderr=errors,
                cwd="/",
                start_new_session=True,
            )
        process.returncode = 0  # the reaper collects it, not this object
        self._viewers.add(process.pid)
        return process.pid, self._toolbox.reaper.claim(process.pid)


async def _draw(screen: asyncio.StreamReader, viewer: WebSocket) -> None:
    while data := await screen.read(READ_SIZE):
        await viewer.send(data)


async def _steer(viewer: WebSocket, screen: asyncio.StreamWriter) -> None:
    while (message := await viewer.receive()) is not None:
        screen.write(message if isinstance(message, bytes) else message.encode())
        await screen.drain()


def _normal(path: str) -> str:
    """Return a path of the page: one that would lead out of it begins at its root again."""
    return os.path.normpath(f"/{path}")


def _file(request: Request, path: str) -> Response:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    try:
        return file_response(request, path, [("Content-Type", kind)])
    except OSError as error:
        raise from_os_error(error, path) from error
