"""What the Autobahn test suite asks of a client, its groups 1 to 7, said again without a network.

The suite itself needs Python 2. The numbers are its own: https://github.com/crossbario/autobahn-testsuite. Every case is
played on both paths of the machine, in one piece, frame by frame and byte by byte.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from daytona.protocols.websocket import Binary, ClientWebSocket, Closed, Event, Ponged, Text

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, payload: bytes | str = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """Return a server's frame; *reserved* are the three bits that mean nothing."""
    data = payload.encode() if isinstance(payload, str) else payload
    if len(data) < 126:
        length = bytes([len(data)])
    elif len(data) < 65536:
        length = b"\x7e" + len(data).to_bytes(2, "big")
    else:
        length = b"\x7f" + len(data).to_bytes(8, "big")
    return bytes([fin << 7 | reserved << 4 | opcode]) + length + data


def close(code: int | None = None, reason: bytes | str = b"") -> bytes:
    """Return a close frame."""
    data = reason.encode() if isinstance(reason, str) else reason
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + data)


def text(payload: bytes | str = b"", *, fin: bool = True) -> bytes:
    return frame(TEXT, payload, fin=fin)


def more(payload: bytes | str = b"", *, fin: bool = True) -> bytes:
    return frame(CONTINUED, payload, fin=fin)


class Case(NamedTuple):
    """What the server sends, and what is to come of it."""

    number: str
    frames: list[bytes]
    messages: list[str | bytes] = []
    pongs: list[bytes] = []
    """The answers to pings."""
    ponged: list[bytes] = []
    ends: int | None = None
    """The code of the close that we send: the server's own, or why we fail the connection."""
    reason: str | None = None


SIZES = (0, 125, 126, 127, 128, 65535, 65536)
FRAMING = [
    *(Case(f"1.1.{n}", [text("*" * size)], ["*" * size]) for n, size in enumerate(SIZES, 1)),
    *(Case(f"1.2.{n}", [frame(BINARY, b"\xfe" * size)], [b"\xfe" * size]) for n, size in enumerate(SIZES, 1)),
]

PINGS = [
    Case("2.1", [frame(PING)], pongs=[b""]),
    Case("2.2", [frame(PING, "Hello, world!")], pongs=[b"Hello, world!"]),
    Case(
        "2.3", [frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")], pongs=[b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"]
    ),
    Case("2.4", [frame(PING, b"\xfe" * 125)], pongs=[b"\xfe" * 125]),
    Case("2.5", [frame(PING, b"\xfe" * 126)], ends=1002),
    Case("2.7", [frame(PONG)], ponged=[b""]),
    Case("2.8", [frame(PONG, "unsolicited")], ponged=[b"unsolicited"]),
    Case("2.9", [frame(PONG, "unsolicited"), frame(PING, "x")], pongs=[b"x"], ponged=[b"unsolicited"]),
    Case(
        "2.10", [frame(PING, f"payload-{n}") for n in range(10)], pongs=[b"payload-%d" % n for n in range(10)]
    ),
]

RESERVED = [
    *(
        Case(f"3.{bits}", [text("a"), frame(TEXT, "b", reserved=bits)], ["a"], ends=1002)
        for bits in range(1, 8)
    ),
    *(Case(f"3.{bits}-ping", [frame(PING, "b", reserved=bits)], ends=1002) for bits in range(1, 8)),
]

OPCODES = [
    Case(f"4.{group}.{n}", [text("a"), frame(opcode, payload), frame(PING)], ["a"], ends=1002)
    for group, first in ((1, 3), (2, 11))
    for n, (opcode, payload) in enumerate(
        zip(range(first, first + 5), ("", "x", "x", "x", "x"), strict=True), 1
    )
]

FRAGMENTS = [
    Case("5.1", [frame(PING, "a", fin=False), more("b")], ends=1002),
    Case("5.2", [frame(PONG, "a", fin=False), more("b")], ends=1002),
    Case("5.3", [text("a", fin=False), more("b")], ["ab"]),
    Case("5.6", [text("a", fin=False), frame(PING, "p"), more("b")], ["ab"], pongs=[b"p"]),
    Case("5.9", [more("a"), text("b")], ends=1002),
    Case("5.12", [more("a", fin=False), text("b")], ends=1002),
    Case("5.15", [text("a", fin=False), more("b"), more("c"), text("d")], ["ab"], ends=1002),
    Case("5.16", [more("a", fin=False), text("b", fin=False), more("c")], ends=1002),
    Case("5.18", [text("a", fin=False), text("b")], ends=1002),
    Case("5.18-binary", [text("a", fin=False), frame(BINARY, b"b")], ends=1002),
    Case("5.18-ping", [text("a", fin=False), frame(PING, "p"), text("b")], ends=1002, pongs=[b"p"]),
    Case("5.18-twice", [frame(BINARY, b"a", fin=False), frame(BINARY, b"b")], ends=1002),
    Case(
        "5.19",
        [
            text("1", fin=False),
            more("2", fin=False),
            frame(PING, "p"),
            more("3", fin=False),
            more("4", fin=False),
            frame(PING, "q"),
            more("5"),
        ],
        ["12345"],
        pongs=[b"p", b"q"],
    ),
    Case("5-binary", [frame(BINARY, b"\xff", fin=False), more(fin=False), more(b"\xfe")], [b"\xff\xfe"]),
]

KAPPA = "Hello-µ@ßöäüàá-UTF-8!!"
GREEK = "κόσμε"
ENDS_BADLY = GREEK.encode() + b"\xed\xa0\x80" + b"edited"
VALID = {
    "6.5": [GREEK],
    "6.7": ["\x00", "\x80", "\u0800", "\U00010000"],
    "6.9": ["\x7f", "\u07ff", "\uffff", "\U0010ffff"],
    "6.11": ["\ud7ff", "\ue000", "\ufffd"],
    "6.22": ["\ufffe", "\U0001fffe", "\U0001ffff", "\U0010fffe"],
}
INVALID = {
    "6.3": [ENDS_BADLY],
    "6.6": [GREEK.encode()[:-1], b"\xce", b"\xf0\x9d"],
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.12": [b"\xf4\x90\x80\x80"],
    "6.13": [b"\x80", b"\xbf", b"\x80\xbf", b"\x80" * 7],
    "6.14": [b"\xc0 \xc1 ", b"\xe0 ", b"\xf0 ", b"\xff"],
    "6.15": [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80"],
    "6.17": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.18": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf"],
    "6.19": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"],
    "6.20": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"],
    "6.21": [b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80"],
}
UTF8 = [
    Case("6.1.1", [text()], [""]),
    Case("6.1.2", [text(fin=False), more(fin=False), more()], [""]),
    Case("6.1.3", [text(fin=False), more("middle", fin=False), more()], ["middle"]),
    Case("6.2.1", [text(KAPPA)], [KAPPA]),
    Case("6.2.2", [text(KAPPA.encode()[:7], fin=False), more(KAPPA.encode()[7:])], [KAPPA]),
    Case("6.2.3", [text(fin=False), *(more(bytes([b]), fin=False) for b in KAPPA.encode()), more()], [KAPPA]),
    *(Case(f"{n}.{i}", [text(good)], [good]) for n, all_of in VALID.items() for i, good in enumerate(all_of)),
    *(
        Case(f"{n}.{i}", [text(bad)], ends=1007)
        for n, all_of in INVALID.items()
        for i, bad in enumerate(all_of)
    ),
    # 6.4: the failure comes with the first byte that cannot be right, however much is still to come.
    Case("6.4.1", [text(GREEK.encode() + b"\xf4", fin=False), more(b"\x90", fin=False)], ends=1007),
    Case("6.4.3", [text(GREEK.encode() + b"\xf4\x90\x80\x80edited")[:-6]], ends=1007),
]

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
CLOSES = [
    Case("7.1.1", [text("a"), close(1000)], ["a"], ends=1000),
    Case("7.1.2", [close(1000), close(1000)], ends=1000),
    Case("7.1.3", [close(1000), frame(PING)], ends=1000),
    Case("7.1.4", [close(1000), text("late")], ends=1000),
    Case("7.1.5", [text("a", fin=False), close(1000), more("b")], ends=1000),
    Case("7.3.1", [close()], ends=1005),
    Case("7.3.2", [frame(CLOSE, b"a")], ends=1002),
    Case("7.3.3", [close(1000)], ends=1000, reason=""),
    Case("7.3.4", [close(1000, "Hello World!")], ends=1000, reason="Hello World!"),
    Case("7.3.5", [close(1000, "*" * 123)], ends=1000, reason="*" * 123),
    Case("7.3.6", [close(1000, "*" * 124)], ends=1002),
    Case("7.5.1", [close(1000, ENDS_BADLY)], ends=1007),
    *(Case(f"7.7.{n}", [close(code)], ends=code) for n, code in enumerate(GOOD_CODES, 1)),
    *(Case(f"7.9.{n}", [close(code)], ends=1002) for n, code in enumerate(BAD_CODES, 1)),
]

CASES = [*FRAMING, *PINGS, *RESERVED, *OPCODES, *FRAGMENTS, *UTF8, *CLOSES]


class Outcome:
    """What a client makes of what it is sent."""

    def __init__(self, pieces: list[bytes], *, fast: bool) -> None:
        self.messages: list[str | bytes] = []
        self.ponged: list[bytes] = []
        self.closed: list[Closed] = []
        self._begun: list[str | bytes] = []
        machine = ClientWebSocket(fast=fast)
        sent = b""
        for piece in pieces:
            for event in machine.receive(piece):
                self._take(event)
            sent += machine.outgoing()
        self.sent = unmasked(sent)
        assert machine.closed == bool(self.closed)

    def _take(self, event: Event) -> None:
        assert not self.closed, "nothing comes after the end"
        match event:
            case Text(data, last) | Binary(data, last):
                self._begun.append(data)
                if last:
                    self.messages.append(type(data)().join(self._begun))  # type: ignore[arg-type]  # all of one kind
                    self._begun.clear()
            case Ponged(payload):
                self.ponged.append(payload)
            case Closed():
                self.closed.append(event)
            case _:
                raise AssertionError(event)


def unmasked(data: bytes) -> list[tuple[int, bytes]]:
    """Return the opcodes and payloads of a client's frames, which must be masked, whole and short."""
    found: list[tuple[int, bytes]] = []
    while data:
        assert data[0] & 0xF0 == 0x80
        assert data[1] & 0x80
        length, mask = data[1] & 0x7F, data[2:6]
        assert length <= 125
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data[6 : 6 + length]))
        found.append((data[0] & 0x0F, payload))
        data = data[6 + length :]
    return found


SPLITS = {
    "whole": lambda frames: [b"".join(frames)],
    "frames": list,
    "bytes": lambda frames: [bytes([byte]) for byte in b"".join(frames)],
    "997": lambda frames: [b"".join(frames)[i : i + 997] for i in range(0, len(b"".join(frames)), 997)],
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.number)
def test_case(case: Case) -> None:
    for split in SPLITS:
        if split != "bytes" or sum(map(len, case.frames)) < 1000:
            for fast in (True, False):
                check(case, Outcome(SPLITS[split](case.frames), fast=fast), f"{split=} {fast=}")


def check(case: Case, outcome: Outcome, how: str) -> None:
    pongs = [payload for opcode, payload in outcome.sent if opcode == PONG]
    assert (outcome.messages, outcome.ponged, pongs) == (case.messages, case.ponged, case.pongs), how
    closes = [payload for opcode, payload in outcome.sent if opcode == CLOSE]
    if case.ends is None:
        assert (closes, outcome.closed) == ([], []), how
        return
    assert [event.code for event in outcome.closed] == [case.ends], how
    # 1005 stands for "no code": it is told, and never sent.
    code = b"" if case.ends == 1005 else case.ends.to_bytes(2, "big")
    assert [payload[:2] for payload in closes] == [code], how
    assert case.reason is None or outcome.closed[0].reason == case.reason, how
    assert outcome.sent[-1][0] == CLOSE, how


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_a_mask_from_a_server_fails_the_connection(size: int, fast: bool) -> None:
    """RFC 6455, 5.1; the suite asks it of servers only."""
    plain = frame(BINARY, b"x" * size)
    masked = (
        plain[:1]
        + bytes([plain[1] | 0x80])
        + plain[2 : len(plain) - size]
        + b"\0\0\0\0"
        + plain[len(plain) - size :]
    )
    outcome = Outcome([masked], fast=fast)
    assert outcome.messages == []
    assert [event.code for event in outcome.closed] == [1002]
