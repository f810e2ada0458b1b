"""Tells the agent of a running sandbox about a change of its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform.agent_connection import AgentGoneError, AgentPool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


async def change_environment(socket_path: Path, added: Mapping[str, str], unset: Iterable[str]) -> None:
    """Change what later processes of a sandbox see; one that is ending has no later processes."""
    body = msgspec.json.encode({"set": dict(added), "unset": list(unset)})
    headers = [("Host", "agent"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    try:
        connection = await AgentPool().connect(socket_path)
        try:
            await connection.send_head("POST", "/env", headers)
            await connection.send_body(body)
            await connection.end_request()
            await connection.receive_head()
        finally:
            connection.close()
    except AgentGoneError:
        pass
