"""The client's half of HTTP/1.1: against its own promises, a corpus of nasty answers, and h11."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import h11
import pytest
from hypothesis import given, settings, strategies as st

from daytona.protocols.http1 import (
    LAST_CHUNK,
    Data,
    End,
    Event,
    Head,
    Informational,
    Limits,
    ProtocolError,
    ResponseReader,
    encode_chunk,
    encode_fields,
    encode_head,
    read_fields,
    read_whole,
)
from tests.protocols.http1_messages import STRICTNESSES, bodies, broken, chunked, field_lines, names, values

CORPUS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "http1" / "responses.json").read_text(encoding="ascii")
)


class Answer(NamedTuple):
    """What a reader made of a whole connection."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes


# -- The two readers ----------------------------------------------------------------------------------------------


def events_of(reader: ResponseReader, pieces: list[bytes], *, close: bool) -> list[Event]:
    """Return all events of *pieces*, adjacent pieces of the body joined."""
    events: list[Event] = []
    for piece in [*(piece for piece in pieces if piece), *([b""] if close else [])]:
        for event in reader.receive(piece):
            if isinstance(event, Data) and events and isinstance(events[-1], Data):
                events[-1] = Data(events[-1].data + event.data)
            else:
                events.append(event)
    return events


def read(data: bytes, method: str = "GET") -> Answer:
    """Return what our reader makes of *data* and the end of the connection."""
    return answer_of(events_of(ResponseReader(method), [data], close=True))


def answer_of(events: list[Event]) -> Answer:
    (head,) = (event for event in events if isinstance(event, Head))
    assert isinstance(events[-1], End)
    body = b"".join(event.data for event in events if isinstance(event, Data))
    return Answer(head.status, head.fields, body)


def read_with_h11(data: bytes, method: str = "GET") -> Answer:
    """Return what h11 makes of the same."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    body, head, closed = b"", None, False
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return Answer(head.status_code, list(head.headers), body)
        elif event is h11.NEED_DATA and not closed:
            closed = True
            connection.receive_data(b"")
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError(f"ended with {event!r}")


def beside_framing(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the fields that h11 passes on as they came: it merges equal lengths and lowers codings."""
    return [field for field in fields if field[0] not in (b"content-length", b"transfer-encoding")]


# -- Responses as strategies --------------------------------------------------------------------------------------

reasons = st.sampled_from([b"", b" ", b" OK", b" Not quite \xe9"])
statuses = st.one_of(st.sampled_from([200, 204, 304, 404, 503]), st.integers(200, 599))


@st.composite
def responses(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a method and a valid answer to it, through to the end of its connection."""
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "DELETE"]))
    minor = draw(st.sampled_from([b"1", b"1", b"1", b"0"]))
    status = draw(statuses)
    framings = ["length", "close"] + (["chunked"] if minor == b"1" else [])
    framing = draw(st.sampled_from(framings))
    body = draw(bodies)
    silent = method == "HEAD" or status in (204, 304)
    framed = {
        "length": b"Content-Length: %d\r\n" % len(body),
        "chunked": b"Transfer-Encoding: chunked\r\n",
        "close": b"",
    }[framing]
    connection = draw(st.sampled_from([b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n"]))
    before = b"".join(
        b"HTTP/1.1 %d Wait\r\n%b\r\n" % (code, draw(field_lines()))
        for code in draw(st.lists(st.sampled_from([100, 102, 103]), max_size=2))
    )
    head = b"HTTP/1.%b %d%b\r\n%b%b%b\r\n" % (
        minor,
        status,
        draw(reasons),
        draw(field_lines()),
        framed,
        connection,
    )
    content = b"" if silent else draw(chunked(body)) if framing == "chunked" else body
    return method, before + head + content


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a valid answer with one to three accidents."""
    method, data = draw(responses())
    return method, draw(broken(data))


# -- What the reader promises -------------------------------------------------------------------------------------


@given(responses(), st.data())
def test_any_fragmentation_gives_the_same_events(response: tuple[str, bytes], data: st.DataObject) -> None:
    method, wire = response
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=12)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    whole, parts = ResponseReader(method), ResponseReader(method)
    assert events_of(whole, [wire], close=True) == events_of(parts, pieces, close=True)
    assert (whole.reusable, whole.rest) == (parts.reusable, parts.rest)


@given(mutations())
def test_byte_by_byte_broken_answers_come_to_the_same_end(mutation: tuple[str, bytes]) -> None:
    method, wire = mutation
    assert outcome(method, [wire]) == outcome(method, [wire[i : i + 1] for i in range(len(wire))])


def outcome(method: str, pieces: list[bytes]) -> Answer | str:
    reader = ResponseReader(method)
    try:
        return answer_of(events_of(reader, pieces, close=True))
    except ProtocolError:
        return "refused"


@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from(["GET", "HEAD", "CONNECT"]))
def test_no_bytes_raise_anything_but_a_protocol_error(pieces: list[bytes], method: str) -> None:
    for prefix in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        reader = ResponseReader(method, upgrade=True)
        try:
            events_of(reader, [prefix, *pieces], close=True)
        except ProtocolError:
            with pytest.raises(ProtocolError):
                reader.receive(b"more")  # a machine that has failed stays so


@given(responses())
def test_an_answer_cut_short_is_never_taken_for_a_whole_one(response: tuple[str, bytes]) -> None:
    method, wire = response
    reader = ResponseReader(method)
    events_of(reader, [wire], close=False)
    whole = len(wire) - len(reader.rest)
    if not ends_by_itself(reader):
        return
    for size in range(whole):
        cut = ResponseReader(method)
        cut_events = events_of(cut, [wire[:size]], close=False)
        assert not any(isinstance(event, End) for event in cut_events)
        with pytest.raises(ProtocolError, match="closed"):
            cut.receive(b"")


def ends_by_itself(reader: ResponseReader) -> bool:
    """Return whether the message was over before its connection was."""
    return reader.receive(b"") == []


@given(responses())
@settings(max_examples=200)
def test_h11_reads_the_same(response: tuple[str, bytes]) -> None:
    method, wire = response
    ours, theirs = read(wire, method), read_with_h11(wire, method)
    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    assert beside_framing(ours.fields) == beside_framing(theirs.fields)


@given(mutations())
@settings(max_examples=300)
def test_whoever_accepts_a_broken_answer_reads_the_same(mutation: tuple[str, bytes]) -> None:
    method, wire = mutation
    try:
        theirs = read_with_h11(wire, method)
    except h11.RemoteProtocolError:
        theirs = None
    try:
        ours = read(wire, method)
    except ProtocolError:
        assert theirs is None or any(applies(wire) for applies in STRICTNESSES.values())
        return
    assert theirs is not None, "h11 is stricter than we are"
    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    assert beside_framing(ours.fields) == beside_framing(theirs.fields)


# -- The corpus ---------------------------------------------------------------------------------------------------


def agrees_with_the_reader(method: str, wire: bytes) -> bool:
    """Check `read_whole` against the reader; return whether it took the answer at all."""
    whole = read_whole(method, wire)
    if whole is None:
        return False
    reader = ResponseReader(method)
    status, block, body = whole
    assert Answer(status, read_fields(block), body) == answer_of(events_of(reader, [wire], close=False))
    assert reader.reusable
    return True


@given(st.one_of(responses(), mutations()))
@settings(max_examples=300)
def test_what_is_read_in_one_piece_is_what_the_reader_reads(response: tuple[str, bytes]) -> None:
    agrees_with_the_reader(*response)


def test_an_ordinary_answer_is_read_in_one_piece() -> None:
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\nX: y\r\n\r\n{}"
    assert agrees_with_the_reader("GET", wire)
    assert not any(read_whole("GET", wire[:end]) for end in range(len(wire)))
    assert read_whole("GET", wire + b"H") is None


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 2\r\nConnection: close",
        b"Content-Length: 2\r\nContent-Length: 2",
        b"Content-Length: 2, 2",
        b"Content-Length: +2",
        b"Content-Length: 2\r\ncontent-length : 2",
        b"Content-Length: 2\r\nconnection: keep-alive, close",
        b"Transfer-Encoding: chunked",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked",
        b"Content-Length: 2\r\n" + b"A: b\r\n" * 256 + b"C: d",
    ],
)
def test_an_answer_out_of_the_ordinary_is_left_to_the_reader(lines: bytes) -> None:
    assert read_whole("GET", b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n{}") is None


def wire_of(case: dict[str, Any]) -> bytes:
    """Return a case's bytes: strings, one character a byte, and [string, times]."""
    parts = (part if isinstance(part, str) else part[0] * part[1] for part in case["bytes"])
    return "".join(parts).encode("latin-1")


def named(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", CORPUS, ids=named)
def test_the_corpus_is_read_as_it_says(case: dict[str, Any]) -> None:
    reader, wire, expected = ResponseReader(case["method"]), wire_of(case), case["expect"]
    if expected == "refused":
        with pytest.raises(ProtocolError):
            events_of(reader, [wire], close=True)
        return
    events = events_of(reader, [wire], close=False)
    reusable = reader.reusable
    if not isinstance(events[-1], End):
        events += reader.receive(b"")
    answer = answer_of(events)
    assert (answer.status, answer.body, reusable) == (
        expected["status"],
        expected["body"].encode("latin-1"),
        expected["reusable"],
    )


@pytest.mark.parametrize("case", CORPUS, ids=named)
def test_the_corpus_is_read_the_same_in_one_piece(case: dict[str, Any]) -> None:
    taken = agrees_with_the_reader(case.get("method", "GET"), wire_of(case))
    assert not (taken and case["expect"] == "refused")


@pytest.mark.parametrize("case", CORPUS, ids=named)
def test_the_corpus_is_read_the_same_in_pieces(case: dict[str, Any]) -> None:
    wire = wire_of(case)
    size = 1 if len(wire) < 2000 else 997
    pieces = [wire[i : i + size] for i in range(0, len(wire), size)]
    assert outcome(case["method"], pieces) == outcome(case["method"], [wire])


@pytest.mark.parametrize("case", [case for case in CORPUS if case["expect"] != "refused"], ids=named)
def test_h11_takes_what_the_corpus_says_is_taken(case: dict[str, Any]) -> None:
    answer = read_with_h11(wire_of(case), case["method"])
    assert (answer.status, answer.body) == (
        case["expect"]["status"],
        case["expect"]["body"].encode("latin-1"),
    )


# -- Single behaviours --------------------------------------------------------------------------------------------

ANSWER = b"HTTP/1.1 200 OK\r\n"
CHUNKED = ANSWER + b"Transfer-Encoding: chunked\r\n\r\n"


def test_a_byte_of_an_answer_is_remembered() -> None:
    reader = ResponseReader("GET")
    assert not reader.begun
    reader.receive(b"H")
    assert reader.begun


def test_a_close_before_the_answer_says_so() -> None:
    with pytest.raises(ProtocolError, match="before the response began"):
        ResponseReader("GET").receive(b"")


@pytest.mark.parametrize("data", [b"S", b"SSH-2.0-x\r\n", b"HTTP/1x", b"HTTP/2 200 OK\r\n", b"\r\n"])
def test_what_is_no_answer_is_refused_before_it_is_complete(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="beginning"):
        ResponseReader("GET").receive(data)


def test_an_answer_ends_where_it_says_and_what_follows_is_the_rest() -> None:
    for wire in (
        CHUNKED + b"0\r\n\r\n",
        CHUNKED + b"0\r\na: b\r\n\r\n",
        ANSWER + b"Content-Length: 0\r\n\r\n",
    ):
        reader = ResponseReader("GET")
        assert isinstance(reader.receive(wire + b"more")[-1], End)
        assert (reader.complete, reader.reusable, reader.rest) == (True, False, b"more")
        assert reader.receive(b"") == []


def test_an_answer_without_an_end_of_its_own_ends_with_the_connection() -> None:
    reader = ResponseReader("GET")
    assert reader.receive(ANSWER + b"\r\nall")[-1] == Data(b"all")
    assert not reader.complete
    assert reader.receive(b"") == [End()]
    assert (reader.complete, reader.reusable) == (True, False)
    assert reader.receive(b"") == []


def test_a_chunk_that_is_longer_than_it_says_is_refused() -> None:
    with pytest.raises(ProtocolError, match="longer"):
        ResponseReader("GET").receive(CHUNKED + b"2\r\nabXX0\r\n\r\n")


def test_informational_heads_are_events() -> None:
    assert ResponseReader("GET").receive(b"HTTP/1.1 199 Almost\r\n\r\n") == [Informational(199, [])]
    events = ResponseReader("GET").receive(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert events == [Informational(103, [(b"link", b"</a>")])]


def test_an_upgrade_that_was_asked_for_leaves_http() -> None:
    reader = ResponseReader("GET", upgrade=True)
    (head,) = reader.receive(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00")
    assert isinstance(head, Head)
    assert head.status == 101
    assert reader.upgraded
    assert reader.rest == b"\x81\x00"
    assert not reader.reusable
    assert reader.receive(b"more") == []
    assert reader.rest == b"\x81\x00more"


def test_an_upgrade_that_is_declined_is_an_ordinary_answer() -> None:
    reader = ResponseReader("GET", upgrade=True)
    assert answer_of(reader.receive(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")).body == b"no"
    assert reader.reusable


@pytest.mark.parametrize("status", [200, 299])
def test_a_tunnel_begins_after_its_head(status: int) -> None:
    reader = ResponseReader("CONNECT")
    reader.receive(b"HTTP/1.1 %d Connection established\r\n\r\nbytes" % status)
    assert reader.upgraded
    assert reader.rest == b"bytes"


def test_a_tunnel_that_is_refused_does_not_begin() -> None:
    reader = ResponseReader("CONNECT")
    assert reader.receive(b"HTTP/1.1 100 Wait\r\n\r\n") == [Informational(100, [])]
    answer = answer_of(reader.receive(b"HTTP/1.1 300 Elsewhere\r\nContent-Length: 2\r\n\r\nno"))
    assert (answer.status, answer.body, reader.upgraded) == (300, b"no", False)


def test_what_was_refused_stays_so() -> None:
    reader = ResponseReader("GET")
    for data in (b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b""):
        with pytest.raises(ProtocolError):
            reader.receive(data)
    assert (reader.complete, reader.reusable, reader.rest) == (False, False, b"")


def test_a_whole_answer_in_single_bytes_is_read_without_searching_twice() -> None:
    """The work per byte is constant: what is searched is counted, not timed."""
    reader = ResponseReader("GET")
    searched = SearchCounter(b"")
    reader._buffer = searched
    head = b"HTTP/1.1 200 OK\r\nX: " + b"v" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n"
    for i in range(len(head)):
        events = reader.receive(head[i : i + 1])
    assert isinstance(events[-1], End)
    assert searched.looked_at < 8 * len(head)


class SearchCounter(bytearray):
    """A buffer that counts how many bytes its searches look at."""

    looked_at = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        self.looked_at += len(self) - start
        return super().find(sub, start)


@pytest.mark.parametrize(
    ("before", "endless"), [(ANSWER, b"X: "), (CHUNKED, b"1;"), (CHUNKED + b"0\r\n", b"X: ")]
)
def test_what_does_not_end_is_refused_when_it_is_too_long(before: bytes, endless: bytes) -> None:
    reader = ResponseReader("GET", Limits(head=100, chunk_line=100))
    reader.receive(before)
    reader.receive(endless.ljust(60, b"x"))
    with pytest.raises(ProtocolError, match="larger than 100 bytes"):
        reader.receive(b"x" * 60)


def test_limits_are_what_they_say() -> None:
    wire = b"HTTP/1.1 200 OK\r\na: b\r\nc: d\r\nContent-Length: 0\r\n\r\n"
    ResponseReader("GET", Limits(head=len(wire) - 4, fields=3)).receive(wire)
    with pytest.raises(ProtocolError, match="larger"):
        ResponseReader("GET", Limits(head=len(wire) - 5)).receive(wire)
    with pytest.raises(ProtocolError, match="more than 2"):
        ResponseReader("GET", Limits(fields=2)).receive(wire)


# -- Requests -----------------------------------------------------------------------------------------------------


def read_request(wire: bytes) -> tuple[h11.Request, bytes]:
    """Return the request that a server built on h11 sees, and its body."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(wire)
    request, body = server.next_event(), b""
    assert isinstance(request, h11.Request)
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return request, body


tokens = st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,10}", fullmatch=True)


@given(tokens, st.from_regex(r"/[!-~]{0,30}", fullmatch=True), st.lists(st.tuples(names, values), max_size=5))
def test_a_server_reads_what_was_written(method: str, target: str, fields: list[tuple[bytes, bytes]]) -> None:
    block = encode_fields((name.decode(), value.decode("latin-1")) for name, value in fields)
    request, body = read_request(encode_head(method, target, encode_fields([("Host", "h")]), block))
    assert (request.method, request.target, body) == (method.encode(), target.encode(), b"")
    assert list(request.headers)[1:] == [(name.lower(), value) for name, value in fields]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_a_server_reads_a_body_in_chunks(chunks: list[bytes]) -> None:
    head = encode_head("POST", "/", encode_fields([("Host", "h"), ("Transfer-Encoding", "chunked")]))
    _, body = read_request(head + b"".join(map(encode_chunk, chunks)) + LAST_CHUNK)
    assert body == b"".join(chunks)


@given(st.text(), st.text(), st.text(), st.text())
def test_no_text_smuggles_a_line_into_a_head(method: str, target: str, name: str, value: str) -> None:
    try:
        wire = encode_head(method, target, encode_fields([(name, value)]))
    except ProtocolError:
        return
    assert wire.count(b"\r\n") == 3
    assert wire.count(b"\n") == wire.count(b"\r") == 3
    assert b"\0" not in wire
    assert wire.split(b"\r\n")[0].count(b" ") == 2


@pytest.mark.parametrize("method", ["", "GET ", "GE T", "GET\r\nX: y", "G\xc9T", "GET\n"])
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    with pytest.raises(ProtocolError, match="method"):
        encode_head(method, "/")


@pytest.mark.parametrize("target", ["", "/a b", "/a\r\nX: y", "/\xe9", "/a\tb", "/\x7f", "/a\n"])
def test_a_target_that_would_leave_its_line_is_refused(target: str) -> None:
    with pytest.raises(ProtocolError, match="target"):
        encode_head("GET", target)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "\xe9", "a\n"])
def test_a_header_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError, match="name"):
        encode_fields([(name, "x")])


@pytest.mark.parametrize(
    "value", ["a\r\nX: y", "a\nX: y", "a\rb", "\0", "a\x1b", "a\x1f", "a\x7f", "a\n", "\u20ac"]
)
def test_a_header_value_that_would_leave_its_line_is_refused(value: str) -> None:
    with pytest.raises(ProtocolError, match="value"):
        encode_fields([("x", value)])
