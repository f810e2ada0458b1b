"""The gate of one sandbox, whose network has no way out but the sockets that are answered here.

They were made inside the sandbox's network, and are used out here, in the network of the machine. So there is nothing to run
inside, nothing to forward, and nothing there that could be replaced. Whoever asks for a proxy meets `Proxy`; everybody
else, where the kernel redirects connections, `Passage`, and with questions about names `Resolver`.

An address is judged, and it is that address that is connected to. `Openings` tells the kernel beforehand how that would end.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from daytona_plugins.local.egress.connection import Connection
from daytona_plugins.local.egress.head import LONGEST_HEAD
from daytona_plugins.local.egress.lookup import resolve_name
from daytona_plugins.local.egress.names import ToldNames
from daytona_plugins.local.egress.openings import Openings
from daytona_plugins.local.egress.passage import Passage
from daytona_plugins.local.egress.proxy import Proxy
from daytona_plugins.local.egress.resolver import Datagrams, Resolver

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from daytona_plugins.local.egress.certificates import Authority
    from daytona_plugins.local.egress.lookup import Resolve
    from daytona_plugins.local.egress.rules import Rules
    from daytona_plugins.local.runtime.way_out import WayOut

logger = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 256
"""Of one sandbox at a time: each takes two of the descriptors that all sandboxes share."""
BACKLOG: Final = 1024


class Doorkeeper(Protocol):
    """Whoever answers those that connect."""

    async def answer(self, connection: Connection) -> None:
        """Do what it is there for."""
        ...

    async def turn_away(self, connection: Connection) -> None:
        """Answer one too many."""
        ...


class Gate:
    """Lets the programs of one sandbox reach what its rules allow, now."""

    def __init__(
        self,
        rules: Callable[[], Rules],
        authority: Authority | None,
        *,
        resolve: Resolve = resolve_name,
        upstream: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._told = ToldNames()
        self._resolver = Resolver(rules, self._told, resolve, on_told=self._let_through)
        self._proxy = Proxy(rules, authority, resolve, upstream)
        self._passage = Passage(rules, self._told, self._resolver)
        self._servers: list[asyncio.Server] = []
        self._questions: Datagrams | None = None
        self._openings: Openings | None = None
        self._open: dict[asyncio.Task[None], Connection] = {}

    async def open(self, way_out: WayOut) -> None:
        """Answer those who use a way out of the sandbox from now on."""
        if way_out.rules is not None:
            self._openings = Openings(way_out.rules, self._rules, self._told)
        self.review()
        await self._serve(way_out.proxy, self._proxy)
        if way_out.connections is not None:
            await self._serve(way_out.connections, self._passage)
        if way_out.questions is not None:
            self._questions = await Datagrams.open(self._resolver, way_out.questions)

    async def close(self) -> None:
        """End every connection; may be called twice."""
        for server in self._servers:
            server.close()
        if self._openings is not None:
            self._openings.close()
            self._openings = None
        if self._questions is not None:
            await self._questions.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open))

    def review(self) -> None:
        """Cut the connections that the rules allow no longer, and let nobody begin another one."""
        rules = self._rules()
        if self._openings is not None:
            self._openings.review()
        for task, connection in list(self._open.items()):
            if connection.destination is not None and rules.refusal(connection.destination):
                task.cancel()

    def _let_through(self, addresses: list[str]) -> None:
        if self._openings is not None:
            self._openings.add(addresses)

    async def _serve(self, listener: socket.socket, doorkeeper: Doorkeeper) -> None:
        async def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._admit(Connection(reader, writer), doorkeeper)

        listener.setblocking(False)
        server = await asyncio.start_server(admit, sock=listener, limit=LONGEST_HEAD, backlog=BACKLOG)
        self._servers.append(server)

    async def _admit(self, connection: Connection, doorkeeper: Doorkeeper) -> None:
        task = asyncio.current_task()
        assert task is not None
        crowded = len(self._open) >= MOST_CONNECTIONS
        self._open[task] = connection
        try:
            await (doorkeeper.turn_away(connection) if crowded else doorkeeper.answer(connection))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            logger.debug("a connection out of a sandbox ended: %s", error)
        except asyncio.CancelledError:  # by `close` and `review`; nobody waits for what would be raised here
            pass
        finally:
            del self._open[task]
            writer = connection.writer
            writer.transport.abort() if task.cancelling() else writer.close()
