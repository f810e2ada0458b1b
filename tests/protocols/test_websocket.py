"""The WebSocket machine: the slicer in front of wsproto changes nothing but the time it takes."""

from __future__ import annotations

import base64
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from daytona.protocols.websocket import (
    Binary,
    ClientWebSocket,
    Closed,
    HandshakeError,
    Lost,
    Ponged,
    Text,
    accept_token,
    check_handshake,
    handshake_fields,
)

NONCE = b"0123456789abcdef"

messages = st.one_of(
    st.builds(TextMessage, data=st.text(max_size=300), message_finished=st.booleans()),
    st.builds(BytesMessage, data=st.binary(max_size=300), message_finished=st.booleans()),
    st.just(BytesMessage(data=b"large" * 14_000)),
    st.builds(Ping, payload=st.binary(max_size=125)),
    st.builds(Pong, payload=st.binary(max_size=125)),
)
cuts = st.lists(st.integers(0, 10**6), max_size=8)


def server_bytes(events: list[object]) -> bytes:
    """Return what a server that sends *events* puts on the wire; fragments of the wrong kind are left out."""
    server = Connection(ConnectionType.SERVER)
    data, kind = b"", None
    for event in events:
        if isinstance(event, (TextMessage, BytesMessage)):
            if kind not in (None, type(event)):
                continue
            kind = None if event.message_finished else type(event)
        data += server.send(event)  # type: ignore[arg-type]
    return data


def pieces_of(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def told(machine: ClientWebSocket, pieces: list[bytes]) -> tuple[list[object], bytes]:
    """Return the messages, their pieces joined, and what the machine answers."""
    joined: list[object] = []
    answers = b""
    for piece in pieces:
        for event in machine.receive(piece):
            previous = joined[-1] if joined else None
            match previous, event:
                case (Text(before, False), Text(data, last)):
                    joined[-1] = Text(before + data, last)
                case (Binary(before, False), Binary(data, last)):
                    joined[-1] = Binary(before + data, last)
                case _:
                    joined.append(event)
        answers += unmasked(machine.outgoing())
    return [event for event in joined if event not in (Text("", False), Binary(b"", False))], answers


def unmasked(data: bytes) -> bytes:
    """Return client frames without their random masks (all of them are short here)."""
    out = b""
    while data:
        size = data[1] & 0x7F
        mask, payload = data[2:6], data[6 : 6 + size]
        out += data[:2] + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        data = data[6 + size :]
    return out


@settings(max_examples=80)
@given(st.lists(messages, max_size=12), cuts)
def test_fast_and_slow_path_say_the_same(events: list[object], places: list[int]) -> None:
    pieces = pieces_of(server_bytes(events), places)
    assert told(ClientWebSocket(fast=True), pieces) == told(ClientWebSocket(fast=False), pieces)


@settings(max_examples=200)
@given(
    st.lists(messages, max_size=3),
    st.binary(max_size=40),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3),
    cuts,
)
def test_broken_bytes_end_both_paths_alike(
    events: list[object], tail: bytes, changes: list[tuple[int, int]], places: list[int]
) -> None:
    data = bytearray(server_bytes(events) + tail)
    for place, byte in changes:
        if data:
            data[place % len(data)] = byte
    pieces = pieces_of(bytes(data), places)
    fast, slow = ClientWebSocket(fast=True), ClientWebSocket(fast=False)
    (fast_events, _), (slow_events, _) = told(fast, pieces), told(slow, pieces)
    assert fast_events == slow_events
    assert fast.closed == slow.closed


SIZES = (0, 1, 125, 126, 127, 255, 256, 511, 512, 65_535, 65_536, 65_537)


def frame_of(size: int, opcode: int) -> bytes:
    """Return a message in a frame; whoever loses count takes its bytes for the beginnings of other frames."""
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([size])
    else:
        head += b"\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x7f" + size.to_bytes(8, "big")
    text = "\u00c1\u00c2" * (size // 4) + "x" * (size % 4)
    return head + (text.encode() if opcode == 1 else (b"\x82\x01" * size)[:size])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [1, 2])
def test_messages_of_any_size_come_whole_wherever_they_are_cut(size: int, opcode: int) -> None:
    frame = frame_of(size, opcode)
    payload = frame[len(frame) - size :]
    message = Text(payload.decode(), True) if opcode == 1 else Binary(payload, True)
    for cut in (*range(12), size // 2, len(frame) - 1):
        pieces = pieces_of(frame + frame + b"\x89\x00" + frame, [cut, len(frame) + cut])
        assert told(ClientWebSocket(), pieces) == ([message] * 3, b"\x8a\x80")


def test_wsproto_gets_nothing_but_what_the_slicer_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = ClientWebSocket()
    slow: list[bytes] = []
    inner = machine._machine  # pyright: ignore[reportPrivateUsage]  # who reads what is the question
    receive = inner.receive_data

    def record(data: bytes) -> None:
        slow.append(data)
        receive(data)

    monkeypatch.setattr(inner, "receive_data", record)
    foreign = b"\x89\x04ping", b"\x01\x01a", b"\x00\x01b", b"\x80\x01c", b"\x02\x00", b"\x80\x01d"
    known = b"".join(frame_of(size, opcode) for size in SIZES for opcode in (1, 2))
    most, rest = known[:-1000], known[-1000:]  # of a long message, which is binary, each piece is taken
    for frame in foreign:
        machine.receive(frame[:-1])
        machine.receive(frame[-1:])
        if frame[0] in (0x80, 0x89):  # no message is under way
            assert len(machine.receive(most)) == 2 * len(SIZES)
            assert len(machine.receive(rest)) == 1
    assert b"".join(slow) == b"".join(foreign)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(b"\x91\x00", 1002, id="reserved bit"),
        pytest.param(b"\x83\x00", 1002, id="unknown opcode"),
        pytest.param(b"\x81\x81\0\0\0\0a", 1002, id="masked by the server"),
        pytest.param(b"\x81\x02\xc3\x28", 1007, id="text that is not UTF-8"),
        pytest.param(b"\x09\x00", 1002, id="fragmented ping"),
        pytest.param(b"\x89\x7e\x00\x7e" + b"a" * 126, 1002, id="long ping"),
        pytest.param(b"\x80\x01a", 1002, id="continuation of nothing"),
        pytest.param(b"\x82\x7e\x00\x01a", 1002, id="length in more bytes than it needs"),
        pytest.param(b"\x82\x7e\x00\x7d" + b"a" * 125, 1002, id="the longest length in two bytes too many"),
        pytest.param(b"\x81\x7f\0\0\0\0\0\0\xff\xff" + b"a" * 65535, 1002, id="and in six too many"),
        pytest.param(b"\x82\x7f" + b"\xff" * 8 + b"a", 1002, id="length of more than 63 bits"),
        pytest.param(b"\x82\x7f\x80\0\0\0\0\0\0\0a", 1002, id="the shortest length of 64 bits"),
        pytest.param(b"\x88\x01a", 1002, id="half a close code"),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_a_peer_that_breaks_the_rules_is_closed(frame: bytes, code: int, fast: bool) -> None:
    machine = ClientWebSocket(fast=fast)
    events = machine.receive(frame)
    assert [event.code for event in events if isinstance(event, Closed)] == [code]
    assert machine.closed
    assert machine.outgoing()[:1] == b"\x88"
    assert machine.receive(b"\x82\x01a") == []


def test_a_ping_is_answered_and_a_pong_reported() -> None:
    machine = ClientWebSocket()
    assert machine.must_answer is False
    assert machine.receive(b"\x89\x02hi\x8a\x01x") == [Ponged(b"x")]
    assert machine.must_answer is True
    assert unmasked(machine.outgoing()) == b"\x8a\x82hi"
    assert machine.outgoing() == b""


def test_a_close_is_echoed_with_its_code() -> None:
    machine = ClientWebSocket()
    assert machine.receive(b"\x88\x04\x03\xe8ok") == [Closed(1000, "ok")]
    assert unmasked(machine.outgoing()) == b"\x88\x84\x03\xe8ok"


def test_the_end_of_the_connection_is_told_once() -> None:
    machine = ClientWebSocket()
    assert machine.receive(b"") == [Lost()]
    assert machine.receive(b"") == []


def test_closing_first_lets_the_last_messages_in() -> None:
    machine = ClientWebSocket()
    assert unmasked(machine.close(1000, "bye")) == b"\x88\x85\x03\xe8bye"
    assert machine.close() == b""
    assert machine.receive(b"\x82\x01a\x88\x02\x03\xe8") == [Binary(b"a", True), Closed(1000, "")]
    assert machine.outgoing() == b""
    for send_late in (partial(machine.send_text, "too late"), partial(machine.send_binary, b"too late")):
        with pytest.raises(ConnectionError):
            send_late()


def test_a_close_says_that_all_is_well_unless_told_otherwise() -> None:
    assert unmasked(ClientWebSocket().close()) == b"\x88\x82\x03\xe8"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_what_is_sent_arrives_at_a_server(size: int) -> None:
    server = Connection(ConnectionType.SERVER)
    client = ClientWebSocket()
    server.receive_data(
        client.send_binary(b"x" * size) + client.send_text("ü") + client.ping(b"p") + client.close()
    )
    binary, text, ping, close = joined_at(server)
    assert (binary, text) == (b"x" * size, "ü")
    assert isinstance(ping, Ping)
    assert isinstance(close, CloseConnection)


def joined_at(server: Connection) -> list[object]:
    out: list[object] = []
    unfinished = False
    for event in server.events():
        if isinstance(event, (TextMessage, BytesMessage)):
            out[-1:] = [out[-1] + event.data] if unfinished else [*out[-1:], event.data]  # type: ignore[operator]
            unfinished = not event.message_finished
        else:
            out.append(event)
    return out


def test_handshake() -> None:
    fields = dict(handshake_fields(NONCE, ["a", "b"]))
    assert fields["Sec-WebSocket-Protocol"] == "a, b"
    agreed = {"upgrade": "WebSocket", "sec-websocket-accept": accept_token(NONCE)}
    assert check_handshake(NONCE, agreed, ["a"]) is None
    assert check_handshake(NONCE, {**agreed, "sec-websocket-protocol": "b"}, ["a", "b"]) == "b"


def test_the_accept_token_is_the_one_of_the_rfc() -> None:
    assert accept_token(base64.b64decode("dGhlIHNhbXBsZSBub25jZQ==")) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    "change",
    [
        {"upgrade": "h2c"},
        {"sec-websocket-accept": "nonsense"},
        {"sec-websocket-extensions": "permessage-deflate"},
        {"sec-websocket-protocol": "not-offered"},
    ],
)
def test_a_wrong_handshake_is_refused(change: dict[str, str]) -> None:
    agreed = {"upgrade": "websocket", "sec-websocket-accept": accept_token(NONCE)}
    with pytest.raises(HandshakeError):
        check_handshake(NONCE, {**agreed, **change}, ["a"])
