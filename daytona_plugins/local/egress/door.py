"""A socket at which programs of a sandbox connect, unless it is shut."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.egress.head import LONGEST_HEAD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Admit = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BACKLOG: Final = 1024


class Door:
    """Owns a listening socket; who connects while it is shut is refused by the kernel."""

    def __init__(self, listener: socket.socket, admit: Admit) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._admit = admit
        self._server: asyncio.Server | None = None
        self._listens = True

    async def open(self) -> None:
        """Admit those who connect; fine when it is open."""
        if self._server is None:
            # A server closes what it listens on, and this is for the next one as well.
            copy = self._listener.dup()
            self._listens = True
            self._server = await asyncio.start_server(
                self._admit, sock=copy, limit=LONGEST_HEAD, backlog=BACKLOG
            )

    def shut(self) -> None:
        """Admit nobody, those who wait included; fine when it is shut."""
        self._end_server()
        if self._listens:
            self._listener.shutdown(socket.SHUT_RD)
            self._listens = False

    def close(self) -> None:
        """Let go of the socket; may be called twice."""
        self._end_server()
        self._listener.close()

    def _end_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
