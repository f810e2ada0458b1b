"""The server's half of HTTP/1.1: against its own promises, a corpus of nasty requests, and h11."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import h11
import pytest
from hypothesis import given, settings, strategies as st

from daytona.protocols.http1 import Data, Limits, ProtocolError, ResponseReader
from daytona.protocols.http1_server import (
    BodyEncoder,
    RequestError,
    RequestHead,
    RequestReader,
    encode_response_head,
)
from tests.protocols.http1_messages import STRICTNESSES, bodies, broken, chunked, field_lines

if TYPE_CHECKING:
    from collections.abc import Callable


class Received(NamedTuple):
    """What a server made of a request, and of what came after it."""

    method: str
    target: str
    fields: list[tuple[bytes, bytes]]
    body: bytes
    stays: bool
    rest: bytes


# -- The two readers ----------------------------------------------------------------------------------------------


def read(*pieces: bytes) -> Received | None:
    """Return what our reader makes of *pieces*, None when the request is not complete after them."""
    reader = RequestReader()
    body = b""
    for piece in filter(None, pieces):
        if reader.complete:
            body_done = reader.rest + piece
            reader.receive(piece)
            assert reader.rest == body_done
        else:
            body += b"".join(event.data for event in reader.receive(piece) if isinstance(event, Data))
    if reader.head is None or not reader.complete:
        return None
    head = reader.head
    return Received(head.method, head.target, head.fields, body, head.keep_alive, reader.rest)


def read_with_h11(wire: bytes) -> Received | None:
    """Return what h11 makes of the same."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(wire)
    head, body = None, b""
    while True:
        event = server.next_event()
        if isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return None
    assert head is not None
    stays = server.their_state is not h11.MUST_CLOSE
    method, target = head.method.decode(), head.target.decode()
    return Received(method, target, list(head.headers), body, stays, server.trailing_data[0])


# -- Requests as strategies ---------------------------------------------------------------------------------------

methods = st.sampled_from(["GET", "POST", "HEAD", "DELETE", "PATCH", "M-SEARCH"])
targets = st.from_regex(r"/[!-~]{0,20}", fullmatch=True)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a valid request, and perhaps the beginning of another one."""
    minor = draw(st.sampled_from([b"1", b"1", b"1", b"0"]))
    framing = draw(st.sampled_from(["none", "length", "chunked"] if minor == b"1" else ["none", "length"]))
    body = b"" if framing == "none" else draw(bodies)
    framed = {
        "none": b"",
        "length": b"Content-Length: %d\r\n" % len(body),
        "chunked": b"Transfer-Encoding: chunked\r\n",
    }[framing]
    connection = draw(
        st.sampled_from([b"", b"Connection: close\r\n", b"Connection: Upgrade, keep-alive\r\n"])
    )
    line = b"%b %b HTTP/1.%b\r\n" % (draw(methods).encode(), draw(targets).encode(), minor)
    head = line + b"Host: h\r\n" + draw(field_lines()) + framed + connection + b"\r\n"
    content = draw(chunked(body)) if framing == "chunked" else body
    return head + content + draw(st.sampled_from([b"", b"", b"GET / HTTP/1.1\r\n"]))


mutations = requests().flatmap(broken)


# -- What the reader promises -------------------------------------------------------------------------------------


@given(requests(), st.data())
def test_any_fragmentation_gives_the_same_request(wire: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=12)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert read(wire) == read(*pieces) is not None


@given(mutations)
def test_byte_by_byte_broken_requests_come_to_the_same_end(wire: bytes) -> None:
    assert outcome(wire) == outcome(*(wire[i : i + 1] for i in range(len(wire))))


def outcome(*pieces: bytes) -> Received | str | None:
    try:
        return read(*pieces)
    except ProtocolError:
        return "refused"


@given(requests())
@settings(max_examples=200)
def test_h11_reads_the_same(wire: bytes) -> None:
    assert read(wire) == read_with_h11(wire) is not None


STRICTER: dict[str, Callable[[bytes], object]] = {
    **STRICTNESSES,
    "a length that is told twice": lambda wire: re.search(
        rb"(?is)content-length:.*content-length:|content-length:[^\n]*,", wire
    ),
    "CONNECT": lambda wire: wire.startswith(b"CONNECT "),
    "a version that does not exist": lambda wire: re.search(rb" HTTP/(?!1\.[01]\r)[0-9]\.[0-9]", wire),
}


@given(mutations)
@settings(max_examples=400)
def test_what_h11_refuses_is_refused_and_what_is_taken_is_read_the_same(wire: bytes) -> None:
    try:
        theirs: Received | str | None = read_with_h11(wire)
    except h11.RemoteProtocolError:
        theirs = "refused"
    ours = outcome(wire)
    if ours == "refused":
        assert theirs == "refused" or any(applies(wire) for applies in STRICTER.values())
    elif ours is not None:
        assert ours == theirs


@given(requests())
def test_a_request_cut_short_is_never_taken_for_a_whole_one(wire: bytes) -> None:
    whole = read(wire)
    assert whole is not None
    for size in range(len(wire) - len(whole.rest)):
        reader = RequestReader()
        if size:
            reader.receive(wire[:size])
        assert not reader.complete
        with pytest.raises(ProtocolError, match="closed"):
            reader.receive(b"")


# -- The corpus ---------------------------------------------------------------------------------------------------

POST = b"POST / HTTP/1.1\r\nHost: h\r\n"


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\nB: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        b"GET / http/1.1\r\nHost: h\r\n\r\n",
        b"GET /\r\n\r\n",
        b"G\x80T / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        POST + b"Content-Length: 3, 3\r\n\r\nabc",
        POST + b"Content-Length: +3\r\n\r\nabc",
        POST + b"Content-Length: 0x3\r\n\r\nabc",
        POST + b"Content-Length: 3_0\r\n\r\nabc",
        POST + b"Content-Length: \r\n\r\nabc",
        POST + b"Content-Length: %b\r\n\r\nabc" % (b"9" * 19),
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\nabc",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        *(
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
            for chunks in (
                b"-1\r\n",
                b"0x1\r\na\r\n0\r\n\r\n",
                b" 1\r\na\r\n0\r\n\r\n",
                b"1\na\n0\n\n\r\n",
                b"1\r\nab\r\n0\r\n\r\n",
                b"1;a\nb\r\na\r\n0\r\n\r\n",
                b"0\r\nContent-Length: 1\r\n\r\n",
                b"0\r\n X: a\r\n\r\n",
                b"\r\n",
            )
        ),
    ],
)
def test_what_two_servers_may_understand_in_two_ways_is_refused(wire: bytes) -> None:
    assert outcome(wire) == "refused"
    assert outcome(*(wire[i : i + 1] for i in range(len(wire)))) == "refused"


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, 431),
        (b"GET /" + b"x" * 70_000, 431),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00", 400),
    ],
)
def test_a_refusal_has_its_status_before_all_has_come(wire: bytes, status: int) -> None:
    with pytest.raises(RequestError) as refused:
        RequestReader().receive(wire)
    assert refused.value.status == status


def test_a_reader_that_has_refused_stays_so() -> None:
    reader = RequestReader(Limits(fields=1))
    for data in (POST + b"X: y\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"):
        with pytest.raises(ProtocolError):
            reader.receive(data)
    assert reader.head is None


# -- Responses ----------------------------------------------------------------------------------------------------

REQUEST = RequestHead("GET", "/", [], modern=True, keep_alive=True)


def response(request: RequestHead, status: int, fields: list[tuple[str, str]], *pieces: bytes) -> bytes:
    """Return a streamed response as it is sent."""
    encoder = BodyEncoder(request, status, fields)
    head = encode_response_head(status, "Any", [*fields, *encoder.fields])
    return head + b"".join(encoder.encode(piece) for piece in pieces) + encoder.end()


@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans())
def test_a_client_reads_what_was_streamed(pieces: list[bytes], told: bool) -> None:
    body = b"".join(pieces)
    wire = response(REQUEST, 200, [("Content-Length", str(len(body)))] if told else [], *pieces)
    reader = ResponseReader("GET")
    events = reader.receive(wire)
    assert b"".join(event.data for event in events if isinstance(event, Data)) == body
    assert reader.reusable


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_has_none_whatever_is_streamed(method: str, status: int) -> None:
    wire = response(REQUEST._replace(method=method), status, [], b"some", b"thing")
    assert wire.endswith(b"\r\n\r\n")
    reader = ResponseReader(method)
    reader.receive(wire)
    assert reader.reusable


def test_an_old_client_reads_until_the_end_of_the_connection() -> None:
    wire = response(REQUEST._replace(modern=False, keep_alive=False), 200, [], b"some", b"thing")
    assert wire.endswith(b"\r\n\r\nsomething")
    assert b"chunked" not in wire


@pytest.mark.parametrize("pieces", [[b"ab"], [b"abc", b"d"]])
def test_a_body_that_is_not_as_long_as_its_head_says_is_noticed(pieces: list[bytes]) -> None:
    with pytest.raises(ProtocolError, match="than its head says"):
        response(REQUEST, 200, [("content-length", "3")], *pieces)


def test_no_field_smuggles_a_line_into_a_response() -> None:
    with pytest.raises(ProtocolError):
        encode_response_head(200, "OK", [("X", "a\r\nSet-Cookie: b")])
