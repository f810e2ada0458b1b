"""The server's half of HTTP/1.1: bytes to requests, responses to bytes.

A request comes through one `RequestReader`, fed with whatever the socket gave. It answers with the pieces of the body that
are complete, and `head` is there as soon as it has been read. What a client sends ahead, before it has the answer, is in
`rest`, and is what the next reader is fed first.

The reader takes the strict half of what the network sends, like that of responses in `http1`, because a request that two
servers cut in different places is how a third one is smuggled in. Beside what is refused there: a head without exactly one
`Host` (HTTP/1.0 may do without), a length that is told twice, even if it is the same, a transfer coding in HTTP/1.0, and
`CONNECT`, after which nobody could say where a message ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from .http1 import (
    LAST_CHUNK,
    LENGTH,
    Event,
    Fields,
    Limits,
    MessageReader,
    ProtocolError,
    encode_chunk,
    encode_fields,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CONTINUE",
    "BodyEncoder",
    "RequestError",
    "RequestHead",
    "RequestReader",
    "encode_response_head",
    "has_body",
]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\.([01])\r\n")
_WITHOUT_BODY = frozenset({204, 304})
_BEGINNING = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]")


class RequestError(ProtocolError):
    """What arrived is no request that can be answered but with *status*."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RequestHead(NamedTuple):
    """All of a request but its body."""

    method: str
    target: str
    fields: Fields
    modern: bool
    """Whether it is HTTP/1.1; HTTP/1.0 has neither chunks nor a `100 Continue`, nor a second request."""
    keep_alive: bool
    """Whether the client wants another answer on this connection."""


class RequestReader(MessageReader):
    """Reads one request."""

    __slots__ = ("head",)

    _WHAT = "request"

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - a tuple of numbers
        super().__init__(limits)
        self.head: RequestHead | None = None

    def _read_head(self) -> list[Event] | None:
        try:
            head = self._take_through(b"\r\n\r\n", self._limits.head, "the head of the request")
        except ProtocolError as error:
            raise RequestError(str(error), 431) from error
        if head is None:
            self._refuse_early()
            return None
        line = _REQUEST_LINE.match(head)
        if line is None:
            raise RequestError(f"{head[:60]!r} does not begin with a line of an HTTP/1.1 request")
        method, target, minor = line.groups()
        self._begin_body(method.decode("ascii"), target.decode("ascii"), minor == b"1", head[line.end() : -2])
        return []

    def _refuse_early(self) -> None:
        """Do not wait for the rest of something that is no HTTP at all, as of a client that wants TLS."""
        if not _BEGINNING.match(self._buffer):
            raise RequestError("this is no HTTP")

    def _begin_body(self, method: str, target: str, modern: bool, block: bytes) -> None:
        fields = self._read_fields(block)
        length, chunked, keep_alive = _framing(fields, modern)
        if method == "CONNECT":
            raise RequestError("this is no proxy: CONNECT leads nowhere", 501)
        self.head = RequestHead(method, target, fields, modern, keep_alive)
        self._keep_alive = keep_alive
        self._left = length
        self._state = "chunk size" if chunked else "length" if length else "done"


def _framing(fields: Fields, modern: bool) -> tuple[int, bool, bool]:
    """Return the length of the body, whether it is chunked instead, and whether the connection stays."""
    hosts, keep_alive = 0, modern
    length: bytes | None = None
    coding: bytes | None = None
    for name, value in fields:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            if length is not None or not LENGTH.fullmatch(value):
                raise RequestError("the length of the request is malformed or told twice")
            length = value
        elif name == b"transfer-encoding":
            if coding is not None or value.lower() != b"chunked":
                raise RequestError(f"the transfer coding {value[:40]!r} is not supported", 501)
            coding = value
        elif name == b"connection":
            options = {option.strip() for option in value.lower().split(b",")}
            keep_alive = keep_alive and b"close" not in options
    if hosts != 1 and (modern or hosts):
        raise RequestError("a request names one host")
    if coding is not None and (length is not None or not modern):
        raise RequestError("it is ambiguous how long the request is")
    return int(length or 0), coding is not None, keep_alive


def encode_response_head(status: int, reason: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Return the head of a response.

    Raises:
        ProtocolError: A name or a value could smuggle another line.
    """
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason.encode("ascii"), encode_fields(fields))


def has_body(request: RequestHead, status: int) -> bool:
    """Return whether a body follows the head of a response."""
    return request.method != "HEAD" and status not in _WITHOUT_BODY


class BodyEncoder:
    """Frames the body of a response: by its length where the head tells it, else in chunks, else by the connection's end."""

    def __init__(self, request: RequestHead, status: int, fields: Iterable[tuple[str, str]]) -> None:
        told = [value for name, value in fields if name.lower() == "content-length"]
        self._left = int(told[0]) if told else None
        self._sent = has_body(request, status)
        self._chunked = request.modern and not told and status not in _WITHOUT_BODY

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the head has to say beside what it says already."""
        return [("Transfer-Encoding", "chunked")] if self._chunked else []

    def encode(self, data: bytes) -> bytes:
        """Return what to send for a piece of the body.

        Raises:
            ProtocolError: The body is longer than the head says.
        """
        if not self._sent or not data:
            return b""
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise ProtocolError("the body of the response is longer than its head says")
        return encode_chunk(data) if self._chunked else data

    def end(self) -> bytes:
        """Return what to send last.

        Raises:
            ProtocolError: The body is shorter than the head says.
        """
        if self._sent and self._left:
            raise ProtocolError("the body of the response is shorter than its head says")
        return LAST_CHUNK if self._sent and self._chunked else b""
