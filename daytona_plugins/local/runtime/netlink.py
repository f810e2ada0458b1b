"""Netlink, the language in which the kernel is told about networks: messages as bytes, and one function that sends them."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_PATIENCE: Final = 5.0


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


def transact(protocol: int, messages: Sequence[Message]) -> None:
    """Return when the kernel has done what the messages say in the network of this process.

    Raises:
        OSError: It refused one of them.
    """
    family = socket.AF_NETLINK
    with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as kernel:
        kernel.settimeout(_PATIENCE)
        kernel.sendto(encode(messages), (0, 0))
        for _ in range(sum(message.confirmed for message in messages)):
            _raise_refusal(kernel.recv(65536))


def _encode(number: int, message: Message) -> bytes:
    flags = message.flags | _REQUEST | (_CONFIRM if message.confirmed else 0)
    return _HEADER.pack(_HEADER.size + len(message.body), message.kind, flags, number, 0) + _filled(
        message.body
    )


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _raise_refusal(answer: bytes) -> None:
    _length, kind, _flags, _number, _port = _HEADER.unpack_from(answer)
    (number,) = struct.unpack_from("=i", answer, _HEADER.size)
    if kind == _REFUSAL and number:
        raise OSError(-number, os.strerror(-number))
