"""A platform of long streams: logs, a terminal, and files, as the real one sends them, from canned bytes.

`python -m benchmarks.streams` prints its port. Every connection has a thread, whose work is mostly one call of `sendall`
for a piece of a megabyte: it is not what a client waits for.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import struct
import threading
import time

from benchmarks.stub import response, sandbox

PIECE = 1 << 20
CHUNK = 32 * 1024
BOUNDARY = b"DAYTONA-FILE-BOUNDARY"
BINARY, CLOSE = 2, 8
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Connection:
    """One client, served until it leaves."""

    def __init__(self, sock: socket.socket, origin: str) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._file = io.BufferedReader(sock.makefile("rb", buffering=0), 256 * 1024)
        self._sandbox = response(sandbox(0, origin))

    def serve(self) -> None:
        """Answer one request after the other."""
        try:
            while line := self._file.readline():
                self._answer(line.split()[1].decode(), self._fields())
        except (ConnectionError, ValueError):
            pass
        finally:
            self._file.close()  # the socket stays open for as long as one of the two is
            self._sock.close()

    def _fields(self) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        return fields

    def _answer(self, target: str, fields: dict[bytes, bytes]) -> None:
        if b"sec-websocket-key" in fields:
            self._shake_hands(fields[b"sec-websocket-key"])
            self._send_log(target) if "/logs" in target else self._echo()
            raise ConnectionError
        body = self._body(fields)
        if target.endswith("/files/bulk-download"):
            self._send_file(int(json.loads(body)["paths"][0]))
        elif target.endswith("/files/bulk-upload"):
            self._sock.sendall(response({"files": [{"path": "file", "bytes": 0}]}))
        elif "/command/" in target:
            self._sock.sendall(response({"id": "command", "command": "x", "exitCode": 0}))
        else:
            self._sock.sendall(self._sandbox)

    def _body(self, fields: dict[bytes, bytes]) -> bytes:
        """Return the beginning of the body; the rest of a large one is dropped."""
        if fields.get(b"transfer-encoding") == b"chunked":
            while size := int(self._file.readline(), 16):
                self._drop(size + 2)
            self._drop(2)
            return b""
        length = int(fields.get(b"content-length", b"0"))
        kept = self._file.read(min(length, 65536))
        self._drop(length - len(kept))
        return kept

    def _drop(self, size: int) -> None:
        buffer = memoryview(bytearray(min(size, PIECE)))
        while size > 0:
            size -= self._file.readinto(buffer[: min(size, PIECE)])

    # -- Files ----------------------------------------------------------------------------------------------------

    def _send_file(self, size: int) -> None:
        """Send one file as the daemon does: one part, in chunks of what it reads at a time."""
        head = (
            b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%d"; filename*=utf-8\'\'%d\r\n'
            % (
                BOUNDARY,
                size,
                size,
            )
        )
        head += b"Content-Length: %d\r\nContent-Type: application/octet-stream\r\n\r\n" % size
        self._sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=%b\r\n" % BOUNDARY
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + chunk(head)
        )
        piece = chunk(b"0123456789abcde\n" * (CHUNK // 16)) * (PIECE // CHUNK)
        for _ in range(size // PIECE):
            self._sock.sendall(piece)
        self._sock.sendall(chunk(b"\r\n--%b--\r\n" % BOUNDARY) + b"0\r\n\r\n")

    # -- WebSockets -----------------------------------------------------------------------------------------------

    def _shake_hands(self, key: bytes) -> None:
        token = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self._sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n"
        )

    def _send_log(self, target: str) -> None:
        """Send a log of one stream, in frames of the size that the command's name gives."""
        time.sleep(
            0.05
        )  # the official blocking client loses what comes right behind the handshake, and waits for ever
        frame, total = map(int, target.split("/command/")[1].split("/")[0].split("-"))
        self._sock.sendall(binary(b"\x01\x01\x01"))
        line = binary(
            (b"a line of a log, as long as lines are in the logs of most programs, more or less\n" * 410)[
                :frame
            ]
        )
        many = max(1, PIECE // frame)
        for sent in range(0, total // frame, many):
            self._sock.sendall(line * min(many, total // frame - sent))
        self._sock.sendall(b"\x88\x02" + struct.pack(">H", 1000))
        self._sock.shutdown(socket.SHUT_WR)  # the official blocking client reads on until the connection ends
        self._file.read()

    def _echo(self) -> None:
        """Be a terminal that repeats what is typed."""
        control = json.dumps({"type": "control", "status": "connected"}).encode()
        self._sock.sendall(bytes([0x81, len(control)]) + control)
        opcode = 0
        while opcode != CLOSE and len(head := self._file.read(2)) == 2:
            opcode, length = head[0] & 0x0F, head[1] & 0x7F  # keystrokes, closes and pings are all short
            mask, data = self._file.read(4), self._file.read(length)
            if opcode == BINARY:
                self._sock.sendall(binary(bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))))


def chunk(data: bytes) -> bytes:
    """Return one chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def binary(data: bytes) -> bytes:
    """Return one binary frame."""
    size = len(data)
    return (bytes([0x82, size]) if size < 126 else struct.pack(">BBH", 0x82, 126, size)) + data


def main() -> None:
    """Serve until killed."""
    server = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = server.getsockname()[1]
    print(port, flush=True)
    while True:
        client, _address = server.accept()
        connection = Connection(client, f"http://127.0.0.1:{port}")
        threading.Thread(target=connection.serve, daemon=True).start()


if __name__ == "__main__":
    main()
