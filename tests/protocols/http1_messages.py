"""What requests and responses are made of, as strategies, and what is refused of both that h11 takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

names = st.from_regex(r"[Xx]-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True).map(str.encode)
values = st.from_regex(rb"([!-~\x80-\xff]([\t -~\x80-\xff]{0,20}[!-~\x80-\xff])?)?", fullmatch=True)
blanks = st.sampled_from([b"", b" ", b"\t", b"  \t "])
bodies = st.one_of(
    st.binary(max_size=60), st.sampled_from([b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"0\r\n\r\n"])
)
extensions = st.sampled_from([b"", b"", b";a", b';a="b;c"', b";\xff=1", b"  "])


@st.composite
def field_lines(draw: st.DrawFn) -> bytes:
    pairs = draw(st.lists(st.tuples(names, blanks, values, blanks), max_size=4))
    return b"".join(b"%b:%b%b%b\r\n" % pair for pair in pairs)


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    pieces: list[bytes] = []
    while body:
        size = draw(st.integers(1, len(body)))
        form = draw(st.sampled_from([b"%x", b"%X", b"000%x"]))
        pieces.append(form % size + draw(extensions) + b"\r\n" + body[:size] + b"\r\n")
        body = body[size:]
    trailers = draw(field_lines())
    return b"".join(pieces) + b"0" + draw(extensions) + b"\r\n" + trailers + b"\r\n"


@st.composite
def broken(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw *data* with one to three accidents."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 3))
        piece = draw(
            st.one_of(
                st.sampled_from(
                    [b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b";", b",", b"0", b"-", b"\x7f"]
                ),
                st.sampled_from(
                    [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n folded", b"chunked"]
                ),
                st.binary(min_size=1, max_size=2),
            )
        )
        data = data[:at] + piece + data[at + size :]
    return data


STRICTNESSES: dict[str, Callable[[bytes], object]] = {
    "a line feed without its carriage return": lambda wire: re.search(rb"(?<!\r)\n", wire),
    "a carriage return without its line feed": lambda wire: re.search(rb"\r(?!\n)", wire),
    "a folded header": lambda wire: re.search(rb"\n[ \t]", wire),
    "a control character": lambda wire: re.search(rb"[\x01-\x08\x0b-\x1f\x7f]", wire),
    "a NUL, which h11 takes in chunk extensions": lambda wire: re.search(rb";[^\r\n]*\0", wire),
    "a length beside a transfer coding": lambda wire: (
        b"content-length:" in wire.lower() and b"transfer-encoding:" in wire.lower()
    ),
    "a version that does not exist": lambda wire: re.search(rb"(?m)^HTTP/(?!1\.[01] )[0-9]\.[0-9]", wire),
    "chunks in HTTP/1.0": lambda wire: b"HTTP/1.0" in wire and b"chunked" in wire.lower(),
    "an absurd size": lambda wire: re.search(rb"[0-9A-Fa-f]{17}", wire),
    "framing in trailers": lambda wire: re.search(rb"(?i)\r\n(content-length|transfer-encoding)\s*:", wire),
}
