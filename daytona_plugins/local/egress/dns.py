"""Messages of the domain name system (RFC 1035), as far as a name server for one sandbox needs them: bytes in, bytes out.

A question is for one name. The answer repeats it as it was asked, so that the case of its letters is that of the question,
which some resolvers check. Whoever says with EDNS (RFC 6891) that it can read more is told more, and why a name is refused
(RFC 8914).
"""

from __future__ import annotations

import re
import struct
from enum import IntEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

A: Final = 1
AAAA: Final = 28
SVCB: Final = 64
HTTPS: Final = 65
TTL: Final = 30
"""Seconds for which an answer may be kept."""
LONGEST: Final = 65535
"""Bytes of a message in a stream."""
SMALLEST_ROOM: Final = 512
LARGEST_ROOM: Final = 1232
"""Bytes of a datagram that are sent, however many can be read."""

_OPT: Final = 41
_INTERNET: Final = 1
_HEADER: Final = struct.Struct(">HHHHHH")
_IS_ANSWER, _RECURSION_WANTED, _RECURSION_DONE, _TRUNCATED = 0x8000, 0x0100, 0x0080, 0x0200
_OPERATION: Final = 0x7800
_LABEL: Final = re.compile(rb"[A-Za-z0-9_-]{1,63}")
_LONGEST_NAME: Final = 255
_POINTER: Final = 0xC0
_THE_QUESTION: Final = 0xC00C
"""A name that is written where the question is."""
_EXPLANATION: Final = 15
_BLOCKED: Final = 15


class Code(IntEnum):
    """How it went."""

    FOUND = 0
    MALFORMED = 1
    FAILED = 2
    NO_SUCH_NAME = 3
    NOT_IMPLEMENTED = 4


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to know."""

    number: int
    flags: int
    text: bytes
    """The question itself, as it was asked."""
    name: str
    """Of a host; empty when no host can have it."""
    kind: int
    room: int = SMALLEST_ROOM
    """Bytes of an answer that can be read."""
    extended: bool = False
    """Whether it was asked with EDNS."""

    @property
    def is_for_host(self) -> bool:
        """Whether an answer can be known from the addresses of a host."""
        return self.kind in (A, AAAA, SVCB, HTTPS)


class BadQuestionError(Exception):
    """This is no question that can be answered; `reply` says so to whoever asked, unless there is nobody to be told."""

    def __init__(self, reply: bytes | None = None) -> None:
        super().__init__("no question of the domain name system")
        self.reply = reply


def parse_question(data: bytes) -> Question:
    """Return the question in a message.

    Raises:
        BadQuestionError: There is none.
    """
    if len(data) < _HEADER.size:
        raise BadQuestionError
    number, flags, questions, *records = _HEADER.unpack_from(data)
    if flags & _IS_ANSWER:
        raise BadQuestionError
    if flags & _OPERATION:
        raise _bad(number, flags, Code.NOT_IMPLEMENTED)
    try:
        if questions != 1:
            raise ValueError(questions)
        return _read_question(data, number, flags, sum(records))
    except (ValueError, struct.error, IndexError) as error:
        raise _bad(number, flags, Code.MALFORMED) from error


def answer(
    question: Question, code: Code, addresses: Sequence[str] = (), *, why: str = "", room: int | None = None
) -> bytes:
    """Return the answer to a question.

    Args:
        addresses: What a question of the kind `A` is answered with.
        why: Why there is no such name, if there is one after all.
        room: The most bytes, if not what the question says.
    """
    found = [_record(address) for address in addresses] if question.kind == A else []
    more = _extension(why) if question.extended else b""
    size = _HEADER.size + len(question.text) + sum(map(len, found)) + len(more)
    truncated = size > (room or question.room)
    if truncated:
        found = []
    flags = _answer_flags(question.flags) | code | (_TRUNCATED if truncated else 0)
    header = _HEADER.pack(question.number, flags, 1, len(found), 0, 1 if more else 0)
    return b"".join([header, question.text, *found, more])


def _read_question(data: bytes, number: int, flags: int, records: int) -> Question:
    name, end = _read_name(data, _HEADER.size)
    kind, network = struct.unpack_from(">HH", data, end)
    end += 4
    if network != _INTERNET:
        raise ValueError(network)
    room = _read_room(data, end, records)
    return Question(
        number=number,
        flags=flags,
        text=data[_HEADER.size : end],
        name=name,
        kind=kind,
        room=max(SMALLEST_ROOM, min(room or 0, LARGEST_ROOM)),
        extended=room is not None,
    )


def _read_name(data: bytes, start: int) -> tuple[str, int]:
    """Return a name, and where it ends; nothing comes before it that it could refer to."""
    labels: list[bytes] = []
    place = start
    while length := data[place]:
        if length >= _POINTER or place - start >= _LONGEST_NAME:
            raise ValueError(length)
        labels.append(data[place + 1 : place + 1 + length])
        place += 1 + length
    is_host = bool(labels) and all(_LABEL.fullmatch(label) for label in labels)
    return b".".join(labels).decode("ascii") if is_host else "", place + 1


def _read_room(data: bytes, place: int, records: int) -> int | None:
    """Return how much can be read, None when it was not asked with EDNS."""
    found: int | None = None
    for _ in range(records):
        place = _skip_name(data, place)
        record = _Record(*struct.unpack_from(">HHIH", data, place))
        place += 10 + record.length
        if place > len(data):
            raise ValueError(place)
        if record.kind == _OPT:
            found = record.network
    return found


class _Record(NamedTuple):
    kind: int
    network: int
    """For EDNS it is how much can be read."""
    ttl: int
    length: int


def _skip_name(data: bytes, place: int) -> int:
    while length := data[place]:
        if length >= _POINTER:
            return place + 2
        place += 1 + length
    return place + 1


def _answer_flags(asked: int) -> int:
    return _IS_ANSWER | _RECURSION_DONE | asked & (_OPERATION | _RECURSION_WANTED)


def _bad(number: int, flags: int, code: Code) -> BadQuestionError:
    return BadQuestionError(_HEADER.pack(number, _answer_flags(flags) | code, 0, 0, 0, 0))


def _record(address: str) -> bytes:
    return struct.pack(">HHHIH", _THE_QUESTION, A, _INTERNET, TTL, 4) + IPv4Address(address).packed


def _extension(why: str) -> bytes:
    text = struct.pack(">H", _BLOCKED) + why.encode()
    option = struct.pack(">HH", _EXPLANATION, len(text)) + text if why else b""
    return struct.pack(">BHHIH", 0, _OPT, LARGEST_ROOM, 0, len(option)) + option
