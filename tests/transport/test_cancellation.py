"""A storm of cancelled calls leaves nothing behind: no phantom permit, no connection in a wrong state."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trio

from daytona.errors import DaytonaTimeoutError
from daytona.protocols.rest import Body

from .scripted_server import NO_BODY, Peer, ScriptedServer
from .worlds import together, transport_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from daytona.transport.http import HTTPTransport

CONNECTIONS = 10
CALLS = 10_000 if os.environ.get("LONG_TESTS") else 1_000
WAVE = 100
"""How many calls are under way, or wait, at once."""
LATEST = 0.02
"""Seconds after which every call has been cancelled, if it has not ended before."""


def reluctant(peer: Peer) -> None:
    """Answer each request in three pieces with pauses, so that a call can be cancelled in every state."""
    while peer.expect():
        for piece in (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 6\r\n\r\nabc", b"def"):
            peer.send(piece)
            if peer._server.over.wait(0.002):
                return


async def cancelled_after(face: str, seconds: float, act: Callable[[], Awaitable[Any]]) -> None:
    """Run *act* for so long at most; what it raises by itself is raised."""
    if face == "asyncio":
        task = asyncio.ensure_future(act())
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()
    else:
        with trio.move_on_after(seconds):
            await act()


@pytest.fixture(scope="module")
def contexts(authority: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The client's and the server's."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(authority / "server.pem", authority / "server.key")
    return ssl.create_default_context(cafile=str(authority / "ca.pem")), theirs


async def storm(face: str, transport: HTTPTransport, server: ScriptedServer) -> None:
    chance = random.Random(7)  # every run cancels at the same moments

    async def one() -> None:
        body = Body(chunks(), None) if chance.random() < 0.3 else None
        request = server.api.request("POST", "/x", body=body)
        await cancelled_after(face, chance.random() * LATEST, lambda: transport.send(request))

    for _ in range(CALLS // WAVE):
        assert await together(face, *[one] * WAVE) == [None] * WAVE


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x" * 1000


def assert_nothing_is_left(transport: HTTPTransport) -> None:
    """No call holds a permit, waits for one, or has a connection."""
    home = transport._connections._home
    assert (home.pool.permits, home.pool.waiting, home.gates, home.active) == (0, 0, {}, set())


@pytest.mark.faces("asyncio", "trio")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_storm_of_cancellations_leaves_no_phantom(
    face: str, scheme: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """R-2: cancelled while waiting for a connection, connecting, shaking hands, sending, and in every part of the answer."""
    ours, theirs = contexts
    with ScriptedServer(reluctant, context=theirs if scheme == "https" else None) as server:
        async with transport_of(face, limit=CONNECTIONS, tls=lambda: ours) as transport:
            await storm(face, transport, server)
            assert_nothing_is_left(transport)
            assert transport._connections._home.pool.idle <= CONNECTIONS
            with transport.deadline(5.0):
                for _ in range(2 * CONNECTIONS):
                    response = await transport.send(server.api.request("GET", "/probe"))
                    assert (response.status, response.body) == (200, b"abcdef")


@pytest.mark.faces("blocking")
async def test_a_storm_of_timeouts_leaves_no_phantom(face: str) -> None:
    chance = random.Random(7)
    with ScriptedServer(reluctant) as server:
        async with transport_of(face, limit=CONNECTIONS) as transport:

            async def one() -> None:
                try:
                    with transport.deadline(0.0001 + chance.random() * LATEST):
                        await transport.send(server.api.request("POST", "/x"))
                except DaytonaTimeoutError:
                    pass

            for _ in range(5):
                assert await together(face, *[one] * 40) == [None] * 40
            assert_nothing_is_left(transport)
            with transport.deadline(5.0):
                response = await transport.send(server.api.request("GET", "/probe"))
            assert response.body == b"abcdef"


@pytest.mark.faces("asyncio", "trio")
async def test_a_call_that_is_cancelled_while_it_waits_leaves_the_queue(face: str) -> None:
    def hold(peer: Peer) -> None:
        peer.expect()
        peer.stall()

    with ScriptedServer(hold) as server:
        async with transport_of(face, limit=1) as transport:
            request = server.api.request("GET", "/x")
            acts = [lambda: cancelled_after(face, 0.05, lambda: transport.send(request))] * 5
            assert await together(face, *acts) == [None] * 5
            assert (transport._connections._home.pool.permits, transport._connections._home.pool.waiting) == (
                0,
                0,
            )


@pytest.mark.faces("asyncio", "trio")
async def test_a_cancelled_read_of_a_stream_gives_its_permit_back(face: str) -> None:
    def begin(peer: Peer) -> None:
        peer.expect()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        peer.stall()

    with ScriptedServer(begin, lambda peer: peer.serve(NO_BODY)) as server:
        async with transport_of(face, limit=1) as transport:
            stream = await transport.stream(server.api.request("GET", "/x"))
            assert await stream.read() == b"abc"
            await cancelled_after(face, 0.02, stream.read)
            assert transport._connections._home.pool.permits == 0
            assert (await transport.send(server.api.request("GET", "/x"))).status == 200
