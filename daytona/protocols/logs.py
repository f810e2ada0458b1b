"""The log of a command: two streams in one, taken apart and put together.

On the wire three bytes 01 say "stdout from here on" and three bytes 02 "stderr from here on". Nothing escapes them, so
whoever reads looks for the leftmost three equal marker bytes, again and again:

    01 01 01 h e l l o \\n 02 02 02 o o p s \\n 01 01 01 w o r l d \\n

Because the two markers have no byte in common they cannot overlap each other, and within a stream's run every further
marker of its own says nothing new. So `Demultiplexer` only looks for the *other* stream's marker, which one search for
a single byte nearly always answers, and removes the own ones from what lies before it. At the end of a piece it keeps
back what may be the beginning of a marker, two bytes at most, and nothing else.

`Multiplexer` writes what such a reader understands. The real daemon lets payload that looks like a marker be taken for
one. Ours breaks it up by a visit to the other stream and back, which every reader takes for what it is:

    payload 01 01 01 on stdout   →   01 01 | 02 02 02 | 01 01 01 | 01
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..models.process import LogEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STDERR", "STDOUT", "Demultiplexer", "LogReader", "Multiplexer", "Stream", "split"]

Stream: TypeAlias = Literal[1, 2]
"""A stream, by the byte of its marker."""

STDOUT: Final[Stream] = 1
STDERR: Final[Stream] = 2
_MARKERS: Final = {STDOUT: b"\x01\x01\x01", STDERR: b"\x02\x02\x02"}
_OTHER: Final[dict[Stream, Stream]] = {STDOUT: STDERR, STDERR: STDOUT}
_NAMES: Final[dict[Stream, Literal["stdout", "stderr"]]] = {STDOUT: "stdout", STDERR: "stderr"}

_Utf8Decoder: Final = codecs.getincrementaldecoder("utf-8")


# -- Reading ----------------------------------------------------------------------------------------------------------


class Demultiplexer:
    """Takes a log apart; what comes before the first marker belongs to no stream and is dropped."""

    def __init__(self) -> None:
        self._stream: Stream | None = None
        self._held = b""

    def receive(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """Yield what *data* adds to the streams, in order; no piece is empty."""
        buffer = self._held + data if self._held else data
        position = 0
        while (found := self._next_switch(buffer, position)) is not None:
            at, stream = found
            if piece := self._payload(buffer[position:at]):
                yield piece
            self._stream = stream
            position = at + 3
        rest = buffer[position:] if position else buffer
        end = len(rest) - _undecided(rest)
        self._held = rest[end:]
        if piece := self._payload(rest[:end]):
            yield piece

    def finish(self) -> Iterator[tuple[Stream, bytes]]:
        """Yield what was kept back: the log has ended, so it began no marker."""
        held, self._held = self._held, b""
        if piece := self._payload(held):
            yield piece

    def _next_switch(self, buffer: bytes, start: int) -> tuple[int, Stream] | None:
        """Return where the next marker of another stream is, and whose."""
        if self._stream is not None:
            other = _OTHER[self._stream]
            at = _find(buffer, other, start)
            return (at, other) if at >= 0 else None
        return min(
            ((at, stream) for stream in _OTHER if (at := _find(buffer, stream, start)) >= 0), default=None
        )

    def _payload(self, run: bytes) -> tuple[Stream, bytes] | None:
        if self._stream is None:
            return None
        # A search for one byte is fifty times as fast as one for three, and mostly says no.
        payload = run.replace(_MARKERS[self._stream], b"") if self._stream in run else run
        return (self._stream, payload) if payload else None


def _find(buffer: bytes, stream: Stream, start: int) -> int:
    """Return where a marker begins: the search for one byte is the fast one, and mostly says no or hits a marker."""
    at = buffer.find(stream, start)
    if at < 0 or buffer.startswith(_MARKERS[stream], at):
        return at
    return buffer.find(_MARKERS[stream], at + 1)


def _undecided(run: bytes) -> int:
    """Return how many bytes at the end may begin a marker: what whole markers leave of the last run of equal bytes."""
    last = run[-1:]
    if last not in (b"\x01", b"\x02"):
        return 0
    return (len(run) - len(run.rstrip(last))) % 3


class LogReader:
    """Turns a log into events with text; a character is never replaced because pieces end inside it.

    Bytes that are no UTF-8 become U+FFFD in the text, and stay what they are in the data.
    """

    def __init__(self) -> None:
        self._demultiplexer = Demultiplexer()
        self._decoders = {stream: _Utf8Decoder("replace") for stream in _NAMES}
        self._between_characters = {STDOUT: True, STDERR: True}

    def receive(self, data: bytes) -> list[LogEvent]:
        """Return the events that *data* brings, as early as they can be told."""
        return [self._event(stream, piece) for stream, piece in self._demultiplexer.receive(data)]

    def finish(self) -> list[LogEvent]:
        """Return the rest: the log has ended."""
        events = [self._event(stream, piece) for stream, piece in self._demultiplexer.finish()]
        for stream, name in _NAMES.items():
            if text := self._decoders[stream].decode(b"", final=True):
                events.append(LogEvent(name, text, b""))
        return events

    def _event(self, stream: Stream, data: bytes) -> LogEvent:
        """Decode directly what begins and ends between characters: a third of the cost of the incremental decoder."""
        if self._between_characters[stream] and data[-1] < 0x80:
            return LogEvent(_NAMES[stream], data.decode("utf-8", "replace"), data)
        decoder = self._decoders[stream]
        text = decoder.decode(data)
        self._between_characters[stream] = not decoder.getstate()[0]
        return LogEvent(_NAMES[stream], text, data)


def split(log: bytes) -> dict[Stream, bytes]:
    """Return both streams of a whole log."""
    demultiplexer = Demultiplexer()
    collected: dict[Stream, bytearray] = {STDOUT: bytearray(), STDERR: bytearray()}
    for stream, piece in [*demultiplexer.receive(log), *demultiplexer.finish()]:
        collected[stream] += piece
    return {stream: bytes(data) for stream, data in collected.items()}


# -- Writing ----------------------------------------------------------------------------------------------------------

_LOOKS_LIKE_A_MARKER: Final = re.compile(rb"\x01\x01(?=\x01)|\x02\x02(?=\x02)")


class Multiplexer:
    """Puts two streams into one log, with a marker before every line, as the real daemon writes it."""

    def __init__(self) -> None:
        self._stream: Stream | None = None
        self._last = b""
        self._unfinished: dict[Stream, bool] = {STDOUT: False, STDERR: False}

    def send(self, stream: Stream, data: bytes) -> bytes:
        """Return what to append to the log so that *data* is added to *stream*."""
        if not data:
            return b""
        marker = _MARKERS[stream]
        lines = _broken_up(stream, data).replace(b"\n", b"\n" + marker)
        self._unfinished[stream] = not data.endswith(b"\n")
        return self._turn_to(stream, data[-1:]) + (lines if self._unfinished[stream] else lines[:-3])

    def finish(self) -> bytes:
        """Return what to append at the end: the line ends that the streams' last lines lack."""
        return b"".join(
            self.send(stream, b"\n") for stream, unfinished in self._unfinished.items() if unfinished
        )

    def _turn_to(self, stream: Stream, last: bytes) -> bytes:
        """Return the markers after which *stream* goes on, whatever the log ends with."""
        before, self._last = self._last, last
        current, self._stream = self._stream, stream
        if current == stream and before not in (b"\n", b"\x01", b"\x02"):
            return b""
        return _markers_after(before, stream)


def _markers_after(before: bytes, stream: Stream) -> bytes:
    """Return what leads to *stream* when the byte *before* must not be read as part of it.

    A marker right after its own byte would be read one byte too early, so the other one goes in between.
    """
    marker = _MARKERS[stream]
    return _MARKERS[_OTHER[stream]] + marker if before and marker.startswith(before) else marker


def _broken_up(stream: Stream, data: bytes) -> bytes:
    """Return *data* with no three equal marker bytes in a row."""
    if not any(marker in data for marker in _MARKERS.values()):
        return data
    return _LOOKS_LIKE_A_MARKER.sub(lambda pair: pair[0] + _markers_after(pair[0][:1], stream), data)
