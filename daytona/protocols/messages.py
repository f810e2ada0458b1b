"""What a WebSocket carries, as values.

Apart from the machine that reads them, whose foundation takes longer to import than the rest of a blocking program.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Binary", "Closed", "Event", "Lost", "Ponged", "Text"]


class Text(NamedTuple):
    """A text message, or a piece of one."""

    data: str
    last: bool


class Binary(NamedTuple):
    """A binary message, or a piece of one."""

    data: bytes
    last: bool


class Ponged(NamedTuple):
    """The peer answered a ping."""

    payload: bytes


class Closed(NamedTuple):
    """The peer closed, or broke the rules and was closed; 1005 stands for no code."""

    code: int
    reason: str


class Lost(NamedTuple):
    """The connection ended without a closing handshake."""


Event = Text | Binary | Ponged | Closed | Lost
