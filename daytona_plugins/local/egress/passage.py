"""Connections that know nothing of a proxy: each goes on to where it was to go, if it may go there.

The kernel has led them here, and they are accepted before anybody has answered out there: what nobody answers is reset, and so
is what the kernel should not have let through.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.egress.connection import PIECE, Connection, Streams, connect
from daytona_plugins.local.runtime.spec import DNS_PORT, RESOLVER_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.egress.names import ToldNames
    from daytona_plugins.local.egress.resolver import Resolver
    from daytona_plugins.local.egress.rules import Rules

logger = logging.getLogger(__name__)

_ORIGINAL_DESTINATION: Final = 80
"""Option of a socket: where the connection went before the kernel led it elsewhere."""
_ADDRESS_AND_PORT: Final = struct.Struct(">2xH4s8x")


class Passage:
    """Takes the connections of one sandbox on."""

    def __init__(self, rules: Callable[[], Rules], told: ToldNames, resolver: Resolver) -> None:
        self._rules = rules
        self._told = told
        self._resolver = resolver

    async def answer(self, connection: Connection) -> None:
        """Let the connection pass, or reset it."""
        address, port = _wanted(connection)
        if (address, port) == (RESOLVER_ADDRESS, DNS_PORT):
            return await self._resolver.serve_stream(connection)
        destination = self._told.destination(address)
        rules = self._rules()
        if refusal := rules.refusal(destination):
            logger.debug("a connection out of a sandbox was refused: %s", refusal)
            return connection.streams.reset()
        connection.destination = destination
        try:
            out = await connect(address, port, rules.link_at(address))
        except OSError as error:
            logger.debug("a connection out of a sandbox failed: %s", error)
            return connection.streams.reset()
        return await _join(connection.streams, out)

    async def turn_away(self, connection: Connection) -> None:
        """Answer one too many."""
        connection.streams.reset()


def _wanted(connection: Connection) -> tuple[str, int]:
    """Return the address and the port that a program has connected to."""
    sock = connection.writer.get_extra_info("socket")
    value = sock.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, _ADDRESS_AND_PORT.size)
    port, address = _ADDRESS_AND_PORT.unpack(value)
    return socket.inet_ntoa(address), port


async def _join(one: Streams, other: Streams) -> None:
    """Copy in both directions until both have ended; what resets one side resets the other."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(one.reader, other.writer))
            group.create_task(_copy(other.reader, one.writer))
        other.writer.close()
    except* OSError:
        one.reset()
    finally:
        other.reset()  # what it has not taken yet is not for it any more


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
