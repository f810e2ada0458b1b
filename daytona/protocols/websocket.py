"""The client's half of a WebSocket: bytes to messages, messages to bytes.

Theory of operation
===================

wsproto is the state machine of record: it knows fragments, control frames, closing and every way to break the rules.
In front of it stands a slicer that reads nothing but frame headers. Nearly all traffic of a sandbox is whole,
unfragmented data frames, many to a read; those it cuts straight out of the buffer. Every other frame it hands to
wsproto, byte for byte, and then takes over again at the frame's end, which it knows from the header:

    bytes ─► slicer ──┬─ whole data frame, no fragments pending ────────────► message
                      ├─ unfragmented binary frame, not all of it there yet ──► pieces of the message
                      └─ control, fragment, a part of a text, odd ────────────► wsproto ─► events

Both give the same messages for any bytes; `fast=False` leaves everything to wsproto, and a test compares the two.

A large message arrives in pieces, each as soon as it is there, with `last` on the final one. Pings are answered by
themselves: whatever is to be sent collects in `outgoing`, to be taken after every call. After `Closed` nothing more is
received; `Lost` says that the connection ended without a closing handshake.
"""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError

from .messages import Binary, Closed, Event, Lost, Ponged, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Binary",
    "ClientWebSocket",
    "Closed",
    "Event",
    "HandshakeError",
    "Lost",
    "Ponged",
    "Text",
    "accept_token",
    "check_handshake",
    "handshake_fields",
]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORT: Final = 125
_MASKS: Final = 32
_MASKS_AT_ONCE: Final = 64
_SHORT_HEADS: Final = [bytes((0x82, 0x80 | size)) for size in range(_SHORT + 1)]
_TEXT, _BINARY, _CONTINUATION = 1, 2, 0
_LONG_HEADERS: Final = {126: 4, 127: 10}
"""How long a header is that begins its length with such a byte."""
_SHORTEST: Final = {2: 0, 4: 126, 10: 65536}
"""Payload length from which a header of so many bytes is the right one."""
_TOO_LONG: Final = 1 << 63
"""Payload length that the protocol does not allow."""


# -- The handshake ----------------------------------------------------------------------------------------------------


class HandshakeError(Exception):
    """The server agreed to change the protocol, and not to the one that was asked for."""


def handshake_fields(nonce: bytes, subprotocols: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return the header fields that ask for a WebSocket; *nonce* is 16 random bytes."""
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", base64.b64encode(nonce).decode("ascii")),
        ("Sec-WebSocket-Version", "13"),
    ]
    return [*fields, ("Sec-WebSocket-Protocol", ", ".join(subprotocols))] if subprotocols else fields


def accept_token(nonce: bytes) -> str:
    """Return what the server proves its agreement with."""
    # SHA-1 is the protocol's choice and protects nothing.
    digest = hashlib.sha1(base64.b64encode(nonce) + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def check_handshake(nonce: bytes, headers: Mapping[str, str], subprotocols: Sequence[str] = ()) -> str | None:
    """Return the subprotocol that the server chose out of those offered; it may choose none.

    Raises:
        HandshakeError: A 101 answer with these headers is no agreement.
    """
    if headers.get("upgrade", "").lower() != "websocket":
        raise HandshakeError("the server did not agree to speak WebSocket")
    if headers.get("sec-websocket-accept") != accept_token(nonce):
        raise HandshakeError("the server's proof of the handshake is wrong")
    if "sec-websocket-extensions" in headers:
        raise HandshakeError("the server uses an extension that was not offered")
    chosen = headers.get("sec-websocket-protocol")
    if chosen is not None and chosen not in subprotocols:
        raise HandshakeError(f"the server chose the subprotocol {chosen!r}, which was not offered")
    return chosen


# -- The connection ---------------------------------------------------------------------------------------------------


class ClientWebSocket:
    """One WebSocket after its handshake.

    Args:
        fast: Whether whole data frames are cut out without wsproto.
    """

    def __init__(self, *, fast: bool = True) -> None:
        self._machine = Connection(ConnectionType.CLIENT)
        self._fast = fast
        self._buffer = b""
        self._foreign = 0
        """How many bytes of the current frame wsproto is still to get."""
        self._missing = 0
        """How many bytes are still to come of a binary frame whose beginning has been returned."""
        self._in_fragments = False
        self._outgoing: list[bytes] = []
        self._masks: list[bytes] = []
        self.closed = False
        """Whether `Closed` or `Lost` has been returned."""

    # -- Sending --------------------------------------------------------------------------------------------------

    def send_text(self, data: str) -> bytes:
        """Return a text message as bytes."""
        return self._send(TextMessage(data=data))

    def send_binary(self, data: bytes) -> bytes:
        """Return a binary message as bytes; a keystroke's worth is built right here, for a tenth of what wsproto takes."""
        size = len(data)
        if size <= _SHORT and self._machine.state is ConnectionState.OPEN:
            mask = self._next_mask()
            key = int.from_bytes((mask * _MASKS)[:size], "big")
            masked = (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")
            return _SHORT_HEADS[size] + mask + masked
        return self._send(BytesMessage(data=data))

    def _next_mask(self) -> bytes:
        """Return four bytes that nobody can foresee; the kernel is asked for many at a time."""
        try:
            return self._masks.pop()
        except IndexError:
            chance = os.urandom(4 * _MASKS_AT_ONCE)
            mask, *self._masks = (chance[start : start + 4] for start in range(0, len(chance), 4))
            return mask

    def ping(self, payload: bytes = b"") -> bytes:
        """Return a ping as bytes."""
        return self._send(Ping(payload=payload))

    def close(self, code: int = 1000, reason: str = "") -> bytes:
        """Return a close frame, or nothing when the connection is closing already."""
        if self._machine.state is not ConnectionState.OPEN:
            return b""
        return self._send(CloseConnection(code=code, reason=reason or None))

    def _send(self, event: TextMessage | BytesMessage | Ping | Pong | CloseConnection) -> bytes:
        try:
            return self._machine.send(event)
        except LocalProtocolError as error:
            raise ConnectionError("the WebSocket is closed") from error

    @property
    def must_answer(self) -> bool:
        """Whether `outgoing` has something to return."""
        return bool(self._outgoing)

    def outgoing(self) -> bytes:
        """Return, once, the answers that what was received calls for."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    # -- Receiving ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """Return the events that *data* completes; `b""` says that the peer closed the connection."""
        if self.closed:
            return []
        if not data:
            self.closed = True
            return [Lost()]
        if not self._fast:
            return self._consult(data)
        self._buffer = self._buffer + data if self._buffer else data
        events: list[Event] = []
        position = self._continue_binary(events) if self._missing else 0
        step = 1
        while step and not self.closed and not self._missing:
            if not (self._foreign or self._in_fragments):
                position = self._slice_binary(position, events)
            step = self._slice(position, events) if position < len(self._buffer) else 0
            position += step
        self._buffer = self._buffer[position:]
        return events

    def _continue_binary(self, events: list[Event]) -> int:
        """Take the next piece of a binary frame that came in parts; return where it ends."""
        piece = self._buffer[: self._missing]
        self._missing -= len(piece)
        events.append(Binary(piece, not self._missing))
        return len(piece)

    def _slice_binary(self, position: int, events: list[Event]) -> int:
        """Take all whole binary frames that follow each other; return where the first other thing begins.

        One loop for all of them: a call for each frame takes longer than the rest of what a small frame costs.
        """
        buffer, size, append = self._buffer, len(self._buffer), events.append
        while size - position >= 2 and buffer[position] == 0x82:
            length, start = buffer[position + 1], position + 2
            if length == 126 and size - start >= 2:
                length, start = buffer[start] << 8 | buffer[start + 1], start + 2
                if length < 126:
                    break
            elif length >= 126:
                break  # longer than most, masked, or not all there
            if start + length > size:
                break
            position = start + length
            append(Binary(buffer[start:position], True))
        return position

    def _slice(self, start: int, events: list[Event]) -> int:
        """Take one frame, or the part of a foreign one that is there; return how many bytes, 0 for "not enough"."""
        buffer = self._buffer
        if self._foreign:
            piece = buffer[start : start + self._foreign]
            self._foreign -= len(piece)
            events += self._consult(piece) if piece else []
            return len(piece)
        size = len(buffer) - start
        if size < 2:
            return 0
        head, length = buffer[start], buffer[start + 1]
        if head & 0x7F > _BINARY or length > 127:  # a control frame, or something that no server may send
            return self._hand_over(start, head, 2 + (length & 0x7F), events)
        header = _LONG_HEADERS.get(length, 2)
        if size < header:
            return 0
        if header > 2:
            length = int.from_bytes(buffer[start + 2 : start + header], "big")
        end = start + header + length
        plain = head in (0x81, 0x82) and length >= _SHORTEST[header] and not self._in_fragments
        if plain and end <= len(buffer):
            payload = buffer[start + header : end]
            if head == 0x82:
                events.append(Binary(payload, True))
                return header + length
            if payload.isascii() or _is_utf8(payload):
                events.append(Text(payload.decode(), True))
                return header + length
        elif plain and head == 0x82 and size > header and length < _TOO_LONG:
            self._missing = end - len(buffer)
            events.append(Binary(buffer[start + header :], False))
            return size
        return self._hand_over(start, head, header + length, events)

    def _hand_over(self, start: int, head: int, total: int, events: list[Event]) -> int:
        """Give wsproto the part that is there of a frame of *total* bytes."""
        opcode = head & 0x0F
        if opcode in (_TEXT, _BINARY, _CONTINUATION):
            self._in_fragments = not head & 0x80
        piece = self._buffer[start : start + total]
        self._foreign = total - len(piece)
        events += self._consult(piece)
        return len(piece)

    def _consult(self, data: bytes) -> list[Event]:
        """Return what wsproto makes of *data*."""
        events: list[Event] = []
        self._machine.receive_data(data)
        for event in self._machine.events():
            self._translate(event, events)
        return events

    def _translate(self, event: object, events: list[Event]) -> None:
        match event:
            case TextMessage():
                events.append(Text(event.data, event.message_finished))
            case BytesMessage():
                events.append(Binary(bytes(event.data), event.message_finished))
            case Ping():
                if self._machine.state is ConnectionState.OPEN:
                    self._outgoing.append(self._send(event.response()))
            case Pong():
                events.append(Ponged(bytes(event.payload)))
            case CloseConnection():
                self.closed = True
                if self._machine.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
                    self._outgoing.append(self._send(event.response()))
                events.append(Closed(event.code, event.reason or ""))
            case _:
                raise AssertionError(f"wsproto has a new event: {event!r}")


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
