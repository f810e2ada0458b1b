"""A server that replays a recorded WebSocket: it sends what the real one sent, each time after it got what that one got."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from daytona.protocols.websocket import accept_token
from tests.recordings import exchanges

if TYPE_CHECKING:
    from tests.wire.raw_server import Peer


def recorded(beginning: str) -> dict[str, dict[str, Any]]:
    """Return the recorded exchanges whose names begin with *beginning*, by the rest of the name."""
    return {
        exchange["name"].removeprefix(beginning): exchange
        for exchange in exchanges()
        if exchange["name"].startswith(beginning)
    }


def payload(frame: dict[str, Any]) -> bytes:
    """Return a recorded frame's payload."""
    return base64.b64decode(frame["b64"]) if "b64" in frame else str(frame["text"]).encode()


def sent(frames: list[dict[str, Any]], direction: str) -> list[bytes]:
    """Return the data that went in a direction, message by message."""
    return [payload(f) for f in frames if f["dir"] == direction and f["opcode"] in ("text", "binary")]


class Canned:
    """Serves a sandbox whose WebSockets play *frames*, and remembers what clients sent."""

    def __init__(
        self, frames: list[dict[str, Any]], answers: dict[str, tuple[str, bytes]] | None = None
    ) -> None:
        self.heads: list[str] = []
        self.received: list[bytes] = []
        self._frames = frames
        self._answers = answers or {}

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        while head := _head(peer):
            self.heads.append(head)
            if "Content-Length: " in head:
                peer._file.read(int(head.partition("Content-Length: ")[2].partition("\r\n")[0]))
            call = " ".join(head.split()[:2]).partition("?")[0].replace("/toolbox/sb-1", "")
            if call in self._answers:
                status, body = self._answers[call]
                peer.answer(body, status)
            elif "Sec-WebSocket-Key" in head:
                _accept(peer, head)
                self._play(peer)
                return
            else:
                sandbox = {"id": "sb-1", "state": "started", "toolboxProxyUrl": f"{peer.url}/toolbox"}
                peer.answer(json.dumps(sandbox).encode())

    def _play(self, peer: Peer) -> None:
        machine = Connection(ConnectionType.SERVER)
        for frame in self._frames:
            match frame:
                case {"dir": "in", "opcode": "text" | "binary"}:
                    text = frame["opcode"] == "text"
                    data = payload(frame)
                    peer.send(
                        machine.send(TextMessage(data=data.decode()) if text else BytesMessage(data=data))
                    )
                case {"dir": "in", "opcode": "close"}:
                    peer.send(
                        machine.send(CloseConnection(code=frame["code"], reason=frame["reason"] or None))
                    )
                case {"dir": "out", "opcode": "text" | "binary"}:
                    self.received.append(_message(peer, machine))
                case _:
                    pass


def _head(peer: Peer) -> str:
    """Return the head of the next request, nothing when the client has closed."""
    head = b""
    while (line := peer._file.readline()) not in (b"\r\n", b""):
        head += line
    return head.decode()


def _accept(peer: Peer, head: str) -> None:
    nonce = base64.b64decode(head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0])
    fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_token(nonce)}"
    peer.send(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n".encode())


def _message(peer: Peer, machine: Connection) -> bytes:
    """Return the next message of the client."""
    data = b""
    while True:
        for event in machine.events():
            if isinstance(event, TextMessage | BytesMessage):
                data += event.data.encode() if isinstance(event.data, str) else bytes(event.data)
                if event.message_finished:
                    return data
        received = peer._file.read1(65536)
        if not received:
            raise ConnectionResetError("the client has gone")
        machine.receive_data(received)
