"""Log streams recorded from a real toolbox daemon of v0.190, replayed frame by frame, and ways to end that it did not show."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from daytona import DaytonaConfig, DaytonaError, DaytonaNotFoundError
from daytona.protocols.websocket import accept_token
from daytona.services import _following
from tests.conftest import open_client
from tests.recordings import exchanges
from tests.wire.raw_server import Peer, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

STREAMS = {exchange["name"]: exchange for exchange in exchanges() if exchange["name"].startswith("logsws_")}
BINARY, TEXT, CLOSE, PING = 0x82, 0x81, 0x88, 0x89
OUT, ERR = b"\x01\x01\x01", b"\x02\x02\x02"


def numbers(last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(1, last + 1))


EXPECTED: dict[str, tuple[bytes, bytes]] = {
    "logsws_binary": (b"\xff\xfe\x80\n\xc3\xa9\n", b"err\xf0\x9f\n\n"),
    "logsws_partial_lines": (b"abcd\n", b"prompt> x\n"),
    "logsws_after_exit": (b"quick\n", b"qerr\n"),
    "logsws_no_sdk_combined": (b"", b""),  # no markers: it belongs to no stream
    "logsws_big_chunks": (numbers(4000), numbers(500)),
    "logsws_long_line": (b"L" * 5000 + b"\nend\n", b""),
    "logsws_ping_and_text": (b"pong\n", b""),
    "logsws_client_close": (b"a\n", b""),
    "logsws_entrypoint": (b"entry out\n", b"entry err\n"),
}


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return a frame as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes([kind, size]) + payload
    return bytes([kind, 126]) + size.to_bytes(2, "big") + payload


def closing(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


def recorded(exchange: dict[str, Any]) -> bytes:
    """Return what the server of a recording sent."""
    sent = b""
    for each in exchange["frames"]:
        if each["dir"] == "in" and each["opcode"] in ("binary", "text"):
            payload = base64.b64decode(each["b64"]) if "b64" in each else each["text"].encode()
            sent += frame(BINARY if each["opcode"] == "binary" else TEXT, payload)
        elif each["dir"] == "in" and each["opcode"] == "close":
            sent += closing(each["code"], each["reason"])
    return sent


def speaks(
    *streams: bytes, piece: int = 1 << 20, over: dict[str, Any] | None = None
) -> Callable[[Peer], None]:
    """Return a server: one WebSocket after another sends one of *streams* and hangs up; plain requests get *over*."""
    left = list(streams)

    def serve(peer: Peer) -> None:
        while True:
            head = _head(peer)
            if not head:
                return
            if "Sec-WebSocket-Key" not in head:
                peer.answer(json.dumps(_plain(head, peer.url, over or {})).encode())
                continue
            nonce = base64.b64decode(head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0])
            answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_token(nonce)}\r\n\r\n"
            peer.send(answer.encode())
            stream = left.pop(0)
            for start in range(0, len(stream), piece):
                peer.send(stream[start : start + piece])
            return

    return serve


def _head(peer: Peer) -> str:
    """Return the head of the next request, nothing when the client has closed."""
    head = b""
    while (line := peer._file.readline()) not in (b"\r\n", b""):
        head += line
    return head.decode()


def _plain(head: str, url: str, over: dict[str, Any]) -> dict[str, Any]:
    path = head.split()[1]
    if path.endswith("/logs"):
        return {"output": over["output"], "stdout": "", "stderr": ""}
    if "/process/" in path:
        return {"id": "c", "command": "x", **({"exitCode": 0} if over else {})}
    return {"id": "sb-1", "state": "started", "toolboxProxyUrl": f"{url}/toolbox"}


async def follow(
    face: str, serve: Callable[[Peer], None], *, entrypoint: bool = False
) -> tuple[bytes, bytes]:
    """Return both streams of what a server sends."""
    collected = {"stdout": bytearray(), "stderr": bytearray()}
    with RawServer(serve) as server:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=f"{server.url}/api")) as daytona:
            process = (await daytona.get("sb-1")).process
            if entrypoint:
                events = process.stream_entrypoint_logs()
            else:
                events = process.stream_session_command_logs("s", "c")
            async for event in events:
                collected[event.stream] += event.data
    return bytes(collected["stdout"]), bytes(collected["stderr"])


# -- What was recorded ------------------------------------------------------------------------------------------------


def test_every_recorded_stream_is_expected() -> None:
    assert EXPECTED.keys() | {"logsws_missing_command"} == STREAMS.keys()


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", EXPECTED)
async def test_a_recorded_stream_comes_out_as_it_was(face: str, name: str, piece: int) -> None:
    stream = recorded(STREAMS[name])
    if piece == 1 and len(stream) > 2000:
        pytest.skip("long, and the shorter ones show it")
    assert await follow(face, speaks(stream, piece=piece), entrypoint="entry" in name) == EXPECTED[name]


async def test_an_unknown_command_is_the_recorded_404(face: str) -> None:
    exchange = STREAMS["logsws_missing_command"]

    def serve(peer: Peer) -> None:
        peer.request()
        peer.answer(json.dumps(_plain("GET /api/sandbox/sb-1", peer.url, {})).encode())
        peer.request()
        peer.answer(exchange["handshake"]["body_text"].encode(), "404 Not Found")

    with pytest.raises(DaytonaNotFoundError, match="command not found") as caught:
        await follow(face, serve)
    assert caught.value.code == "NOT_FOUND"
    assert caught.value.sandbox_id == "sb-1"


# -- Ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (closing(1011, "read failed"), r"read failed \(close code 1011\)"),
        (closing(4000), r"\(close code 4000\)"),
        (frame(CLOSE), r"\(close code 1005\)"),
    ],
)
async def test_another_close_code_is_an_error(face: str, end: bytes, message: str) -> None:
    with pytest.raises(DaytonaError, match=message):
        await follow(face, speaks(frame(BINARY, OUT + b"a\n") + end))


async def test_text_frames_are_their_utf8(face: str) -> None:
    stream = frame(TEXT, OUT + "grüße\n".encode()) + frame(PING, b"x") + closing(1000)
    assert await follow(face, speaks(stream)) == ("grüße\n".encode(), b"")


async def test_a_log_that_ends_without_a_close_frame_has_ended_when_its_command_has(face: str) -> None:
    log = OUT + b"all of it\n"
    serve = speaks(frame(BINARY, log), over={"output": log.decode()})
    assert await follow(face, serve) == (b"all of it\n", b"")


async def test_what_a_random_prefix_lacks_comes_from_the_plain_log(face: str) -> None:
    log = OUT + b"one\n" + ERR + "zwö\n".encode() + OUT + b"three\n"
    serve = speaks(frame(BINARY, log[:13]), over={"output": log.decode()})
    assert await follow(face, serve) == (b"one\nthree\n", "zwö\n".encode())


async def test_a_command_that_runs_on_is_followed_by_the_next_connection(face: str) -> None:
    log = OUT + b"one\n" + ERR + b"two\n" + OUT + b"\xff three\n"
    cuts = (
        frame(BINARY, log[:5]),
        b"",
        frame(BINARY, log[:9]) + b"\x82\x7e",
        frame(BINARY, log) + closing(1000),
    )
    assert await follow(face, speaks(*cuts)) == (b"one\n\xff three\n", b"two\n")


async def test_a_log_that_nobody_can_complete_ends_where_the_server_always_ends(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_following, "FIRST_PAUSE", 0.001)
    log = OUT + b"one\xff\n"
    serve = speaks(*[frame(BINARY, log)] * 7, over={"output": log.decode("utf-8", "replace")})
    assert await follow(face, serve) == (b"one\xff\n", b"")
