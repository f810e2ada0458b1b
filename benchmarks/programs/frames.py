"""Messages of 128 bytes from a WebSocket: `frames.py SCALE ours|aiohttp`."""

from __future__ import annotations

import asyncio
import os
import sys

from meter import Meter

TOOLBOX = os.environ["DAYTONA_API_URL"].removesuffix("/api") + "/toolbox/sandbox-0"


async def by_us() -> None:
    """Receive with the transport that the client's services use."""
    from daytona.protocols.messages import Binary, Closed
    from daytona.protocols.rest import Endpoint
    from daytona.transport.http import HTTPTransport
    from daytona.transport.native import NativeDriver

    transport = HTTPTransport(NativeDriver())
    socket = await transport.open_websocket(Endpoint(TOOLBOX, {}), PATH, {"follow": "true"})
    count = 0
    with meter.timing("frame", frames):
        while not isinstance((events := await socket.receive_ready())[-1], Closed):
            count += sum(isinstance(event, Binary) for event in events)
        count += sum(isinstance(event, Binary) for event in events)
    assert count >= frames, count
    await transport.close()


async def by_aiohttp() -> None:
    """Receive with aiohttp, whose parser of frames is C."""
    import aiohttp

    count = 0
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{TOOLBOX}{PATH}?follow=true") as socket,
    ):
        with meter.timing("frame", frames):
            async for message in socket:
                count += message.type is aiohttp.WSMsgType.BINARY
    assert count >= frames, count


meter = Meter()
frames = meter.count(40_000)
PATH = f"/process/session/session/command/128-{frames * 128}/logs"
asyncio.run(by_us() if sys.argv[2] == "ours" else by_aiohttp())
meter.report()
