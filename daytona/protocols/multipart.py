"""multipart/form-data, written and read piece by piece, from either side.

Reading: `MultipartReader.receive(data)` returns the events that *data* completes; `receive(b"")` is the end of the
body. Between its boundaries a part may hold anything, so bytes are given out as soon as they cannot begin a boundary,
and a body that ends without the closing one is an error: that is how a server says that a file broke off half way. A part
that says how long it is (`Content-Length`) is not searched for a boundary before it has that length: a search would take
more time than everything else, and content that looks like a boundary is content.

    PREAMBLE ──► HEADERS ──► BODY ──► HEADERS … ──► EPILOGUE
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

__all__ = [
    "MultipartError",
    "MultipartReader",
    "PartBegin",
    "PartData",
    "PartEnd",
    "boundary_of",
    "closing",
    "disposition",
    "parameters",
    "part_head",
]

MAX_PART_HEAD = 16 * 1024


class MultipartError(Exception):
    """The body is not what its content type promises."""


class PartBegin(NamedTuple):
    """A part starts: its header fields, by name in lower case."""

    headers: dict[str, str]

    @property
    def name(self) -> str | None:
        """The form field's name."""
        return parameters(self.headers.get("content-disposition", "")).get("name")

    @property
    def filename(self) -> str | None:
        """The file name: the exact form where there is one, else the Latin-1 form.

        Raises:
            MultipartError: The exact form is not percent-encoded UTF-8.
        """
        found = parameters(self.headers.get("content-disposition", ""))
        exact = found.get("filename*")
        return found.get("filename") if exact is None else _extended(exact)


class PartData(NamedTuple):
    """A piece of the part's body."""

    data: bytes


class PartEnd(NamedTuple):
    """The part is complete."""


Event = PartBegin | PartData | PartEnd


class _State(enum.Enum):
    PREAMBLE = enum.auto()
    AFTER_BOUNDARY = enum.auto()
    HEADERS = enum.auto()
    BODY_START = enum.auto()
    BODY = enum.auto()
    EPILOGUE = enum.auto()


class MultipartReader:
    """Reads the parts of one body."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("latin-1")
        # The first boundary needs no line end before it: pretend that there was one.
        self._buffer = bytearray(b"\r\n")
        self._state = _State.PREAMBLE
        self._in_part = False
        self._head_line_end = 0
        self._expected = self._left = 0  # bytes of a part that says how long it is

    @property
    def complete(self) -> bool:
        """Whether the closing boundary has been read."""
        return self._state is _State.EPILOGUE

    def receive(self, data: bytes) -> list[Event]:
        """Return the events that *data* completes; `b""` is the end of the body.

        Raises:
            MultipartError: The body is malformed, or it ended before its closing boundary.
        """
        if not data and not self.complete:
            raise MultipartError("the multipart body ended before its closing boundary")
        events: list[Event] = []
        if self._left and not self._buffer:
            piece = data[: self._left]
            self._left -= len(piece)
            events.append(PartData(piece))
            data = data[len(piece) :]
        self._buffer += data
        while (step := self._step()) is not None:
            events.extend(step)
        return events

    def _step(self) -> list[Event] | None:
        match self._state:
            case _State.PREAMBLE | _State.BODY:
                return self._read_to_boundary()
            case _State.AFTER_BOUNDARY:
                return self._read_boundary_end()
            case _State.HEADERS:
                return self._read_headers()
            case _State.BODY_START:
                return self._read_body_start()
            case _State.EPILOGUE:
                self._buffer.clear()
                return None

    def _read_to_boundary(self) -> list[Event] | None:
        if self._left and self._buffer:
            piece = self._take(self._left)
            self._left -= len(piece)
            return self._body(piece)
        if self._left:
            return None
        end = self._buffer.find(self._delimiter)
        if end < 0:
            return self._body(self._take(len(self._buffer) - self._held_back())) or None
        data = self._take(end)
        del self._buffer[: len(self._delimiter)]
        self._state = _State.AFTER_BOUNDARY
        return self._body(data)

    def _body(self, data: bytes) -> list[Event]:
        return [PartData(data)] if data and self._in_part else []

    def _held_back(self) -> int:
        """Return how many of the last bytes could be the beginning of a boundary."""
        last = self._buffer.rfind(b"\r", -len(self._delimiter) + 1)
        while last >= 0:
            tail = bytes(self._buffer[last:])
            if self._delimiter.startswith(tail):
                return len(tail)
            last = self._buffer.find(b"\r", last + 1)
        return 0

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _read_boundary_end(self) -> list[Event] | None:
        if len(self._buffer) < 2:
            return None
        ending = bytes(self._buffer[:2])
        if ending not in (b"--", b"\r\n"):
            # Content that merely looks like a boundary: the writer's boundary is fixed, so a file may contain it.
            self._state = _State.BODY if self._in_part else _State.PREAMBLE
            return self._body(self._delimiter[self._take_head_line_end() :])
        self._take_head_line_end()
        # The line end stays in the buffer: a part without headers is an empty line.
        self._state = _State.EPILOGUE if ending == b"--" else _State.HEADERS
        ended, self._in_part = self._in_part, False
        return [PartEnd()] if ended else []

    def _read_headers(self) -> list[Event] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if (end if end >= 0 else len(self._buffer)) > MAX_PART_HEAD:
            raise MultipartError(f"the head of a part is larger than {MAX_PART_HEAD} bytes")
        if end < 0:
            return None
        # The line end of the boundary's own line begins the block; the one after the last header stays for BODY_START.
        block = self._take(end)[2:]
        del self._buffer[:2]
        self._state, self._in_part = _State.BODY_START, True
        part = PartBegin(_headers(block))
        length = part.headers.get("content-length", "")
        self._expected = int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else 0
        return [part]

    def _read_body_start(self) -> list[Event] | None:
        """Drop the line end before the body, unless it is the one before the next boundary: the body is empty."""
        start = bytes(self._buffer[: len(self._delimiter)])
        if start == self._delimiter:
            self._head_line_end = 2
        elif self._delimiter.startswith(start):
            return None
        else:
            del self._buffer[:2]
            self._left = self._expected
        self._state = _State.BODY
        return []

    def _take_head_line_end(self) -> int:
        """Return how many bytes before what looked like a boundary belong to the part's head."""
        size, self._head_line_end = self._head_line_end, 0
        return size


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon and line:
            raise MultipartError(f"{line[:60]!r} is not a part's header")
        if line:
            headers[name.strip().lower()] = value.strip()
    return headers


_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))')
_ESCAPE = re.compile(r"\\(.)")


def parameters(value: str) -> dict[str, str]:
    """Return the parameters of a header such as Content-Disposition: names in lower case, quotes removed."""
    found: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(value):
        found.setdefault(name.lower(), _ESCAPE.sub(r"\1", quoted) if quoted else bare.strip())
    return found


def boundary_of(content_type: str) -> str:
    """Return the boundary that a content type names.

    Raises:
        MultipartError: It is not multipart/form-data with a boundary.
    """
    boundary = parameters(content_type).get("boundary")
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        raise MultipartError(f"the content type {content_type!r} is not multipart/form-data with a boundary")
    return boundary


def _extended(value: str) -> str:
    charset, _, rest = value.partition("'")
    language, quote_mark, encoded = rest.partition("'")
    del language
    broken = re.search(r"%(?![0-9A-Fa-f]{2})", encoded)
    try:
        if charset.lower() == "utf-8" and quote_mark and not broken:
            return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise MultipartError(f"the file name {value!r} is not percent-encoded UTF-8")


# -- Writing ----------------------------------------------------------------------------------------------------------


def part_head(boundary: str, fields: list[tuple[str, str]]) -> bytes:
    """Return what begins a part: its boundary and header fields; end each part's body with CRLF."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"--{boundary}\r\n{lines}\r\n".encode("latin-1")


def closing(boundary: str) -> bytes:
    """Return what ends a body."""
    return f"--{boundary}--\r\n".encode("latin-1")


def disposition(name: str, filename: str | None = None) -> str:
    """Return a Content-Disposition for the field *name*; a file name is given in both of its forms."""
    value = f'form-data; name="{name}"'
    if filename is None:
        return value
    plain = "".join(_plain(character) for character in filename)
    exact = quote(filename, safe="!#$&+-.^_`|~", errors="surrogateescape")
    return f"{value}; filename=\"{plain}\"; filename*=utf-8''{exact}"


def _plain(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character in "\r\n\0":
        return ""
    return character if " " <= character < "\x7f" or "\xa0" <= character <= "\xff" else "_"
