"""A toolbox asked with nothing but sockets: what is shown here holds for every client."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

PATIENCE = 60.0
VERSION = {"X-Daytona-SDK-Version": "0.226.1"}
ENVELOPE = {"statusCode", "message", "code", "timestamp", "path", "method", "source"}


class Toolbox:
    """One toolbox: ours behind a Unix socket, or any at a URL."""

    def __init__(
        self,
        dial: Callable[[], socket.socket],
        *,
        host: str = "toolbox",
        prefix: str = "",
        token: str = "",
        ours: bool = True,
    ) -> None:
        self._dial = dial
        self._host = host
        self._prefix = prefix
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.ours = ours

    @classmethod
    def at_path(cls, path: Path) -> Toolbox:
        def dial() -> socket.socket:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            return connection

        return cls(dial)

    @classmethod
    def at_url(cls, url: str, token: str, *, ours: bool) -> Toolbox:
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"

        def dial() -> socket.socket:
            connection = socket.create_connection((host, parts.port or (443 if secure else 80)), PATIENCE)
            return (
                ssl.create_default_context().wrap_socket(connection, server_hostname=host)
                if secure
                else connection
            )

        return cls(
            dial,
            host=parts.netloc,
            prefix=parts.path.rstrip("/"),
            token=token,
            ours=ours,
        )

    def connect(self) -> socket.socket:
        """Return a connection that knows no protocol yet."""
        return self._dial()

    def head(self, method: str, target: str, **headers: str) -> bytes:
        """Return the beginning of a request, for those who send the rest by hand."""
        fields = {
            "Host": self._host,
            **self._headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {self._prefix}{target} HTTP/1.1\r\n{lines}\r\n".encode()

    # -- HTTP -----------------------------------------------------------------------------------------------------

    def request(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self._host)
        connection.sock = self.connect()
        with contextlib.closing(connection):
            connection.request(
                method, self._prefix + target, data, {**VERSION, **self._headers, **(headers or {})}
            )
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, target: str, **query: str) -> Answer:
        return self.request("GET", f"{target}?{urlencode(query)}")

    def post(self, target: str, body: Any = None, **query: str) -> Answer:
        return self.request("POST", f"{target}?{urlencode(query)}" if query else target, body)

    def delete(self, target: str, body: Any = None, **query: str) -> Answer:
        return self.request("DELETE", f"{target}?{urlencode(query)}" if query else target, body)

    # -- Conveniences ---------------------------------------------------------------------------------------------

    def run(self, command: str, **fields: Any) -> str:
        """Return what a command printed."""
        answer = self.post("/process/execute", {"command": command, **fields})
        assert answer.status == 200, answer
        return str(answer.json["result"])

    def until(self, command: str, expected: str, **fields: Any) -> None:
        """Run *command* until it prints *expected*."""
        deadline = time.monotonic() + 20
        while (found := self.run(command, **fields).strip()) != expected:
            assert time.monotonic() < deadline, found

    def write(self, path: str, content: bytes) -> None:
        body = form(("file", content))
        assert (
            self.request("POST", f"/files/upload?{urlencode({'path': path})}", body, MULTIPART).status == 200
        )

    def read(self, path: str) -> bytes:
        answer = self.get("/files/download", path=path)
        assert answer.status == 200, answer
        return answer.body

    def websocket(self, target: str, *offers: str, headers: Mapping[str, str] = VERSION) -> WebSocket:
        return WebSocket(
            self.connect(), self._prefix + target, offers, {"Host": self._host, **self._headers, **headers}
        )


def refuses(answer: Answer, status: int, code: str | None = None, *, ours: bool = True) -> bool:
    """Return whether an error is the expected one; ours are all of one shape, the codes of older daemons differ."""
    if not ours:
        return answer.status == status
    error = answer.json
    return (
        answer.status == error["statusCode"] == status
        and error.keys() >= ENVELOPE
        and error["source"] == "DAYTONA_DAEMON"
        and code in (None, error["code"])
    )


BOUNDARY = "test-boundary"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*fields: tuple[str, bytes], end: bool = True) -> bytes:
    """Return a multipart body; without its *end* it is one that broke off."""
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in fields
    )
    return body + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


# -- WebSockets -------------------------------------------------------------------------------------------------------

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
OVERLAP = 1000


class Closed(NamedTuple):
    """A close frame; without one the connection has just ended, and the code is 1006."""

    code: int
    reason: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.reason)


DROPPED = Closed(1006)


class RefusedError(Exception):
    """The server answered with a status instead."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status, body)
        self.status = status


class WebSocket:
    """A client that does what RFC 6455 asks for and no more.

    Raises:
        RefusedError: The server wants no WebSocket there.
    """

    def __init__(
        self, connection: socket.socket, target: str, offers: tuple[str, ...], headers: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        lines = [f"GET {target} HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Sec-WebSocket-Protocol: {', '.join(offers)}"] if offers else []
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        status = int(self._file.readline().split()[1])
        fields = http.client.parse_headers(self._file)
        if status != 101:
            body = self._file.read(int(fields["content-length"] or 0))
            self.drop()
            raise RefusedError(status, body)
        self.subprotocol = fields["sec-websocket-protocol"]

    def send(self, data: str | bytes, kind: int | None = None) -> None:
        payload = data.encode() if isinstance(data, str) else data
        kind = kind or (TEXT if isinstance(data, str) else BINARY)
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b""
        length = length or (
            b"\xfe" + struct.pack(">H", size) if size < 65536 else b"\xff" + struct.pack(">Q", size)
        )
        self._connection.sendall(
            bytes([0x80 | kind]) + length + bytes(4) + payload
        )  # the mask that changes nothing

    def receive(self) -> str | bytes | Closed:
        """Return the next message, or how it all ended."""
        message = b""
        kind = 0
        while True:
            head = self._read(2)
            if head is None:
                return DROPPED
            payload = self._payload(head[1])
            if payload is None:
                return DROPPED
            opcode = head[0] & 15
            if opcode == CLOSE:
                return (
                    Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())
                    if payload
                    else Closed(1005)
                )
            if opcode in (PING, PONG):
                continue
            kind, message = opcode or kind, message + payload
            if head[0] & 0x80:
                return message.decode() if kind == TEXT else message

    def send_raw(self, data: bytes) -> None:
        """Send bytes that need not be a frame."""
        self._connection.sendall(data)

    def ping(self) -> None:
        """Send a ping and wait for the answer, with nothing else coming in between."""
        self.send(b"?", PING)
        head = self._read(2)
        assert head is not None
        assert (head[0] & 15, self._payload(head[1])) == (PONG, b"?")

    def receive_json(self) -> Any:
        message = self.receive()
        assert isinstance(message, str), message
        return json.loads(message)

    def rest(self) -> tuple[list[str | bytes], Closed]:
        """Return every message to the end, and how that came."""
        messages: list[str | bytes] = []
        while not isinstance(message := self.receive(), Closed):
            messages.append(message)
        return messages, message

    def until(self, pattern: bytes) -> bytes:
        """Return binary output up to where *pattern*, a regular expression, fits."""
        seen = bytearray()
        start = 0
        while not re.search(pattern, seen[start:]):
            start = max(0, len(seen) - OVERLAP)
            message = self.receive()
            assert not isinstance(message, Closed), (seen, message)
            seen += message if isinstance(message, bytes) else b""
        return bytes(seen)

    def close(self, code: int = 1000) -> None:
        """Say goodbye and wait until the server has."""
        self.send(struct.pack(">H", code), CLOSE)
        self.rest()
        self.drop()

    def drop(self) -> None:
        """Hang up without a word."""
        self._file.close()
        self._connection.close()

    def _payload(self, length: int) -> bytes | None:
        size = length & 127
        if size > 125:
            extended = self._read(2 if size == 126 else 8)
            if extended is None:
                return None
            size = int.from_bytes(extended, "big")
        return self._read(size)

    def _read(self, size: int) -> bytes | None:
        try:
            data = self._file.read(size)
        except ConnectionError:
            return None
        return data if len(data) == size else None


@contextlib.contextmanager
def dropping(socket: WebSocket) -> Iterator[WebSocket]:
    """Hang up at the end of the block."""
    try:
        yield socket
    finally:
        socket.drop()
