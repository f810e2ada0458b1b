"""JSON-RPC 2.0 as language servers speak it: messages framed by their length, and answers matched to requests.

Theory of operation
===================

A message is a head and a JSON object. The head is like that of HTTP and says how long the object is:

    Content-Length: 38\\r\\n\\r\\n{"jsonrpc":"2.0","method":"shutdown"}

`Dialogue` is one side of a connection on which both sides ask. What is to be sent comes back as bytes: `request` numbers
a question, `notify` asks for no answer, `answer` replies to the other side. `receive(data)` takes whatever has arrived
and returns the events it completes. Each message is one of four, by the members it has:

    method  id      Asked       the other side wants an answer
    method  -       Told        it wants none
    -       id      Answer      to a question of ours; or, with `error`, a Refusal

Whatever else arrives is a `ProtocolError`: a length that is none, an object that is none, an answer nobody asked for.
The dialogue is over then, because nothing that follows can be trusted to begin where a message begins.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

__all__ = ["Answer", "Asked", "Dialogue", "Event", "Limits", "ProtocolError", "Refusal", "Told", "encode"]

METHOD_NOT_FOUND: Final = -32601

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"(?:^|\r\n)content-length:[ \t]*(\d{1,12})[ \t]*(?=\r\n|$)", re.IGNORECASE)
_NULL: Final = msgspec.Raw(b"null")

Id = int | str


class ProtocolError(Exception):
    """What has arrived is not JSON-RPC, or does not fit what was asked."""


class Limits(NamedTuple):
    """How much of a message is taken before it is refused."""

    head: int = 4 * 1024
    body: int = 64 * 1024 * 1024


class Answer(NamedTuple):
    """The result of our question *id*, still as JSON."""

    id: int
    result: msgspec.Raw


class Refusal(NamedTuple):
    """Our question *id* has no result."""

    id: int
    code: int
    message: str


class Asked(NamedTuple):
    """A question of the other side; `Dialogue.answer` replies to it."""

    id: Id
    method: str
    params: msgspec.Raw


class Told(NamedTuple):
    """Something the other side says without expecting an answer."""

    method: str
    params: msgspec.Raw


Event = Answer | Refusal | Asked | Told


class _Error(msgspec.Struct):
    code: int
    message: str = ""


class _Message(msgspec.Struct):
    id: Id | None = None
    method: str | None = None
    params: msgspec.Raw = _NULL
    result: msgspec.Raw = _NULL
    error: _Error | None = None


_decode: Final = msgspec.json.Decoder(_Message).decode


class Dialogue:
    """One side of a connection: bytes in, events out, and the questions that wait for an answer."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._received = bytearray()
        self._length: int | None = None
        self._asked = 0
        self._open: set[int] = set()
        self._broken = False

    @property
    def waiting(self) -> frozenset[int]:
        """The numbers of our questions without an answer."""
        return frozenset(self._open)

    def request(self, method: str, params: object = None) -> tuple[int, bytes]:
        """Return the number of a new question, and what to send."""
        self._asked += 1
        self._open.add(self._asked)
        return self._asked, encode({"id": self._asked, "method": method, "params": params})

    def notify(self, method: str, params: object = None) -> bytes:
        """Return what to send to tell the other side something."""
        return encode({"method": method, "params": params})

    def answer(self, question: Asked, result: object) -> bytes:
        """Return what to send as the result of the other side's *question*."""
        return encode({"id": question.id, "result": result})

    def receive(self, data: bytes) -> list[Event]:
        """Return the events that *data* completes.

        Raises:
            ProtocolError: It is no JSON-RPC; the dialogue is over.
        """
        if self._broken:
            raise ProtocolError("the dialogue is over")
        self._received += data
        events: list[Event] = []
        try:
            while (body := self._next_body()) is not None:
                events.append(self._read(body))
        except ProtocolError:
            self._broken = True
            raise
        return events

    def _next_body(self) -> bytes | None:
        """Take the next whole message off what has arrived."""
        if self._length is None:
            self._length = self._take_head()
        if self._length is None or len(self._received) < self._length:
            return None
        body = bytes(self._received[: self._length])
        del self._received[: self._length]
        self._length = None
        return body

    def _take_head(self) -> int | None:
        end = self._received.find(_HEAD_END, 0, self._limits.head)
        if end < 0:
            if len(self._received) >= self._limits.head:
                raise ProtocolError("the head of a message is too long")
            return None
        lengths = _LENGTH.findall(self._received[:end])
        if len(lengths) != 1:
            raise ProtocolError(f"the head of a message says no length: {bytes(self._received[:end])!r}")
        if int(lengths[0]) > self._limits.body:
            raise ProtocolError(f"a message of {int(lengths[0])} bytes is too long")
        del self._received[: end + len(_HEAD_END)]
        return int(lengths[0])

    def _read(self, body: bytes) -> Event:
        try:
            message = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProtocolError(f"a message is no JSON-RPC: {error}") from error
        if message.method is None:
            return self._read_answer(message)
        if message.id is None:
            return Told(message.method, message.params)
        return Asked(message.id, message.method, message.params)

    def _read_answer(self, message: _Message) -> Answer | Refusal:
        number = message.id
        if not isinstance(number, int) or number not in self._open:
            said = f": {message.error.message}" if message.error else ""
            raise ProtocolError(f"an answer to {number!r}, which was not asked{said}")
        self._open.discard(number)
        if message.error is not None:
            return Refusal(number, message.error.code, message.error.message)
        return Answer(number, message.result)


def encode(message: dict[str, object]) -> bytes:
    """Return *message* with its head; a parameter that is None is left out, a result is not."""
    members = {name: value for name, value in message.items() if name != "params" or value is not None}
    body = msgspec.json.encode({"jsonrpc": "2.0", **members})
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
