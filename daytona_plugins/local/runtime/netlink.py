"""Netlink, the language in which the kernel is told about networks: messages as bytes, and one function that sends them."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUTE: Final = 0
"""The protocol for addresses and routes."""
NETFILTER: Final = 12
"""The protocol for what becomes of packets."""
CREATE: Final = 0x400
"""Flag of a message: what it describes is to be made."""
APPEND: Final = 0x800
"""Flag of a message: it comes after what there is."""

_REQUEST: Final = 0x1
_CONFIRM: Final = 0x4
_NESTED: Final = 0x8000
_REFUSAL: Final = 2
_HEADER: Final = struct.Struct("=IHHII")


class Message(NamedTuple):
    """What the kernel is asked to do."""

    kind: int
    body: bytes
    flags: int = 0
    confirmed: bool = True
    """Whether the kernel is to say that it was done."""


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute of a message, filled up to where the next one may begin."""
    return _filled(struct.pack("=HH", 4 + len(value), kind) + value)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that consists of attributes."""
    return attribute(kind | _NESTED, b"".join(attributes))


def encode(messages: Sequence[Message]) -> bytes:
    """Return the messages as they are sent; their numbers are their places."""
    return b"".join(_encode(number, message) for number, message in enumerate(messages))


def connect(protocol: int) -> socket.socket:
    """Return a socket for messages about the network that this process is in, also when it is used from outside of it."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)


def transact(kernel: socket.socket, messages: Sequence[Message]) -> None:
    """Return when the kernel has done what the messages say.

    Raises:
        OSError: It refused one of them.
    """
    kernel.sendto(encode(messages), (0, 0))
    refusals = [number for answer in _answers(kernel) if (number := _refusal(answer))]
    if refusals:
        raise OSError(refusals[0], os.strerror(refusals[0]))


def _encode(number: int, message: Message) -> bytes:
    flags = message.flags | _REQUEST | (_CONFIRM if message.confirmed else 0)
    return _HEADER.pack(_HEADER.size + len(message.body), message.kind, flags, number, 0) + _filled(
        message.body
    )


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _answers(kernel: socket.socket) -> Iterator[bytes]:
    """Yield all answers, which are there already: the kernel does what it is told while it takes the message."""
    with contextlib.suppress(BlockingIOError):
        while True:
            yield kernel.recv(65536, socket.MSG_DONTWAIT)


def _refusal(answer: bytes) -> int:
    """Return the number of an error; 0 when it is a confirmation."""
    _length, kind, _flags, _number, _port = _HEADER.unpack_from(answer)
    (number,) = struct.unpack_from("=i", answer, _HEADER.size)
    return -number if kind == _REFUSAL else 0
