"""A WebSocket over each driver: peers that are silent, gone, deaf or rude, and several writers at once."""

from __future__ import annotations

import asyncio
import base64
import threading
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from daytona.errors import (
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaError,
    DaytonaNotFoundError,
)
from daytona.protocols.messages import Binary, Closed, Lost, Text
from daytona.protocols.websocket import accept_token
from daytona.transport import websocket

from .scripted_server import Peer, ScriptedServer, answer
from .worlds import happened, together, transport_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from daytona.protocols.messages import Event

PING, PONG, CLOSE = 0x89, 0x8A, 0x88


def agree(peer: Peer, rest: bytes = b"") -> None:
    """Agree to speak WebSocket, and say *rest* in the same breath."""
    head = peer.expect()
    key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    proof = accept_token(base64.b64decode(key)).encode()
    peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n%b" % (proof, rest)
    )


def next_frame(peer: Peer) -> tuple[int, bytes]:
    """Return the first byte and the payload of the client's next frame."""
    head = peer._take(lambda: 2 if len(peer._received) >= 2 else None)
    length = head[1] & 0x7F
    extended = {126: 2, 127: 8}.get(length, 0)
    if extended:
        length = int.from_bytes(taken(peer, extended), "big")
    mask, payload = taken(peer, 4), taken(peer, length)
    return head[0], bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def taken(peer: Peer, size: int) -> bytes:
    return peer._take(lambda: size if len(peer._received) >= size else None)


@asynccontextmanager
async def opened(face: str, script: Callable[[Peer], None]) -> AsyncIterator[tuple[Any, Any]]:
    """Yield a WebSocket to a server that agrees and then does as *script* says, and the transport.

    At the end the script has seen everything, unless it stalls.
    """
    ended = threading.Event()

    def serve(peer: Peer) -> None:
        agree(peer)
        try:
            script(peer)
        finally:
            ended.set()

    with ScriptedServer(serve) as server:
        async with transport_of(face, limit=1) as transport:
            socket = await transport.open_websocket(server.api, "/stream")
            try:
                yield socket, transport
            finally:
                socket.abort()
            if script is not Peer.stall:
                await happened(face, ended)
            assert transport._connections._home.active == set()


async def test_a_peer_that_is_silent_is_asked_and_then_given_up(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-10: without any timeout a dead peer is noticed after two intervals at most."""
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.1)
    heard: list[int] = []

    def listen(peer: Peer) -> None:
        while True:
            heard.append(next_frame(peer)[0])

    async with opened(face, listen) as (socket, _):
        with pytest.raises(DaytonaConnectionError, match="has not answered a ping"):
            await socket.receive()
    assert heard == [PING]


async def test_a_peer_that_answers_pings_may_be_silent_for_as_long_as_it_likes(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.1)

    def hesitate(peer: Peer) -> None:
        for _ in range(3):
            first, payload = next_frame(peer)
            assert first == PING
            peer.send(bytes((PONG, len(payload))) + payload)
        peer.send(b"\x81\x04well")
        peer.drain()

    async with opened(face, hesitate) as (socket, _):
        assert await socket.receive() == Text("well", True)


async def test_a_ping_is_answered_while_a_message_is_awaited(face: str) -> None:
    def ask(peer: Peer) -> None:
        peer.send(b"\x89\x02hi")
        assert next_frame(peer) == (PONG, b"hi")
        peer.send(b"\x82\x02ok")
        peer.drain()

    async with opened(face, ask) as (socket, _):
        assert await socket.receive() == Binary(b"ok", True)


async def test_nothing_is_lost_when_a_deadline_passes(face: str) -> None:
    """R-8: the frames of a stream are under the deadline of the call, and a stream outlives it."""

    def half(peer: Peer) -> None:
        peer.send(b"\x82\x06abc")
        next_frame(peer)
        peer.send(b"def")
        peer.drain()

    async with opened(face, half) as (socket, transport):
        assert await socket.receive() == Binary(b"abc", False)
        with transport.deadline(0.1), pytest.raises(DaytonaConnectionTimeoutError) as caught:
            await socket.receive()
        assert caught.value.retryable
        await socket.send_text("go on")
        assert await socket.receive() == Binary(b"def", True)


async def test_what_is_delivered_is_all_that_comes_until_enough_did(face: str) -> None:
    """Pings in between are answered, and what follows is there for the next who asks."""

    def talk(peer: Peer) -> None:
        peer.send(b"\x82\x01a\x89\x02hi")
        assert next_frame(peer) == (PONG, b"hi")
        for frame in (b"\x82\x01b", b"\x82\x01c\x82\x01d"):
            peer.send(frame)
            assert next_frame(peer)[0] == 0x82
        peer.send(b"\x88\x02\x03\xe8")
        peer.drain()

    async with opened(face, talk) as (socket, _):
        heard: list[bytes] = []

        def until_c(event: Event) -> bool:
            assert isinstance(event, Binary)
            heard.append(event.data)
            return event.data != b"c"

        def until_b(event: Event) -> bool:
            return until_c(event) and heard[-1] != b"b"

        await socket.deliver(until_b)
        await socket.send_binary(b"x")
        await socket.deliver(until_c)
        assert heard == [b"a", b"b", b"c"]
        assert await socket.receive() == Binary(b"d", True)
        await socket.send_binary(b"x")
        ends: list[Event] = []
        for _ in range(2):
            await socket.deliver(lambda event: bool(ends.append(event)))
        assert ends == [Closed(1000, "")] * 2


async def test_delivery_ends_with_the_connection_and_with_the_deadline(face: str) -> None:
    def trickle(peer: Peer) -> None:
        while next_frame(peer)[1] != b"leave":
            peer.send(b"\x82\x01a")

    async with opened(face, trickle) as (socket, transport):
        events: list[Event] = []

        def until_lost(event: Event) -> bool:
            events.append(event)
            return not isinstance(event, Lost)

        await socket.send_binary(b"one")
        with transport.deadline(0.2), pytest.raises(DaytonaConnectionTimeoutError):
            await socket.deliver(until_lost)
        await socket.send_binary(b"leave")
        await socket.deliver(until_lost)
        assert events == [Binary(b"a", True), Lost()]


async def test_a_peer_that_is_silent_while_others_are_delivered_is_given_up(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.2)
    heard: list[int] = []

    def fall_silent(peer: Peer) -> None:
        peer.send(b"\x82\x01a")
        while True:
            heard.append(next_frame(peer)[0])

    async with opened(face, fall_silent) as (socket, _):
        with pytest.raises(DaytonaConnectionError, match="has not answered a ping"):
            await socket.deliver(lambda _event: True)
    assert heard == [PING]


async def test_a_message_is_delivered_in_the_context_of_who_waits(face: str) -> None:
    """The connection is older than the wait, and may have been made for somebody else."""
    number: ContextVar[int] = ContextVar("number", default=0)
    numbers: list[int] = []

    def talk(peer: Peer) -> None:
        next_frame(peer)
        peer.send(b"\x82\x01a")
        peer.drain()

    async with opened(face, talk) as (socket, _):
        number.set(1)
        await socket.send_binary(b"x")
        await socket.deliver(lambda _event: bool(numbers.append(number.get())))
    assert numbers == [1]


@pytest.mark.faces("asyncio")
async def test_on_asyncio_a_message_is_delivered_in_the_callback_that_has_read_it(face: str) -> None:
    tasks: list[object] = []

    def talk(peer: Peer) -> None:
        next_frame(peer)
        peer.send(b"\x82\x01a")
        peer.drain()

    async with opened(face, talk) as (socket, _):
        await socket.send_binary(b"x")
        await socket.deliver(lambda _event: bool(tasks.append(asyncio.current_task())))
    assert tasks == [None]


async def flood(socket: Any) -> None:
    while True:
        await socket.send_binary(bytes(1 << 20))


async def test_a_peer_that_does_not_read_ends_a_write_with_the_deadline(face: str) -> None:
    async with opened(face, Peer.stall) as (socket, transport):
        with transport.deadline(0.5), pytest.raises(DaytonaConnectionTimeoutError, match="does not read"):
            await flood(socket)
        # A part of a frame is out: the connection is of no use any more.
        with pytest.raises(DaytonaConnectionError):
            await socket.send_binary(b"x")


async def test_the_end_of_the_connection_is_the_answer_for_ever(face: str) -> None:
    async with opened(face, lambda peer: peer.send(b"\x82\x01a")) as (socket, _):
        assert [await socket.receive() for _ in range(4)] == [Binary(b"a", True), Lost(), Lost(), Lost()]


async def test_a_close_is_echoed_and_is_the_answer_for_ever(face: str) -> None:
    echoed: list[tuple[int, bytes]] = []

    def close(peer: Peer) -> None:
        peer.send(b"\x88\x05\x03\xe8bye")
        echoed.append(next_frame(peer))

    async with opened(face, close) as (socket, _):
        assert [await socket.receive() for _ in range(3)] == [Closed(1000, "bye")] * 3
    assert echoed == [(CLOSE, b"\x03\xe8bye")]


async def test_goodbye_is_said_once(face: str) -> None:
    said: list[tuple[int, bytes]] = []

    def listen(peer: Peer) -> None:
        while True:
            said.append(next_frame(peer))

    async with opened(face, listen) as (socket, _):
        await socket.close(1001, "done")
        await socket.close()
    assert said == [(CLOSE, b"\x03\xe9done")]


@pytest.mark.parametrize("last", [b"\x89\x02hi", b"\x88\x02\x03\xe8"], ids=["ping", "close"])
async def test_what_comes_with_the_handshake_is_answered_at_once(face: str, last: bytes) -> None:
    """Not when something else comes: a peer that waits for its answer may say nothing until then."""
    answered = threading.Event()

    def serve(peer: Peer) -> None:
        agree(peer, last)
        first, payload = next_frame(peer)
        if (first, payload) in ((PONG, b"hi"), (CLOSE, b"\x03\xe8")):
            answered.set()
        peer.drain()

    with ScriptedServer(serve) as server:
        async with transport_of(face) as transport:
            socket = await transport.open_websocket(server.api, "/stream")
            await happened(face, answered)
            await socket.close()


async def test_what_comes_with_the_handshake_is_not_lost(face: str) -> None:
    def serve(peer: Peer) -> None:
        agree(peer, b"\x82\x01a\x82\x01b")
        peer.drain()

    with ScriptedServer(serve) as server:
        async with transport_of(face) as transport:
            socket = await transport.open_websocket(server.api, "/stream")
            assert await socket.receive_ready() == [Binary(b"a", True), Binary(b"b", True)]
            await socket.close()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(b'{"message": "no such thing"}', status=b"404 Not Found"), DaytonaNotFoundError),
        (answer(b"<html>"), DaytonaError),
        (
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
            ),
            DaytonaConnectionError,
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            DaytonaConnectionError,
        ),
    ],
    ids=["refused", "a page", "no proof", "another protocol"],
)
async def test_no_handshake_is_a_typed_error_and_gives_its_permit_back(
    face: str, reply: bytes, error: type[Exception]
) -> None:
    with ScriptedServer(partial(Peer.serve, response=reply)) as server:
        async with transport_of(face, limit=1) as transport:
            for _ in range(2):
                with pytest.raises(error):
                    await transport.open_websocket(server.api, "/stream")
            assert transport._connections._home.pool.permits == 0


async def test_frames_of_several_writers_do_not_mix(face: str) -> None:
    sizes = [10, 70_000, 300_000]
    received: list[bytes] = []

    def count(peer: Peer) -> None:
        for _ in range(4 * len(sizes)):
            received.append(next_frame(peer)[1])
        peer.send(b"\x88\x02\x03\xe8")
        peer.drain()

    async with opened(face, count) as (socket, _):

        async def write(letter: bytes) -> None:
            for size in sizes:
                await socket.send_binary(letter * size)

        assert (
            await together(face, *(partial(write, letter) for letter in (b"a", b"b", b"c", b"d")))
            == [None] * 4
        )
        assert isinstance(await socket.receive(), Closed)
    assert sorted(received) == sorted(letter * size for letter in (b"a", b"b", b"c", b"d") for size in sizes)
