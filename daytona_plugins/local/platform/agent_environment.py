"""What the platform itself has to say to the agent of a sandbox: a change of its environment, a first command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform.agent_connection import AgentGoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from daytona_plugins.local.platform.agent_connection import AgentPool

GONE = 502


async def change_environment(
    agents: AgentPool, socket_path: Path, added: Mapping[str, str], unset: Iterable[str]
) -> bool:
    """Change what later processes of a sandbox see, and return whether that was done.

    One that is ending has no later processes, and names that no program could have are refused.
    """
    return await _post(agents, socket_path, "/env", {"set": dict(added), "unset": list(unset)}) == 200


async def run_nothing(agents: AgentPool, socket_path: Path) -> bool:
    """Run an empty command, so that what the first one has to load is there for the next, and return whether it ran."""
    return await _post(agents, socket_path, "/process/execute", {"command": ":"}) == 200


async def _post(agents: AgentPool, socket_path: Path, target: str, body: object) -> int:
    """Return the status of the answer."""
    content = msgspec.json.encode(body)
    headers = [("Host", "agent"), ("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    try:
        connection = await agents.connect(socket_path)
        try:
            await connection.send_whole("POST", target, headers, content)
            status, _ = await connection.receive_head()
            while await connection.receive_body():
                pass
        except BaseException:
            connection.close()
            raise
    except AgentGoneError:
        return GONE
    agents.put_back(connection)
    return status
