"""HTTP to a sandbox's agent over its Unix socket, and a place where idle connections wait for the next request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daytona_plugins.local.forwarding import Connection, PeerGoneError
from daytona_plugins.local.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

AgentGoneError = PeerGoneError

# Well below the time after which an agent hangs up on an idle connection, so the two never cross.
_FRESH = 30.0
_KEPT = 8


class AgentConnection(Connection):
    """One connection to an agent."""

    def __init__(self, socket_path: Path, wire: Wire) -> None:
        super().__init__(wire)
        self.socket_path = socket_path
        self.idle_since = 0.0


class AgentPool:
    """Connections to the agents of all sandboxes that wait for their next request."""

    def __init__(self) -> None:
        self._idle: dict[Path, list[AgentConnection]] = {}

    async def connect(self, socket_path: Path) -> AgentConnection:
        """Return a connection to the agent behind *socket_path*.

        Raises:
            AgentGoneError: Nobody listens there.
        """
        return self._take(socket_path) or await self._open(socket_path)

    def put_back(self, connection: AgentConnection) -> None:
        """Keep a connection whose exchange is over, or close it when it cannot be used again."""
        waiting = self._idle.setdefault(connection.socket_path, [])
        if len(waiting) < _KEPT and connection.renew():
            connection.idle_since = asyncio.get_running_loop().time()
            waiting.append(connection)
        else:
            connection.close()

    def forget(self, socket_path: Path) -> None:
        """Close what waits for an agent that is going away."""
        for connection in self._idle.pop(socket_path, []):
            connection.close()

    def close(self) -> None:
        """Close everything that waits."""
        for socket_path in list(self._idle):
            self.forget(socket_path)

    def _take(self, socket_path: Path) -> AgentConnection | None:
        waiting = self._idle.get(socket_path, [])
        oldest = asyncio.get_running_loop().time() - _FRESH
        while waiting:
            connection = waiting.pop()
            if connection.is_open and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    async def _open(self, socket_path: Path) -> AgentConnection:
        try:
            _, wire = await asyncio.get_running_loop().create_unix_connection(Wire, str(socket_path))
        except OSError as error:
            raise AgentGoneError(f"{socket_path}: {error}") from error
        return AgentConnection(socket_path, wire)
