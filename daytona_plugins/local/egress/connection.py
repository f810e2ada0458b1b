"""A connection that a program of a sandbox has opened, and how one is opened to where it wants to go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.tasks import beside

if TYPE_CHECKING:
    import ssl

    from daytona_plugins.local.egress.links import Link
    from daytona_plugins.local.egress.names import Destination

CONNECT_PATIENCE: Final = 30.0
PIECE: Final = 64 * 1024
_NOTHING_LINGERS: Final = struct.pack("ii", 1, 0)


class Streams(NamedTuple):
    """Both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """End the connection so that the other side learns that something went wrong; fine when it has ended."""
        if not self.writer.is_closing():
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOTHING_LINGERS)
            self.writer.transport.abort()


class Connection:
    """One with a program of a sandbox."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.destination: Destination | None = None
        """Where it goes, once that is known and allowed."""

    @property
    def streams(self) -> Streams:
        """Both directions."""
        return Streams(self.reader, self.writer)


async def connect(
    address: str, port: int, link: Link | None, context: ssl.SSLContext | None = None, host: str = ""
) -> Streams:
    """Return a connection from this machine, or one to another sandbox.

    Args:
        link: To the sandbox that has the address.
        context: How to encrypt it; *host* is then who has to be there.

    Raises:
        OSError: Nobody answers there.
    """
    async with asyncio.timeout(CONNECT_PATIENCE):
        if link is None:
            name = host if context else None
            return Streams(*await asyncio.open_connection(address, port, ssl=context, server_hostname=name))
        streams = await link.connect(port)
        return streams if context is None else await _encrypt(streams, context, host)


async def _encrypt(streams: Streams, context: ssl.SSLContext, host: str) -> Streams:
    try:
        await streams.writer.start_tls(context, server_hostname=host)
    except BaseException:
        streams.writer.transport.abort()
        raise
    return streams


async def relay(inner: Streams, outer: Streams) -> None:
    """Copy in both directions, until the answers of *outer* have ended."""
    try:
        async with beside(_copy(inner.reader, outer.writer)):
            await _copy(outer.reader, inner.writer)
    finally:
        outer.writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:  # encrypted: whoever asked is gone, and the host has no other way to learn of it
            writer.transport.abort()
