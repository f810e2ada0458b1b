"""A platform that costs next to nothing: canned bytes over plain HTTP on loopback, from one thread.

`python -m benchmarks.stub` prints its port. It must never be what a client waits for, so answers are made beforehand, and
of a request only the first line and the length of the body are looked at.
"""

from __future__ import annotations

import json
import selectors
import socket
from typing import Any

SANDBOXES = 1000
PAGE = 200
STAMP = "2026-01-01T00:00:00.000Z"


def sandbox(number: int, origin: str) -> dict[str, Any]:
    """Return a sandbox as the API shows it, with every key that the official client insists on."""
    name = f"sandbox-{number}"
    return {
        "id": name, "organizationId": "organization", "name": name, "snapshot": "default", "user": "daytona",
        "env": {}, "labels": {"code-toolbox-language": "python", "team": "maps"}, "public": False,
        "networkBlockAll": False, "networkAllowList": None, "domainAllowList": None, "target": "us", "cpu": 1,
        "gpu": 0, "gpuType": None, "spot": False, "spotEvictedAt": None, "memory": 1, "disk": 3, "kvm": False,
        "state": "started", "desiredState": "started", "errorReason": None, "recoverable": False,
        "backupState": "None", "backupCreatedAt": None, "autoStopInterval": 15, "autoPauseInterval": 0,
        "autoArchiveInterval": 10080, "autoDeleteInterval": -1, "autoDestroyAt": None, "volumes": [],
        "buildInfo": None, "createdAt": STAMP, "updatedAt": STAMP, "lastActivityAt": STAMP,
        "sandboxClass": "container", "daemonVersion": "0.226.1", "runnerId": "runner", "outboundProxyUrl": None,
        "otelEndpointOverride": None, "linkedSandboxId": None, "toolboxProxyUrl": f"{origin}/toolbox",
    }  # fmt: skip


class Answers:
    """What is said to each request."""

    def __init__(self, origin: str) -> None:
        self._one = response(sandbox(0, origin))
        self._output = response({"exitCode": 0, "result": "hello\n"})
        sandboxes = [sandbox(number, origin) for number in range(SANDBOXES)]
        self._pages = {
            first: response({"items": sandboxes[first : first + PAGE], "nextCursor": _cursor(first + PAGE)})
            for first in range(0, SANDBOXES, PAGE)
        }

    def to(self, line: bytes) -> bytes:
        """Return the answer to the request with this first line."""
        if line.startswith(b"POST"):
            return self._output
        if line.startswith(b"GET /api/sandbox/"):
            return self._one
        _, _, cursor = line.partition(b"cursor=")
        digits = cursor.split(b"&")[0].split(b" ")[0]
        return self._pages[int(digits or b"0")]


def _cursor(first: int) -> str | None:
    return str(first) if first < SANDBOXES else None


def response(content: object) -> bytes:
    """Return *content* as a whole answer."""
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection:
    """One client: complete requests are answered, the rest waits."""

    def __init__(self, sock: socket.socket, answers: Answers) -> None:
        self._sock = sock
        self._answers = answers
        self._received = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> bool:
        """Answer what has arrived; return whether the client is still there."""
        try:
            piece = self._sock.recv(65536)
        except ConnectionResetError:
            piece = b""
        self._received += piece
        while (end := self._end_of_request()) is not None:
            line = self._received[: self._received.index(b"\r\n")]
            self._received = self._received[end:]
            self._sock.sendall(self._answers.to(line))
        return bool(piece)

    def _end_of_request(self) -> int | None:
        head, found, _ = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        _, _, length = head.lower().partition(b"content-length:")
        end = len(head) + 4 + int(length.split(b"\r\n")[0] or b"0")
        return end if len(self._received) >= end else None


def main() -> None:
    """Serve until killed."""
    server = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = server.getsockname()[1]
    answers = Answers(f"http://127.0.0.1:{port}")
    connections: dict[int, Connection] = {}
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ)
    print(port, flush=True)
    while True:
        for key, _events in selector.select():
            if key.fileobj is server:
                client, _address = server.accept()
                connections[client.fileno()] = Connection(client, answers)
                selector.register(client, selectors.EVENT_READ)
            elif not connections[key.fd].serve():
                selector.unregister(key.fileobj)
                del connections[key.fd]


if __name__ == "__main__":
    main()
