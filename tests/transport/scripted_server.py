"""A server that does on each connection exactly what a test tells it to, however rude."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from daytona.protocols.rest import Endpoint

if TYPE_CHECKING:
    import ssl

PATIENCE = 10.0
"""Seconds after which a script that waits for its client gives up: only a failing test waits so long."""

NO_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def answer(body: bytes = b"ok", *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a response with a body of known length."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines, len(body), body)


class Peer:
    """The server's end of one connection, as a script sees it."""

    def __init__(self, connected: socket.socket, server: ScriptedServer) -> None:
        self._socket = connected
        self._server = server
        self._received = b""

    def expect(self) -> bytes:
        """Return the next request, head and body; `b""` when the client is gone."""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in self._received:
                if not self._receive():
                    return b""
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            request = head + b"\r\n\r\n" + self._body(head.lower())
            self._server.requests.append(request)
            return request
        return b""

    def expect_head(self) -> bytes:
        """Return the head of the next request and leave its body where it is."""
        while b"\r\n\r\n" not in self._received:
            if not self._receive():
                return b""
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        self._received += data
        return data

    def _body(self, head: bytes) -> bytes:
        if b"transfer-encoding: chunked" in head:
            return self._take(
                lambda: self._received.find(b"0\r\n\r\n") + 5 if b"0\r\n\r\n" in self._received else None
            )
        _, _, length = head.partition(b"content-length: ")
        size = int(length.split(b"\r\n")[0] or 0)
        return self._take(lambda: size if len(self._received) >= size else None)

    def _take(self, end: Callable[[], int | None]) -> bytes:
        while (size := end()) is None:
            if not self._receive():
                raise OSError("the client left in the middle of a body")
        body, self._received = self._received[:size], self._received[size:]
        return body

    def send(self, data: bytes) -> None:
        """Send bytes; a client that is gone is no failure of the script."""
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def serve(self, response: bytes = NO_BODY) -> None:
        """Give the same answer to every request until the client leaves."""
        while self.expect():
            self.send(response)

    def drain(self) -> None:
        """Read whatever comes until the client leaves."""
        with contextlib.suppress(OSError):
            while self._socket.recv(65536):
                pass

    def stall(self) -> None:
        """Do nothing, not even read, until the test is over."""
        self._server.over.wait(PATIENCE)

    def close(self) -> None:
        """Say goodbye."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def reset(self) -> None:
        """Break the connection."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


Script = Callable[[Peer], None]


class ScriptedServer:
    """Runs the first script on the first connection, and so on; the last one on all that follow."""

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None) -> None:
        self.scripts = list(scripts) or [Peer.serve]
        self.accepted = 0
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self._context = context
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(PATIENCE * 6)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    @property
    def api(self) -> Endpoint:
        """The server as an endpoint."""
        scheme = "http" if self._context is None else "https"
        return Endpoint(f"{scheme}://127.0.0.1:{self.port}", {})

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.over.set()
        # Closing a listener does not end an accept that is under way: a last connection does.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            pass
        self._acceptor.join(PATIENCE)
        self._listener.close()
        for peer in self._peers:
            peer.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            if self.over.is_set():
                connected.close()
                return
            script = self.scripts[min(self.accepted, len(self.scripts) - 1)]
            self.accepted += 1
            thread = threading.Thread(target=self._run, args=(script, connected), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, script: Script, connected: socket.socket) -> None:
        connected.settimeout(PATIENCE)
        try:
            if self._context is not None:
                connected = self._context.wrap_socket(connected, server_side=True)
        except OSError:
            connected.close()
            return
        peer = Peer(connected, self)
        self._peers.append(peer)
        with contextlib.suppress(OSError):
            script(peer)
        peer.close()
