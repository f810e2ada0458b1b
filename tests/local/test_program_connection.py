"""What the agent takes from programs that are not exact, and what it makes of it."""

from __future__ import annotations

import pytest

from daytona.protocols.http1 import Data, End, Event, Head, ProtocolError
from daytona_plugins.local.agent.program_connection import ForgivingReader

FIELDS = [(b"a", b"1"), (b"b", b"2 3")]


def events_of(*pieces: bytes) -> list[Event]:
    reader = ForgivingReader("GET", upgrade=False)
    return [event for piece in pieces for event in reader.receive(piece)]


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\nA: 1\nB: 2 3\n\nhello\n",
        b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n 3\r\n\r\nhello\n",
        b"HTTP/1.0 200 OK\r\nA: 1\nB: 2\n\t3\r\n\nhello\n",
        b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2 3\r\n\r\nhello\n",
    ],
)
def test_lines_may_end_and_be_folded_in_any_way(wire: bytes) -> None:
    expected = [Head(200, "OK", FIELDS), Data(b"hello\n"), End()]
    assert events_of(wire, b"") == expected
    *events, end = events_of(*(wire[i : i + 1] for i in range(len(wire))), b"")
    assert [
        events[0],
        Data(b"".join(event.data for event in events if isinstance(event, Data))),
        end,
    ] == expected


def test_a_body_is_left_as_it_is() -> None:
    wire = b"HTTP/1.1 200 OK\nContent-Length: 8\n\n\r\n\n a\n\n\n"
    assert events_of(wire) == [Head(200, "OK", [(b"content-length", b"8")]), Data(b"\r\n\n a\n\n\n"), End()]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"hello\n\n"],
        [b"HTTP/1.1 200 OK\nno colon\n\n"],
        [b"HTTP/1.1 200 OK\nA: 1\n", b""],
        [b"", b""],
        [b"HTTP/1.1 200 OK\n", b"A: 1\n" * 20_000],
        [b"HTTP/1.1 200 OK\nContent-Length: 9\n\nshort", b""],
    ],
)
def test_what_is_no_answer_even_so_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        events_of(*pieces)
