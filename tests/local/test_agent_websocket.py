"""The agent's WebSockets against our client's machine over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from daytona.protocols.websocket import (
    Binary,
    ClientWebSocket,
    Closed,
    Event,
    Lost,
    Ponged,
    Text,
    check_handshake,
    handshake_fields,
)
from daytona_plugins.local.agent.websocket import ClientGoneError, WebSocket, upgrade
from daytona_plugins.local.web import Request, Response, serve

Handler = Callable[[WebSocket], Awaitable[None]]
NONCE = bytes(16)


class Client:
    """A WebSocket client that pulls its events one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.machine = ClientWebSocket()
        self.reader = reader
        self.writer = writer
        self.subprotocol: str | None = None
        self._events: list[Event] = []

    async def shake_hands(self, subprotocols: list[str]) -> None:
        fields = "".join(f"{name}: {value}\r\n" for name, value in handshake_fields(NONCE, subprotocols))
        self.writer.write(f"GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert head[0].startswith("HTTP/1.1 101")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:]}
        self.subprotocol = check_handshake(NONCE, headers, subprotocols)

    def send(self, data: str | bytes) -> None:
        machine = self.machine
        self.writer.write(machine.send_text(data) if isinstance(data, str) else machine.send_binary(data))

    async def receive(self) -> Event:
        while not self._events:
            self._events = self.machine.receive(await self.reader.read(65536))
            self.writer.write(self.machine.outgoing())
        return self._events.pop(0)

    async def receive_whole(self) -> bytes:
        """Return the next binary message."""
        data = b""
        while isinstance(event := await self.receive(), Binary):
            data += event.data
            if event.last:
                return data
        raise AssertionError(event)


@asynccontextmanager
async def connected(
    run: Handler, *subprotocols: str, limit: int = 1 << 20, chosen: str | None = None
) -> AsyncIterator[Client]:
    """Yield a client of a server whose WebSockets go to *run*."""

    async def app(request: Request) -> Response:
        return upgrade(request, run, limit=limit, subprotocol=chosen)

    listener = socket.create_server(("127.0.0.1", 0))
    server = await serve(listener, app)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    client = Client(reader, writer)
    try:
        async with asyncio.timeout(30):
            await client.shake_hands(list(subprotocols))
            yield client
    finally:
        writer.close()
        await server.close()


async def echo(socket: WebSocket) -> None:
    while (message := await socket.receive()) is not None:
        await socket.send(message)


@pytest.mark.faces("asyncio")
async def test_messages_of_both_kinds_come_back_whole() -> None:
    big = bytes(range(256)) * 2000
    async with connected(echo) as client:
        client.send("grüße")
        client.send(big)
        client.send(b"")
        assert await client.receive() == Text("grüße", True)
        assert await client.receive_whole() == big
        assert await client.receive_whole() == b""


@pytest.mark.faces("asyncio")
async def test_a_message_longer_than_the_limit_closes_with_1009() -> None:
    async with connected(echo, limit=100) as client:
        client.send(b"x" * 100)
        client.send(b"x" * 101)
        assert await client.receive_whole() == b"x" * 100
        assert isinstance(event := await client.receive(), Closed)
        assert event.code == 1009


@pytest.mark.faces("asyncio")
async def test_a_handler_that_returns_closes_with_1000_and_one_that_fails_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def nothing(_socket: WebSocket) -> None:
        return

    async def bug(_socket: WebSocket) -> None:
        raise ValueError("a bug")

    for run, code in ((nothing, 1000), (bug, 1011)):
        async with connected(run) as client:
            assert isinstance(event := await client.receive(), Closed)
            assert event.code == code
    assert "a WebSocket's handler failed" in caplog.text


@pytest.mark.faces("asyncio")
async def test_a_close_carries_its_code_and_reason_and_nothing_follows() -> None:
    refused = asyncio.Event()

    async def refuse(socket: WebSocket) -> None:
        await socket.close(4008, "too late " * 50)
        with pytest.raises(ClientGoneError):
            await socket.send("more")
        refused.set()

    async with connected(refuse) as client:
        assert isinstance(event := await client.receive(), Closed)
        assert event.code == 4008
        assert event.reason.startswith("too late too late")
        await refused.wait()
        assert await client.reader.read() == b""


@pytest.mark.faces("asyncio")
async def test_pings_are_answered_while_the_handler_waits_for_a_message() -> None:
    async with connected(echo) as client:
        client.writer.write(client.machine.ping(b"are you there?"))
        assert await client.receive() == Ponged(b"are you there?")


@pytest.mark.faces("asyncio")
async def test_receive_returns_none_when_the_client_drops_or_closes() -> None:
    async def run(socket: WebSocket) -> None:
        ends.put_nowait(await socket.receive())

    ends: asyncio.Queue[object] = asyncio.Queue()
    async with connected(run) as client:
        client.writer.close()
        assert await ends.get() is None
    async with connected(run) as client:
        client.writer.write(client.machine.close(1000))
        assert await ends.get() is None
        assert isinstance(await client.receive(), Closed | Lost)


@pytest.mark.faces("asyncio")
async def test_work_is_given_up_when_the_client_goes() -> None:
    given_up = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async def run(socket: WebSocket) -> None:
        await socket.while_connected(work())

    async with connected(run) as client:
        client.send("ignored")
        client.writer.write(client.machine.ping(b"1"))
        assert await client.receive() == Ponged(b"1")
        client.writer.close()
        await given_up.wait()


@pytest.mark.faces("asyncio")
async def test_a_sender_waits_for_a_slow_client() -> None:
    sent = 0

    async def flood(socket: WebSocket) -> None:
        nonlocal sent
        while sent < 64:
            await socket.send(bytes(1 << 20))
            sent += 1

    async with connected(flood) as client:
        assert await client.receive_whole() == bytes(1 << 20)
        assert sent < 64  # our side of the socket is full: the rest waits until it is read
        for _ in range(63):
            assert await client.receive_whole() == bytes(1 << 20)
        assert isinstance(await client.receive(), Closed)


@pytest.mark.faces("asyncio")
@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ((), None),
        (("other",), "other"),
        (("other", "X-Daytona-SDK-Version~0.226.1"), "X-Daytona-SDK-Version~0.226.1"),
    ],
)
async def test_the_token_with_the_version_is_chosen_first(
    offers: tuple[str, ...], chosen: str | None
) -> None:
    async with connected(echo, *offers) as client:
        assert client.subprotocol == chosen


@pytest.mark.faces("asyncio")
async def test_a_frame_against_the_rules_closes_with_1002() -> None:
    async with connected(echo) as client:
        client.writer.write(b"\xf1\x80\x00\x00\x00\x00")
        assert isinstance(event := await client.receive(), Closed)
        assert event.code == 1002


@pytest.mark.faces("asyncio")
async def test_a_plain_request_is_refused() -> None:
    async def app(request: Request) -> Response:
        return upgrade(request, echo)

    listener = socket.create_server(("127.0.0.1", 0))
    server = await serve(listener, app)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await server.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Sec-WebSocket-Version: 13" in answer
    assert answer.endswith(b"Bad Request")
