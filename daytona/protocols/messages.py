"""What a WebSocket carries, as values.

Apart from the machine that reads them, whose foundation takes longer to import than the rest of a blocking program.
"""

from __future__ import annotations

import msgspec

__all__ = ["Binary", "Closed", "Event", "Lost", "Ponged", "Text"]


class Text(msgspec.Struct, frozen=True, gc=False):
    """A text message, or a piece of one."""

    data: str
    last: bool


class Binary(msgspec.Struct, frozen=True, gc=False):
    """A binary message, or a piece of one."""

    data: bytes
    last: bool


class Ponged(msgspec.Struct, frozen=True, gc=False):
    """The peer answered a ping."""

    payload: bytes


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The peer closed, or broke the rules and was closed; 1005 stands for no code."""

    code: int
    reason: str


class Lost(msgspec.Struct, frozen=True, gc=False):
    """The connection ended without a closing handshake."""


Event = Text | Binary | Ponged | Closed | Lost
