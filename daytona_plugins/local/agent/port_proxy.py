"""`/proxy/{port}/{path}`: passes a request to whatever listens on a port inside the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from daytona_plugins.local.agent.errors import bad_request
from daytona_plugins.local.agent.program_connection import ProgramConnection
from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.forwarding import Connection, Exchange, PeerGoneError, headers_for
from daytona_plugins.local.web import Request, Response
from daytona_plugins.local.wire import Wire

if TYPE_CHECKING:
    from daytona_plugins.local.agent.toolbox import Toolbox


def add_port_proxy(toolbox: Toolbox) -> None:
    """Show the ports of the sandbox."""

    async def show(request: Request) -> Response:
        port = port_number(request.params["port"])
        page = toolbox.pages.get(port)
        return await page(request) if page is not None else await _forward(request, port)

    toolbox.router.add("*", "/proxy/{port}/{path*}", show)


async def _forward(request: Request, port: int) -> Response:
    """Answer as the program does; 502 and nothing else when nobody listens."""
    query = f"?{request.query_string}" if request.query_string else ""
    try:
        connection = await _connect(port)
        exchange = Exchange(
            request,
            connection,
            target=f"/{request.params['path']}{query}",
            headers=_headers(request, port),
            release=connection.close,
        )
        return await exchange.run(contextlib.ExitStack())
    except PeerGoneError:
        return Response(502)


def _headers(request: Request, port: int) -> list[tuple[str, str]]:
    passed = headers_for(request, without=("host", "x-forwarded-for"))
    came_for = ", ".join([*request.headers.all("x-forwarded-for"), "127.0.0.1"])
    return [("host", f"localhost:{port}"), *passed, ("x-forwarded-for", came_for)]


async def _connect(port: int) -> Connection:
    try:
        return ProgramConnection(await open_port(port))
    except OSError as error:
        raise PeerGoneError(str(error)) from error


async def open_port(port: int) -> Wire:
    """Return a connection to a program, which may listen on either loopback address.

    Raises:
        OSError: Nobody listens there.
    """
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        return (await loop.create_connection(Wire, "127.0.0.1", port))[1]
    return (await loop.create_connection(Wire, "::1", port))[1]


def port_number(text: str) -> int:
    """Return the number of a port.

    Raises:
        HTTPError: It is none (400).
    """
    port = whole_number(text)
    if port is None or not 1 <= port <= 65535:
        raise bad_request("a port is a number from 1 to 65535")
    return port
