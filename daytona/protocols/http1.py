"""The client's half of HTTP/1.1: requests to bytes, bytes to responses. `http1_server` is the other half.

Theory of operation
===================

A request leaves in one piece or in several: `encode_head` gives the bytes of its head, and the body follows as it is
(a known length) or through `encode_chunk` and `LAST_CHUNK` (an unknown one).

A response comes back through one `ResponseReader`, made for the request it answers, because the method decides whether
a body follows. `receive(data)` takes whatever the socket gave and returns the events it completes; `receive(b"")` means
that the peer closed. The reader moves through these states and never back:

    HEAD ──► LENGTH ──────────────► DONE        a body of known length, or none
     ▲ │ ──► CHUNK_SIZE ⇄ CHUNK ──► DONE        chunked, trailers dropped
     │ │ ──► UNTIL_CLOSE ─────────► DONE        the end of the connection ends the body
     └─┘                                        1xx: an `Informational`, then the head again
       └───► UPGRADED                           101, or a 2xx to CONNECT: what follows is not HTTP

Whatever else arrives is a `ProtocolError`, and the connection must be closed: the reader is stricter than the network
is kind, because a peer that frames a message in two ways lets a third party choose which one we believe. Refused are
bare line feeds, folded and nameless headers, control characters, differing or malformed lengths, a length beside a
transfer coding, transfer codings other than `chunked`, and anything past `Limits`.

Nearly every answer of an API arrives in one piece. `read_whole` takes such a piece for a fraction of what the reader takes,
and leaves everything else to it, errors included: where it answers, the reader would have given the same.

After `End`, `reusable` says whether the connection may serve another request, and `rest` holds what came after the
message: nothing on a healthy connection, the first bytes of the other protocol after an upgrade.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "LAST_CHUNK",
    "Block",
    "Data",
    "End",
    "Event",
    "Fields",
    "Head",
    "Informational",
    "Limits",
    "ProtocolError",
    "ResponseReader",
    "encode_chunk",
    "encode_fields",
    "encode_head",
    "read_fields",
    "read_whole",
]

Fields: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields in the order of the wire: names in lower case, values without surrounding blanks."""

Block: TypeAlias = bytes
"""Header fields as they came, known to be well-formed; `read_fields` makes `Fields` of them."""


class ProtocolError(Exception):
    """What was to be sent or what was received is not HTTP/1.1."""


class Limits(NamedTuple):
    """How much of a response is taken before it is refused."""

    head: int = 64 * 1024
    fields: int = 256
    chunk_line: int = 4 * 1024


class Head(NamedTuple):
    """The final head of a response."""

    status: int
    reason: str
    fields: Fields


class Informational(NamedTuple):
    """A 1xx head: the final one is still to come."""

    status: int
    fields: Fields


class Data(NamedTuple):
    """A piece of the body."""

    data: bytes


class End(NamedTuple):
    """The message is complete."""


Event = Head | Informational | Data | End


# -- Requests ---------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_BAD_IN_VALUE = frozenset(chr(code) for code in (*range(0x20), 0x7F)) - {"\t"}

BLANKS = " \t"  # str.strip would take a no-break space too, which is content
_BLANKS = BLANKS.encode()
LAST_CHUNK = b"0\r\n\r\n"


def encode_head(method: str, target: str, *blocks: bytes) -> bytes:
    """Return the head of a request; each block holds fields as `encode_fields` made them.

    Raises:
        ProtocolError: The method or the target would not stay on its line.
    """
    if method not in _METHODS and not _TOKEN.fullmatch(method):
        raise ProtocolError(f"{method!r} is not an HTTP method")
    if not target or " " in target or not (target.isascii() and target.isprintable()):
        raise ProtocolError(
            f"{target[:80]!r} is not a request target: it holds blanks, controls or non-ASCII"
        )
    return b"".join((f"{method} {target} HTTP/1.1\r\n".encode("ascii"), *blocks, b"\r\n"))


def encode_fields(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return header fields as lines.

    Raises:
        ProtocolError: A name or a value could smuggle another line.
    """
    lines: list[str] = []
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise ProtocolError(f"{name!r} is not a header name")
        if not _BAD_IN_VALUE.isdisjoint(value):
            raise ProtocolError(f"the value of header {name!r} holds a control character")
        lines.append(f"{name}: {value.strip(BLANKS)}\r\n")
    try:
        return "".join(lines).encode("latin-1")
    except UnicodeEncodeError as error:
        raise ProtocolError("a header value holds a character outside Latin-1") from error


def encode_chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; *data* must not be empty, because that would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


# -- Messages ---------------------------------------------------------------------------------------------------------

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*))?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):([\t -~\x80-\xff]*+)\r\n")
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+\r\n)*+")
_USUAL_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-9][0-9][0-9])(?: [\t -~\x80-\xff]*+)?\r\n(" + _FIELDS.pattern + rb")\r\n"
)
_FRAMING_FIELD = re.compile(rb"\n(content-length|transfer-encoding|connection):[ \t]*+([^\r]*)")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*)?[ \t]*\r\n")
LENGTH = re.compile(rb"[0-9]{1,18}")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

_END = End()
_LIMITS = Limits()


_State = Literal[
    "head",
    "length",
    "chunk size",
    "chunk",
    "chunk end",
    "trailers",
    "until close",
    "upgraded",
    "done",
    "failed",
]


def read_whole(method: str, data: bytes) -> tuple[int, Block, bytes] | None:
    """Return the status, fields and body of the answer that *data* is, after which the connection is free again.

    None unless it is one complete answer in HTTP/1.1 with a length and nothing out of the ordinary.
    """
    match = _USUAL_HEAD.match(data)
    if match is None or method in ("HEAD", "CONNECT"):
        return None
    status, block = match.groups()
    length, end = _usual_length(block), match.end()
    if len(data) - end != length or end > _LIMITS.head or block.count(b"\n") > _LIMITS.fields:
        return None
    return None if status in (b"204", b"304") else (int(status), block, data[end:])


def _usual_length(block: Block) -> int | None:
    """Return what the only length says, if no other field has a say in how the message ends."""
    framing = _FRAMING_FIELD.findall(b"\n" + block.lower())
    if len(framing) > 1:
        framing = [field for field in framing if field != (b"connection", b"keep-alive")]
    if len(framing) != 1 or framing[0][0] != b"content-length":
        return None
    digits = framing[0][1]
    return int(digits) if digits.isdigit() and len(digits) <= 18 else None


def read_fields(block: Block) -> Fields:
    """Return the fields of a block."""
    return [(name.lower(), value.strip(_BLANKS)) for name, value in _FIELD.findall(block)]


class MessageReader:
    """Reads one message; a kind of messages adds how its head is read."""

    __slots__ = ("_buffer", "_keep_alive", "_left", "_limits", "_searched", "_state", "begun")

    _WHAT: ClassVar[str]

    def __init__(self, limits: Limits = _LIMITS) -> None:
        self._limits = limits
        self._state: _State = "head"
        # Taking from the front of a bytearray moves its start, not its content: small pieces stay cheap.
        self._buffer = bytearray()
        self._searched = 0
        self._left = 0
        self._keep_alive = False
        self.begun = False
        """Whether any byte of the message has arrived: from then on a request is not sent again."""

    @property
    def complete(self) -> bool:
        """Whether all of it has arrived."""
        return self._state == "done"

    @property
    def reusable(self) -> bool:
        """Whether the message ended so that the connection may carry another one."""
        return self._state == "done" and self._keep_alive and not self._buffer

    @property
    def rest(self) -> bytes:
        """What arrived after the message."""
        return bytes(self._buffer) if self._state in ("done", "upgraded") else b""

    def receive(self, data: bytes) -> list[Event]:
        """Return the events that *data* completes; `b""` says that the peer closed the connection.

        Raises:
            ProtocolError: This is no such message, or it ended too early.
        """
        if not data:
            return self._receive_close()
        self.begun = True
        events: list[Event] = []
        if not self._buffer:
            data = self._pass_on(data, events)
        self._buffer += data
        try:
            while (step := self._STEPS[self._state](self)) is not None:
                events.extend(step)
        except ProtocolError:
            self._state = "failed"
            raise
        return events

    def _pass_on(self, data: bytes, events: list[Event]) -> bytes:
        """Take the pieces of the body that begin *data*, copied once at most; return the rest, for the steps.

        By the steps a long body was copied five times, which took longer than receiving it.
        """
        view, pieces = memoryview(data), list[memoryview]()
        position, size = 0, len(data)
        while position < size:
            if self._state in ("length", "chunk"):
                piece = view[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "chunk end" if self._state == "chunk" else "done"
            elif self._state == "chunk end" and data.startswith(b"\r\n", position):
                self._state, position = "chunk size", position + 2
            elif self._state == "chunk size" and (
                line := _CHUNK_LINE.match(data, position, position + self._limits.chunk_line)
            ):
                self._left, position = int(line[1], 16), line.end()
                self._state = "chunk" if self._left else "trailers"
            else:
                break
        if pieces:
            events.append(Data(data if len(pieces[0]) == size else b"".join(pieces)))
            if self._state == "done":
                events.append(_END)
        return data[position:]

    def _receive_close(self) -> list[Event]:
        if self._state == "until close":
            self._state = "done"
            return [_END]
        if self._state in ("done", "upgraded"):
            return []
        before, self._state = self._state, "failed"
        where = f"before the {self._WHAT} began" if not self.begun else f"inside the {self._WHAT} ({before})"
        raise ProtocolError(f"the connection was closed {where}")

    # Each step takes what it can from the buffer and returns its events, or None when it needs more bytes.

    def _read_head(self) -> list[Event] | None:
        raise NotImplementedError

    def _read_fields(self, block: bytes) -> Fields:
        if not _FIELDS.fullmatch(block):
            wrong = next(line for line in block.split(b"\r\n") if not _FIELD.fullmatch(line + b"\r\n"))
            raise ProtocolError(f"{wrong[:60]!r} is not a header field")
        fields = read_fields(block)
        if len(fields) > self._limits.fields:
            raise ProtocolError(f"the {self._WHAT} has more than {self._limits.fields} header fields")
        return fields

    def _read_length(self) -> list[Event] | None:
        data = self._take(self._left)
        if data is None:
            return None
        if self._left:
            return [data]
        self._state = "done"
        return [data, _END]

    def _read_chunk_size(self) -> list[Event] | None:
        line = self._take_through(b"\r\n", self._limits.chunk_line, "a chunk's line")
        if line is None:
            return None
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError(f"{line[:60]!r} is not the size of a chunk")
        self._left = int(match[1], 16)
        self._state = "chunk" if self._left else "trailers"
        return []

    def _read_chunk(self) -> list[Event] | None:
        data = self._take(self._left)
        if data is None:
            return None
        if not self._left:
            self._state = "chunk end"
        return [data]

    def _read_chunk_end(self) -> list[Event] | None:
        if len(self._buffer) < 2:
            return None
        if not self._buffer.startswith(b"\r\n"):
            raise ProtocolError("a chunk is longer than its size says")
        del self._buffer[:2]
        self._state = "chunk size"
        return []

    def _read_trailers(self) -> list[Event] | None:
        if self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
        else:
            block = self._take_through(b"\r\n\r\n", self._limits.head, "the block of trailers")
            if block is None:
                return None
            self._check_trailers(block[:-2])
        self._state = "done"
        return [_END]

    def _check_trailers(self, block: bytes) -> None:
        if any(name in _FRAMING for name, _ in self._read_fields(block)):
            raise ProtocolError("a trailer says how the message is framed")

    def _read_until_close(self) -> list[Event] | None:
        data = self._take(len(self._buffer))
        return None if data is None else [data]

    def _rest(self) -> None:
        return None

    def _failed(self) -> list[Event] | None:
        raise ProtocolError(f"the {self._WHAT} was refused before")

    def _take(self, most: int) -> Data | None:
        """Return at least one byte and at most so many, or None when there is none."""
        if not self._buffer:
            return None
        data = bytes(self._buffer[:most]) if len(self._buffer) > most else bytes(self._buffer)
        del self._buffer[: len(data)]
        self._left -= len(data)
        return Data(data)

    def _take_through(self, mark: bytes, limit: int, what: str) -> bytes | None:
        """Return everything through *mark*, or None while it has not arrived; what was searched is not searched again."""
        end = self._buffer.find(mark, self._searched)
        if (end if end >= 0 else len(self._buffer)) > limit:
            raise ProtocolError(f"{what} is larger than {limit} bytes")
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(mark) + 1)
            return None
        taken = bytes(self._buffer[: end + len(mark)])
        del self._buffer[: len(taken)]
        self._searched = 0
        return taken

    _STEPS: ClassVar[dict[_State, Callable[[MessageReader], list[Event] | None]]] = {
        "head": lambda reader: reader._read_head(),
        "length": _read_length,
        "chunk size": _read_chunk_size,
        "chunk": _read_chunk,
        "chunk end": _read_chunk_end,
        "trailers": _read_trailers,
        "until close": _read_until_close,
        "upgraded": _rest,
        "done": _rest,
        "failed": _failed,
    }


class ResponseReader(MessageReader):
    """Reads one response to one request with *method*."""

    __slots__ = ("_method", "_upgrade")

    _WHAT = "response"

    def __init__(
        self,
        method: str,
        limits: Limits = _LIMITS,
        *,
        upgrade: bool = False,
    ) -> None:
        super().__init__(limits)
        self._method = method
        self._upgrade = upgrade

    @property
    def upgraded(self) -> bool:
        """Whether the connection has left HTTP: `rest` holds the first bytes of what follows."""
        return self._state == "upgraded"

    def _read_head(self) -> list[Event] | None:
        head = self._take_through(b"\r\n\r\n", self._limits.head, "the head of the response")
        if head is None:
            self._refuse_early()
            return None
        line, _, block = head[:-2].partition(b"\r\n")
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError(f"{line[:60]!r} is not the status line of an HTTP/1.1 response")
        minor, status, reason = match.groups(b"")
        return self._begin_body(
            minor == b"1", int(status), reason.decode("latin-1"), self._read_fields(block)
        )

    def _refuse_early(self) -> None:
        """Do not wait for the rest of something that is no HTTP at all."""
        if not b"HTTP/1.".startswith(self._buffer[:7]):
            raise ProtocolError(f"{bytes(self._buffer[:60])!r} is not the beginning of an HTTP/1.1 response")

    def _begin_body(self, modern: bool, status: int, reason: str, fields: Fields) -> list[Event]:
        length, chunked, self._keep_alive = _framing(fields, modern)
        if status == 101 and not self._upgrade:
            raise ProtocolError("the response switches to another protocol, which nobody asked for")
        if status == 101 or (self._method == "CONNECT" and 200 <= status < 300):
            self._state = "upgraded"
            return [Head(status, reason, fields)]
        if status < 200:
            return [Informational(status, fields)]
        if self._method == "HEAD" or status in (204, 304):
            length, chunked = 0, False
        if chunked:
            self._state = "chunk size"
        elif length is None:
            self._state, self._keep_alive = "until close", False
        elif length:
            self._state, self._left = "length", length
        else:
            self._state = "done"
            return [Head(status, reason, fields), _END]
        return [Head(status, reason, fields)]


def _framing(fields: Fields, modern: bool) -> tuple[int | None, bool, bool]:
    """Return the length of the body (None: not told), whether it is chunked, and whether the connection stays."""
    lengths: set[bytes] = set()
    codings: list[bytes] = []
    keep_alive = modern
    for name, value in fields:
        if name == b"content-length":
            lengths.update(part.strip() for part in value.split(b","))
        elif name == b"transfer-encoding":
            codings.append(value.lower())
        elif name == b"connection":
            options = {option.strip() for option in value.lower().split(b",")}
            keep_alive = (keep_alive or b"keep-alive" in options) and b"close" not in options
    if not lengths and not codings:
        return None, False, keep_alive
    if lengths and codings:
        raise ProtocolError("the response has both a length and a transfer coding")
    if codings:
        if codings != [b"chunked"] or not modern:
            raise ProtocolError(f"the transfer coding {codings[0][:40]!r} is not supported")
        return None, True, keep_alive
    (length,) = lengths if len(lengths) == 1 else (b"",)
    if not LENGTH.fullmatch(length):
        raise ProtocolError("the response's length is malformed or told twice")
    return int(length), False, keep_alive
