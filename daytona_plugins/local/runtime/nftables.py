"""What becomes of packets, in the words of nf_tables: tables, chains and rules as messages for `netlink`.

A rule is a row of expressions. Each either loads something into the one register that is used here, or goes on only if the
register has a value, or decides. Linux 5.11, the oldest that sandboxes work on, knows all of them.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final, Literal

from daytona_plugins.local.runtime.netlink import APPEND, CREATE, Message, attribute, nested

if TYPE_CHECKING:
    from collections.abc import Sequence

TCP: Final = socket.IPPROTO_TCP
UDP: Final = socket.IPPROTO_UDP

_SUBSYSTEM: Final = 10 << 8
_BEGIN, _END = 0x10, 0x11
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = _SUBSYSTEM | 0, _SUBSYSTEM | 3, _SUBSYSTEM | 6
_DELETE_RULE = _SUBSYSTEM | 8
_NEW_SET, _NEW_ELEMENT, _DELETE_ELEMENT = _SUBSYSTEM | 9, _SUBSYSTEM | 12, _SUBSYSTEM | 14
_LOCAL_OUT: Final = 3
_DROP, _ACCEPT = 0, 1
_VERDICT, _REGISTER = 0, 1
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_DESTINATION: Final = 16
"""Where the address is that an IPv4 packet goes to, in its header."""
_DESTINATION_PORT: Final = 2
_PROTOCOL_OF_PACKET: Final = 16
_EQUAL: Final = 0
_TYPE_OF_ADDRESS: Final = 7
"""What `nft` would take the elements of a set for, which nobody else looks at."""
_RESET: Final = 1


def batch(*messages: Message) -> list[Message]:
    """Return messages of which the kernel does all or nothing."""
    framing = struct.pack(">BBH", socket.AF_UNSPEC, 0, _SUBSYSTEM >> 8)
    return [
        Message(_BEGIN, framing, confirmed=False),
        *messages,
        Message(_END, framing, confirmed=False),
    ]


def table(name: str) -> Message:
    """Return what makes a table for IPv4."""
    return Message(_NEW_TABLE, _family() + attribute(1, _text(name)), CREATE)


def chain(table: str, name: str, kind: Literal["nat", "filter"], priority: int, *, drops: bool) -> Message:
    """Return what makes a chain of rules, which every packet of this network goes through on its way out.

    Args:
        priority: The chain with the lowest comes first.
        drops: What becomes of a packet for which no rule decides.
    """
    body = (
        attribute(1, _text(table))
        + attribute(3, _text(name))
        + nested(4, attribute(1, _number(_LOCAL_OUT)), attribute(2, struct.pack(">i", priority)))
        + attribute(5, _number(_DROP if drops else _ACCEPT))
        + attribute(7, _text(kind))
    )
    return Message(_NEW_CHAIN, _family() + body, CREATE)


def rule(table: str, chain: str, *expressions: bytes) -> Message:
    """Return what adds a rule at the end of a chain."""
    body = attribute(1, _text(table)) + attribute(2, _text(chain)) + nested(4, *expressions)
    return Message(_NEW_RULE, _family() + body, CREATE | APPEND)


def no_rules(table: str, chain: str) -> Message:
    """Return what removes all rules of a chain."""
    return Message(_DELETE_RULE, _family() + attribute(1, _text(table)) + attribute(2, _text(chain)))


def addresses(table: str, name: str) -> Message:
    """Return what makes a set of IPv4 addresses."""
    body = (
        attribute(1, _text(table))
        + attribute(2, _text(name))
        + attribute(4, _number(_TYPE_OF_ADDRESS))
        + attribute(5, _number(4))
        + attribute(10, _number(1))
    )
    return Message(_NEW_SET, _family() + body, CREATE)


def no_addresses(table: str, name: str) -> Message:
    """Return what empties a set."""
    return Message(_DELETE_ELEMENT, _family() + attribute(1, _text(table)) + attribute(2, _text(name)))


def more_addresses(table: str, name: str, more: Sequence[bytes]) -> Message:
    """Return what adds to a set; what is in it already may be among them."""
    elements = [nested(1, nested(1, attribute(1, address))) for address in more]
    body = attribute(1, _text(table)) + attribute(2, _text(name)) + nested(3, *elements)
    return Message(_NEW_ELEMENT, _family() + body, CREATE)


def goes_between(first: bytes, last: bytes) -> bytes:
    """Go on with packets to IPv4 addresses from *first* to *last*."""
    between = _expression(
        "range",
        attribute(1, _number(_REGISTER)),
        attribute(2, _number(_EQUAL)),
        nested(3, attribute(1, first)),
        nested(4, attribute(1, last)),
    )
    return _load(_NETWORK_HEADER, _DESTINATION, 4) + between


def goes_to_one_of(name: str) -> bytes:
    """Go on with packets to the addresses of a set."""
    found = _expression("lookup", attribute(1, _text(name)), attribute(2, _number(_REGISTER)))
    return _load(_NETWORK_HEADER, _DESTINATION, 4) + found


def goes_to(address: bytes) -> bytes:
    """Go on with packets to an IPv4 address, or to all that begin with the bytes that are given."""
    return _load(_NETWORK_HEADER, _DESTINATION, len(address)) + _equals(address)


def uses(protocol: int) -> bytes:
    """Go on with packets of `TCP` or `UDP`."""
    loaded = _expression("meta", attribute(1, _number(_REGISTER)), attribute(2, _number(_PROTOCOL_OF_PACKET)))
    return loaded + _equals(bytes([protocol]))


def goes_to_port(port: int) -> bytes:
    """Go on with packets to a port."""
    return _load(_TRANSPORT_HEADER, _DESTINATION_PORT, 2) + _equals(struct.pack(">H", port))


def accept() -> bytes:
    """Let the packet pass this chain."""
    verdict = nested(2, nested(2, attribute(1, _number(_ACCEPT))))
    return _expression("immediate", attribute(1, _number(_VERDICT)), verdict)


def reset() -> bytes:
    """Refuse the connection, so that whoever opens it learns that at once."""
    return _expression("reject", attribute(1, _number(_RESET)), attribute(2, b"\0"))


def redirect(port: int) -> bytes:
    """Send the packet, and those that follow it and answer it, by way of a port of 127.0.0.1."""
    value = nested(2, attribute(1, struct.pack(">H", port)))
    loaded = _expression("immediate", attribute(1, _number(_REGISTER)), value)
    return loaded + _expression("redir", attribute(1, _number(_REGISTER)))


def _load(header: int, offset: int, length: int) -> bytes:
    numbers = enumerate((_REGISTER, header, offset, length), start=1)
    return _expression("payload", *(attribute(kind, _number(value)) for kind, value in numbers))


def _equals(value: bytes) -> bytes:
    return _expression(
        "cmp",
        attribute(1, _number(_REGISTER)),
        attribute(2, _number(_EQUAL)),
        nested(3, attribute(1, value)),
    )


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, attribute(1, _text(name)), nested(2, *attributes))


def _family() -> bytes:
    return struct.pack(">BBH", socket.AF_INET, 0, 0)


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _number(value: int) -> bytes:
    return struct.pack(">I", value)
