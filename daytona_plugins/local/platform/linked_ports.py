"""Connections from this process to ports inside sandboxes that have networks of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.egress.connection import Streams
from daytona_plugins.local.frames import UPGRADE
from daytona_plugins.local.runtime.spec import GATE_PORT, PROXY_PORT

if TYPE_CHECKING:
    from pathlib import Path

_OPENED: Final = b"HTTP/1.1 101 "
_HEADERS: Final = "".join(f"{name}: {value}\r\n" for name, value in (("Host", "agent"), *UPGRADE))


async def connect_inside(agent_socket: Path, port: int) -> Streams:
    """Return a connection to a port of a sandbox, which its agent opens.

    Raises:
        OSError: Nobody listens there, or it is the way out of that sandbox, which is for nobody else.
    """
    if port in (PROXY_PORT, GATE_PORT):
        raise PermissionError(f"port {port} is the way out of the sandbox")
    streams = Streams(*await asyncio.open_unix_connection(agent_socket))
    try:
        await _open(streams, port)
    except BaseException:
        streams.writer.transport.abort()
        raise
    return streams


async def _open(streams: Streams, port: int) -> None:
    streams.writer.write(f"GET /channel/port/{port} HTTP/1.1\r\n{_HEADERS}\r\n".encode())
    try:
        head = await streams.reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the agent has ended") from error
    if not head.startswith(_OPENED):
        raise ConnectionRefusedError(f"nothing listens on port {port} of the sandbox")
