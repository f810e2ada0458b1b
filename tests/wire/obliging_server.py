"""A server that answers any call, and plays a few frames to whoever asks for a WebSocket; or stalls wherever it is told to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.wire.anything import answer_anything
from tests.wire.canned_websocket import _accept
from tests.wire.raw_server import Peer, RawServer
from tests.wire.stub_server import Recorded, Reply, as_json

if TYPE_CHECKING:
    from typing import Literal

    Stage = Literal["nothing", "answer", "head", "body", "drip", "frame"]

CONNECTED = {"type": "control", "status": "connected"}
LOG_FRAMES = b"\x82\x07\1\1\1out\n\x88\x02\x03\xe8"


class ObligingServer(RawServer):
    """Answers every request so that the caller is content.

    Args:
        stall: Where to stop and say nothing more: before the answer, in its head, in its body, in a WebSocket's first
            frame; "drip" sends the body slowly, for ever.
    """

    def __init__(self, stall: Stage = "nothing") -> None:
        self._stall = stall
        super().__init__(self._oblige)

    def _oblige(self, peer: Peer) -> None:
        while (request := _read(peer)) is not None:
            if self._stall == "answer":
                peer.wait_until_left()
            elif "Sec-WebSocket-Key" in request.headers and self._stall in ("nothing", "frame"):
                self._stream(peer, request)
                return
            else:
                self._answer(peer, request)

    def _answer(self, peer: Peer, request: Recorded) -> None:
        status, headers, body = answer(request)
        length = len(body)
        if self._stall in ("body", "drip"):
            status, body, length = 200, body[: length // 2], 1 << 20
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} OK\r\n{fields}Content-Length: {length}\r\n\r\n"
        if status == 204 or request.method == "HEAD":
            head, body = f"HTTP/1.1 {status} OK\r\n\r\n", b""
        if self._stall == "head":
            peer.send(head[:20].encode())
            peer.wait_until_left()
        peer.send(head.encode() + body)
        if self._stall == "body":
            peer.wait_until_left()
        while self._stall == "drip":
            peer.send(b" ")
            self.over.wait(0.02)

    def _stream(self, peer: Peer, request: Recorded) -> None:
        fields = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        _accept(peer, fields)
        if self._stall == "frame":
            peer.send(b"\x81\x7e\x01")
        elif request.path.endswith("/logs"):
            peer.send(LOG_FRAMES)
        elif "/process/interpreter/" in request.path:
            peer._file.read(2)
            for message in ({"type": "stdout", "text": "hi\n"}, {"type": "control", "text": "completed"}):
                peer.send(_text(message))
            peer.send(b"\x88\x02\x03\xe8")
        elif "/pty/lsp-" in request.path:
            peer.send(_text(CONNECTED))
            _be_language_server(peer)
        elif "ends" in request.target:
            peer.send(
                _text(CONNECTED) + _text({"type": "control", "status": "exited", "exitCode": 0}) + b"\x88\0"
            )
        else:
            peer.send(_text(CONNECTED) + b"\x82\x02$ ")
        peer.wait_until_left()


def _text(message: object) -> bytes:
    data = json.dumps(message).encode()
    return bytes((0x81, len(data))) + data


def _be_language_server(peer: Peer) -> None:
    """Start as the shell does, and then find nothing to say about any document."""
    _frame(peer)
    peer.send(_binary(b"\x02ready\x03"))
    received = b""
    while True:
        received += _frame(peer)
        while (end := received.find(b"\r\n\r\n")) >= 0:
            size = int(received[:end].lower().partition(b"content-length:")[2].split(b"\r")[0])
            if len(received) < end + 4 + size:
                break
            message = json.loads(received[end + 4 : end + 4 + size])
            received = received[end + 4 + size :]
            for answer in _lsp_answers(message):
                data = json.dumps({"jsonrpc": "2.0", **answer}).encode()
                peer.send(_binary(b"Content-Length: %d\r\n\r\n%b" % (len(data), data)))


def _lsp_answers(message: dict[str, Any]) -> list[dict[str, object]]:
    if message["method"] == "initialize":
        return [{"id": message["id"], "result": {"capabilities": {}}}]
    if message["method"] == "textDocument/didOpen":
        params = {"uri": message["params"]["textDocument"]["uri"], "diagnostics": []}
        return [{"method": "textDocument/publishDiagnostics", "params": params}]
    return [{"id": message["id"], "result": None}] if "id" in message else []


def _frame(peer: Peer) -> bytes:
    """Return the payload of the client's next frame.

    Raises:
        ConnectionError: The client has left.
    """
    head = peer._file.read(2)
    if len(head) < 2:
        raise ConnectionResetError("the client has left")
    length = head[1] & 0x7F
    if length == 126:
        length = int.from_bytes(peer._file.read(2), "big")
    mask, payload = peer._file.read(4), peer._file.read(length)
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def _binary(data: bytes) -> bytes:
    return (
        b"\x82\x7e" + len(data).to_bytes(2, "big") + data
        if len(data) > 125
        else bytes((0x82, len(data))) + data
    )


def _read(peer: Peer) -> Recorded | None:
    """Return the next request, None when the client has left."""
    line = peer._file.readline().decode()
    if not line:
        return None
    headers: dict[str, str] = {}
    while field := peer._file.readline().decode().strip():
        name, _, value = field.partition(": ")
        headers[name] = value
    method, target, _ = line.split()
    return Recorded(method, target, headers, _body(peer, headers))


def _body(peer: Peer, headers: dict[str, str]) -> bytes:
    if headers.get("Transfer-Encoding") != "chunked":
        return peer._file.read(int(headers.get("Content-Length", 0)))
    body = b""
    while size := int(peer._file.readline() or b"0", 16):
        body += peer._file.read(size)
        peer._file.readline()
    peer._file.readline()
    return body


LISTS = ("/git/history", "/volumes", "/warm-pools", "/files/search-all")
PARTS = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Length: 7\r\n\r\ncontent\r\n--B--\r\n'


def answer(request: Recorded) -> Reply:
    """Return what makes the caller content."""
    path = request.path
    if request.method == "HEAD":
        return 404, {}, b""
    if path.endswith(LISTS) and request.method == "GET":
        return as_json([])
    if path.endswith("/bulk-download"):
        return 200, {"Content-Type": "multipart/form-data; boundary=B"}, PARTS
    if path.endswith("/bulk-upload"):
        return as_json({"files": [{"path": "f", "bytes": 7}], "errors": []})
    if path.endswith("/push-access"):
        return as_json(
            {"storageUrl": f"http://{request.headers['Host']}", "bucket": "b", "organizationId": "o"}
        )
    status, headers, body = answer_anything(request)
    if "/stopped-1" in path:
        body = body.replace(b'"started"', b'"stopped"')
    if "/snapshots" in path:
        body = body.replace(b'"started"', b'"active"')
    return status, headers, body
