"""Handshakes and frames against RFC 6455: whoever sends them is told off, and nobody else notices."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import pytest

from tests.toolbox.raw import CLOSE, PING, TEXT, RefusedError, dropping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.toolbox.raw import Toolbox

RIGHT = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}


@pytest.fixture(scope="module")
def paths(toolbox: Toolbox) -> Iterator[dict[str, str]]:
    """Where there are WebSockets: a terminal, a log that is silent, the interpreter."""
    name = "frames"
    session, terminal = f"/process/session/{name}", f"/process/pty/{name}"
    assert toolbox.post("/process/session", {"sessionId": name}).status == 201
    assert toolbox.post("/process/pty", {"id": name}).status == 201
    command = toolbox.post(f"{session}/exec", {"command": "sleep 600", "runAsync": True}).json["cmdId"]
    yield {
        "terminal": f"{terminal}/connect",
        "log": f"{session}/command/{command}/logs?follow=true",
        "interpreter": "/process/interpreter/execute",
    }
    toolbox.delete(session)
    toolbox.delete(terminal)


def frame(first: int, payload: bytes = b"", *, masked: bool = True) -> bytes:
    """Return a frame; every payload here is short, and its mask changes nothing."""
    length = len(payload)
    head = (
        bytes([first, length | 0x80 * masked])
        if length < 126
        else bytes([first, 0xFE]) + struct.pack(">H", length)
    )
    return head + bytes(4) * masked + payload


@pytest.mark.parametrize("place", ["terminal", "log", "interpreter"])
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0x80 | TEXT, b"x", masked=False), 1002),
        (frame(0xC0 | TEXT, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0x80, b"goes on with nothing"), 1002),
        (frame(PING, b"in pieces"), 1002),
        (frame(0x80 | PING, bytes(126)), 1002),
        (b"\x82" + b"\xff" * 9 + bytes(4), 1002),
        (frame(0x80 | CLOSE, b"x"), 1002),
        (frame(0x80 | CLOSE, struct.pack(">H", 999)), 1002),
        (frame(0x80 | CLOSE, struct.pack(">H", 1000) + b"\xff"), 1007),
        (frame(0x80 | TEXT, b"\xff\xfe"), 1007),
        (frame(0x80 | CLOSE, struct.pack(">H", 1001) + b"bye"), 1001),
        (frame(0x80 | CLOSE), 1005),
    ],
)
def test_a_frame_against_the_rules_ends_its_connection(
    toolbox: Toolbox, paths: dict[str, str], place: str, sent: bytes, code: int
) -> None:
    with dropping(toolbox.websocket(paths[place])) as socket:
        socket.send_raw(sent)
        assert socket.rest()[1].code == code or not toolbox.ours  # v0.190 just hangs up at times
    assert toolbox.get("/process/pty/frames").json["active"]


@pytest.mark.parametrize("place", ["terminal", "log", "interpreter"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Connection", "close"),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Key", "short"),
        ("Sec-WebSocket-Key", ""),
    ],
)
def test_a_handshake_against_the_rules_is_refused(
    toolbox: Toolbox, paths: dict[str, str], place: str, field: str, value: str
) -> None:
    answer = toolbox.request("GET", paths[place], headers={**RIGHT, field: value})
    assert (answer.status, answer.headers["sec-websocket-version"]) == (400, "13")


def test_a_websocket_where_there_is_none_is_not_found(toolbox: Toolbox) -> None:
    with pytest.raises(RefusedError) as caught:
        toolbox.websocket("/nope")
    assert caught.value.status == 404
