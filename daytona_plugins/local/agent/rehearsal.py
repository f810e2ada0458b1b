"""Requests that are answered before there is any sandbox.

What the interpreter makes for itself meanwhile, and would make in each sandbox, lies in memory that all of them share. The
requests are for a command in a place that is no directory: all is done that it takes but to start a program.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.errors import envelope
from daytona_plugins.local.web import Server

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

ROUNDS: Final = 2
"""The first answer is put together in another way than those that follow it on a connection."""
BODY: Final = b'{"command": ":", "cwd": "/dev/null"}'
REQUEST: Final = (
    b"POST /process/execute HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


async def answer_some(toolbox: Toolbox) -> None:
    """Answer some requests with *toolbox*, which is as new after that."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    server = Server(toolbox.router, envelope)
    with ours:
        await server.take(theirs)
        for _ in range(ROUNDS):
            await loop.sock_sendall(ours, REQUEST)
            await loop.sock_recv(ours, 65536)
        await server.close()
