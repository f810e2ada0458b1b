"""Connections to the programs of a sandbox, whose answers are taken as browsers and curl take them.

The shortest web servers there are end their lines as their shell does, and some fold theirs. Between the agent and the
platform everything is exact again, because the answer is written anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from daytona.protocols.http1 import ResponseReader
from daytona_plugins.local.forwarding import Connection

if TYPE_CHECKING:
    from daytona.protocols.http1 import Event

HEAD_LIMIT: Final = 64 * 1024

_FOLD = re.compile(rb"\r?\n[ \t]+")
_LINE_END = re.compile(rb"\r?\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")


class ForgivingReader(ResponseReader):
    """Reads a response whose head may have bare line feeds and folded lines."""

    __slots__ = ("_raw",)

    def __init__(self, method: str, *, upgrade: bool) -> None:
        super().__init__(method, upgrade=upgrade)
        self._raw = b""

    def receive(self, data: bytes) -> list[Event]:
        """Return the events that *data* completes.

        Raises:
            ProtocolError: This is not a response even so, or it ended too early.
        """
        if self._state != "head":
            return super().receive(data)
        raw = self._raw + data
        end = _BLANK_LINE.search(raw)
        if end is None and data and len(raw) <= HEAD_LIMIT:
            self._raw = raw
            return []
        self._raw = b""
        events = super().receive(_exact(raw, end.end() if end else len(raw))) if raw else []
        return events if data else [*events, *super().receive(b"")]


def _exact(raw: bytes, end: int) -> bytes:
    """Return *raw* with its head, which is as long as *end*, as HTTP/1.1 wants it."""
    return _LINE_END.sub(b"\r\n", _FOLD.sub(b" ", raw[:end])) + raw[end:]


class ProgramConnection(Connection):
    """One connection to a program."""

    def new_reader(self, method: str, *, upgrade: bool) -> ResponseReader:
        """Return what reads the answer to a request."""
        return ForgivingReader(method, upgrade=upgrade)
