"""Which ports of the sandbox are listened on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.web import Request, Response, json_response

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox

FIRST_PORT: Final = 3000
LAST_PORT: Final = 9999
CONNECT_TIMEOUT: Final = 0.05
_LISTEN: Final = "0A"


def add_ports(toolbox: Toolbox) -> None:
    """Answer questions about ports."""
    toolbox.router.add("GET", "/port", _list_ports)
    toolbox.router.add("GET", "/port/{port}/in-use", _in_use)


async def _list_ports(_request: Request) -> Response:
    return json_response({"ports": sorted(listening_ports())})


async def _in_use(request: Request) -> Response:
    port = whole_number(request.params["port"])
    if port is None or not FIRST_PORT <= port <= LAST_PORT:
        raise bad_request(f"port must be a number from {FIRST_PORT} to {LAST_PORT}")
    return json_response({"isInUse": port in listening_ports() or await _accepts(port)})


def listening_ports() -> set[int]:
    """Return the TCP ports with a listener, from the kernel's own tables."""
    ports: set[int] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table, encoding="ascii") as file:
            ports.update(_port(line) for line in file.readlines()[1:] if line.split()[3] == _LISTEN)
    return ports


def _port(line: str) -> int:
    return int(line.split()[1].rpartition(":")[2], 16)


async def _accepts(port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:  # refused, or TimeoutError
        return False
    writer.close()
    return True
