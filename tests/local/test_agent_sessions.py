"""What follows a session's log, and leaves."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.agent.sessions import until_disconnected
from daytona_plugins.local.web import Request, Response, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest.mark.faces("asyncio")
async def test_a_follower_that_goes_is_noticed_while_the_log_is_silent() -> None:
    given_up = asyncio.Event()

    async def silent() -> AsyncGenerator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async def app(request: Request) -> Response:
        return Response(200, [], until_disconnected(request, silent()))

    listener = socket.create_server(("127.0.0.1", 0))
    server = await serve(listener, app)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (await reader.readuntil(b"one")).startswith(b"HTTP/1.1 200")
    assert not given_up.is_set()
    writer.close()
    async with asyncio.timeout(20):
        await given_up.wait()
    await server.close()
