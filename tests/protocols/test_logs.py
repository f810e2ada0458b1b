"""The log of a command: every split of it gives the same streams, and whatever is written comes back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, strategies as st

from daytona.models.process import LogEvent
from daytona.protocols.logs import STDERR, STDOUT, Demultiplexer, LogReader, Multiplexer, Stream, split

OUT, ERR = b"\x01\x01\x01", b"\x02\x02\x02"
STREAMS: dict[str, Stream] = {"stdout": STDOUT, "stderr": STDERR}

# Bytes that make markers, and parts of markers, line ends and parts of characters likely.
tricky = st.lists(
    st.sampled_from([b"\x01", b"\x02", b"\n", b"a", "é".encode(), b"\xc3", b"\xff"]), max_size=12
)
payload = st.one_of(st.binary(max_size=20), tricky.map(b"".join))
writes = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), payload), max_size=12)
cuts = st.lists(st.integers(0, 200), max_size=8)


def fragments(log: bytes, at: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(cut, len(log)) for cut in at), len(log)]
    return [log[start:end] for start, end in itertools.pairwise(bounds)]


def read(pieces: list[bytes]) -> list[LogEvent]:
    reader = LogReader()
    return [event for piece in pieces for event in reader.receive(piece)] + reader.finish()


def text_of(events: list[LogEvent], stream: str) -> str:
    return "".join(event.text for event in events if event.stream == stream)


def data_of(events: list[LogEvent], stream: str) -> bytes:
    return b"".join(event.data for event in events if event.stream == stream)


def plainly_split(log: bytes) -> dict[Stream, bytes]:
    """Return both streams the obvious way: byte by byte, the leftmost marker first."""
    streams: dict[Stream, bytes] = {STDOUT: b"", STDERR: b""}
    current: Stream | None = None
    while log:
        if log.startswith((OUT, ERR)):
            current, log = (STDOUT if log.startswith(OUT) else STDERR), log[3:]
        else:
            if current is not None:
                streams[current] += log[:1]
            log = log[1:]
    return streams


VECTORS = [
    ([b"noise" + OUT + b"a"], "a", ""),
    ([OUT + b"abc\x01", b"\x01\x01def"], "abcdef", ""),
    ([OUT + b"ab\x02", b"x"], "ab\x02x", ""),
    ([OUT + ERR + b"e"], "", "e"),
    ([OUT + b"\xc3", b"\xa9"], "é", ""),
    ([b"\x01\x01", b"\x01hi"], "hi", ""),
    ([OUT + b"\x01z"], "\x01z", ""),
    ([OUT + b"a\x01\x01"], "a\x01\x01", ""),
    # The official client loses the pending character of stdout here; see wire facts 25.40.
    ([OUT + b"\xc3" + ERR + b"err\x02"], "\ufffd", "err\x02"),
]


@pytest.mark.parametrize(("frames", "stdout", "stderr"), VECTORS)
def test_vectors_of_the_wire(frames: list[bytes], stdout: str, stderr: str) -> None:
    events = read(frames)
    assert (text_of(events, "stdout"), text_of(events, "stderr")) == (stdout, stderr)


@pytest.mark.parametrize(("frames", "stdout", "stderr"), VECTORS)
def test_vectors_byte_by_byte(frames: list[bytes], stdout: str, stderr: str) -> None:
    events = read([bytes([byte]) for byte in b"".join(frames)])
    assert (text_of(events, "stdout"), text_of(events, "stderr")) == (stdout, stderr)


@given(st.one_of(st.binary(max_size=100), tricky.map(b"".join)), cuts)
@example(b"\x01" * 11 + b"\x02" * 7, [1, 4, 9])
def test_any_log_in_any_pieces_is_read_as_byte_by_byte(log: bytes, at: list[int]) -> None:
    demultiplexer = Demultiplexer()
    streams = {STDOUT: b"", STDERR: b""}
    for piece in fragments(log, at):
        for stream, data in demultiplexer.receive(piece):
            streams[stream] += data
    for stream, data in demultiplexer.finish():
        streams[stream] += data
    assert streams == plainly_split(log) == split(log)


@given(writes, cuts)
@example(
    [(STDOUT, b"\x01\x01\x01\x01\x01"), (STDERR, b"x\x01"), (STDOUT, b"\x01\x01y"), (STDOUT, b"\x02")], []
)
@example([(STDERR, b"\x01"), (STDOUT, b"a"), (STDOUT, b"\n\x01\x01\x01\n"), (STDERR, b"\x02\x02\x02")], [5])
def test_whatever_is_written_is_read_exactly(parts: list[tuple[Stream, bytes]], at: list[int]) -> None:
    multiplexer = Multiplexer()
    log = b"".join(multiplexer.send(stream, data) for stream, data in parts)
    events = read(fragments(log, at))
    for name, stream in STREAMS.items():
        assert data_of(events, name) == b"".join(data for to, data in parts if to == stream)


@given(writes, cuts)
def test_text_does_not_depend_on_where_pieces_end(parts: list[tuple[Stream, bytes]], at: list[int]) -> None:
    multiplexer = Multiplexer()
    log = b"".join(multiplexer.send(stream, data) for stream, data in parts)
    events = read(fragments(log, at))
    for name in STREAMS:
        assert text_of(events, name) == data_of(events, name).decode("utf-8", "replace")


@given(payload)
def test_only_what_may_begin_a_marker_is_kept_back(data: bytes) -> None:
    reader = LogReader()
    reader.receive(OUT)
    reader.receive(data)
    kept_back = data_of(reader.finish(), "stdout")
    assert kept_back in (b"", b"\x01", b"\x01\x01", b"\x02", b"\x02\x02")
    if data[-1:] not in (b"\x01", b"\x02"):
        assert not kept_back


def test_a_prompt_of_one_byte_is_not_withheld() -> None:
    reader = LogReader()
    assert reader.receive(OUT + b"a\n")
    assert reader.receive(b">") == [LogEvent("stdout", ">", b">")]


def test_a_line_is_marked_and_the_last_one_gets_its_line_end() -> None:
    multiplexer = Multiplexer()
    log = multiplexer.send(STDOUT, b"one\ntwo\nth") + multiplexer.send(STDOUT, b"ree") + multiplexer.finish()
    assert log == OUT + b"one\n" + OUT + b"two\n" + OUT + b"three\n"
    assert Multiplexer().finish() == b""


@given(writes)
def test_every_stream_ends_with_a_line_end_unless_it_is_empty(parts: list[tuple[Stream, bytes]]) -> None:
    multiplexer = Multiplexer()
    log = b"".join(multiplexer.send(stream, data) for stream, data in parts) + multiplexer.finish()
    for stream, data in split(log).items():
        written = b"".join(piece for to, piece in parts if to == stream)
        assert data == (written + b"\n" if written and not written.endswith(b"\n") else written)
