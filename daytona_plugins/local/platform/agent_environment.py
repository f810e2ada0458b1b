"""What the platform itself has to say to the agent of a sandbox: a change of its environment or of the names it knows, a first command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform.agent_connection import AgentGoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from daytona_plugins.local.platform.agent_connection import AgentPool

GONE = 502
_BOUNDARY = "daytona-hosts"


async def change_environment(
    agents: AgentPool, socket_path: Path, added: Mapping[str, str], unset: Iterable[str]
) -> bool:
    """Change what later processes of a sandbox see, and return whether that was done.

    One that is ending has no later processes, and names that no program could have are refused.
    """
    return await _post(agents, socket_path, "/env", {"set": dict(added), "unset": list(unset)}) == 200


async def change_hosts(agents: AgentPool, socket_path: Path, content: str) -> bool:
    """Change what names a sandbox knows beside those that its network tells, and return whether that was done."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="hosts"\r\n\r\n'
    form = f"{head}{content}\r\n--{_BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    return await _send(agents, socket_path, "/files/upload?path=/etc/hosts", kind, form) == 200


async def warm_up(agents: AgentPool, socket_path: Path) -> None:
    """Run an empty command, and let the shell of the next one be there: the first one of somebody takes no longer."""
    await _post(agents, socket_path, "/process/execute", {"command": ":"})
    await _post(agents, socket_path, "/env", {"patient": True})


async def _post(agents: AgentPool, socket_path: Path, target: str, body: object) -> int:
    return await _send(agents, socket_path, target, "application/json", msgspec.json.encode(body))


async def _send(agents: AgentPool, socket_path: Path, target: str, kind: str, content: bytes) -> int:
    """Return the status of the answer."""
    headers = [("Host", "agent"), ("Content-Type", kind), ("Content-Length", str(len(content)))]
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
