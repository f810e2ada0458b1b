"""Faults on purpose: a relay that stands between a client and a real platform and breaks what it is told to break.

    with FaultyRelay("http://127.0.0.1:4000/api") as relay:
        relay.inject(DropAfter(), method="POST", path="/api/sandbox")
        with Daytona(DaytonaConfig(api_key=key, api_url=relay.url)) as daytona:
            daytona.create()                       # the answer is lost; there is one sandbox all the same
        assert relay.forwarded("POST", "/api/sandbox") == 1

Without a fault the relay passes everything through, WebSockets too, and puts its own address where an answer names that
of the platform, so that calls into a sandbox go through it as well. It is test equipment: it speaks plain HTTP, on
loopback, and runs in threads of its own.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

__all__ = [
    "Answer",
    "Cut",
    "CutMessages",
    "Delay",
    "Drip",
    "DropAfter",
    "DropBefore",
    "Fault",
    "FaultyRelay",
    "Seen",
    "Stall",
]

CHUNK: Final = 64 * 1024


class Fault:
    """What goes wrong with one request."""


@dataclass(frozen=True)
class DropBefore(Fault):
    """The connection breaks before the platform has seen the request."""


@dataclass(frozen=True)
class DropAfter(Fault):
    """The connection breaks after the platform has carried out the request, so the response is lost."""


@dataclass(frozen=True)
class Delay(Fault):
    """The response is complete, but delayed by so many seconds."""

    seconds: float = 1.0


@dataclass(frozen=True)
class Cut(Fault):
    """The connection breaks after so many bytes of the response."""

    after: int


@dataclass(frozen=True)
class CutMessages(Fault):
    """A WebSocket connection breaks after so many messages from the platform; other responses pass."""

    after: int


@dataclass(frozen=True)
class Stall(Fault):
    """The response stops after so many bytes, but the connection stays open."""

    after: int = 0


@dataclass(frozen=True)
class Drip(Fault):
    """The response arrives a few bytes at a time."""

    size: int = 1
    seconds: float = 1.0


@dataclass(frozen=True)
class Answer(Fault):
    """Something other than the platform responds: a page from a proxy, a rate limit, garbage."""

    status: int = 502
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    raw: bytes | None = None
    """Sent as it is, instead of an HTTP answer."""

    def encode(self) -> bytes:
        """Return what goes out."""
        if self.raw is not None:
            return self.raw
        fields = {"Content-Length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {self.status} Injected\r\n{head}\r\n".encode("latin-1") + self.body


@dataclass(frozen=True)
class Seen:
    """A request that reached the relay."""

    method: str
    path: str
    forwarded: bool


@dataclass
class _Rule:
    fault: Fault
    method: str | None
    path: re.Pattern[str]
    times: int

    def takes(self, method: str, path: str) -> bool:
        if self.times < 1 or self.method not in (None, method) or not self.path.fullmatch(path):
            return False
        self.times -= 1
        return True


class FaultyRelay:
    """A relay in front of the platform at *url*; clients connect to its `url` instead.

    Args:
        url: The API's base URL, plain http.
        public_url: The scheme, host and port that clients use, if something else is in front of the relay, such as a
            proxy or a TLS endpoint; None means its own. It may also be set later.
    """

    def __init__(self, url: str, public_url: str | None = None) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        here = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{here}{parts.path}"
        self.public_url = public_url or here
        self.seen: list[Seen] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._idle: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def inject(self, fault: Fault, *, method: str | None = None, path: str = ".*", times: int = 1) -> None:
        """Inject *fault* into the next *times* requests with this method whose path matches a regular expression."""
        with self._lock:
            self._rules.append(_Rule(fault, method, re.compile(path), times))

    def forwarded(self, method: str, path: str) -> int:
        """Return how many requests with this method and path reached the platform."""
        return sum(
            1 for seen in self.seen if (seen.method, seen.path, seen.forwarded) == (method, path, True)
        )

    def close_idle(self) -> None:
        """Close all idle connections, as a server does after a while."""
        with self._lock:
            idle = list(self._idle)
        for connection in idle:
            _shut(connection)

    def close(self) -> None:
        """Close everything."""
        _shut(self._listener)
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _shut(connection)

    # -- Inside ---------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        with client, suppress(OSError):
            while self._exchange(_Reader(client), client):
                pass
        with self._lock:
            self._open.discard(client)
            self._idle.discard(client)

    def _exchange(self, reader: _Reader, client: socket.socket) -> bool:
        """Pass one request and its answer; return whether the connection goes on."""
        with self._lock:
            self._idle.add(client)
        head = reader.head()
        with self._lock:
            self._idle.discard(client)
        if head is None:
            return False
        method, target = head.split(b" ", 2)[:2]
        path = target.decode("latin-1").partition("?")[0]
        fault = self._fault_for(method.decode("ascii"), path)
        request = head + reader.body(head)
        if isinstance(fault, Answer):
            client.sendall(fault.encode())
            return fault.raw is None
        if isinstance(fault, DropBefore):
            return False
        return self._forward(request, client, fault)

    def _fault_for(self, method: str, path: str) -> Fault | None:
        with self._lock:
            rule = next((rule for rule in self._rules if rule.takes(method, path)), None)
            fault = rule.fault if rule is not None else None
            self.seen.append(Seen(method, path, not isinstance(fault, (Answer, DropBefore))))
        return fault

    def _forward(self, request: bytes, client: socket.socket, fault: Fault | None) -> bool:
        with socket.create_connection(self._target) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(request)
            reader = _Reader(server)
            head = reader.head()
            if head is None:
                return False
            if head.startswith(b"HTTP/1.1 101"):
                return self._pass_through(client, server, head + reader.rest(), fault)
            answer = self._as_ours(head, reader.body(head, until_close=True))
        return self._deliver(client, answer, fault)

    def _as_ours(self, head: bytes, body: bytes) -> bytes:
        """Return an answer that names the relay wherever it named the platform."""
        theirs = f"http://{self._target[0]}:{self._target[1]}".encode()
        if b"json" in head.lower() and theirs in body:
            body = body.replace(theirs, self.public_url.encode())
            head = re.sub(rb"(?i)(content-length: *)\d+", rb"\g<1>%d" % len(body), head)
        return head + body

    def _deliver(self, client: socket.socket, answer: bytes, fault: Fault | None) -> bool:
        match fault:
            case DropAfter():
                return False
            case Cut(after):
                client.sendall(answer[:after])
                return False
            case Stall(after):
                client.sendall(answer[:after])
                client.recv(1)  # until the client gives up
                return False
            case Delay(seconds):
                time.sleep(seconds)
                client.sendall(answer)
            case Drip(size, seconds):
                for start in range(0, len(answer), size):
                    client.sendall(answer[start : start + size])
                    time.sleep(seconds)
            case _:
                client.sendall(answer)
        return b"\r\nconnection: close" not in answer[: answer.find(b"\r\n\r\n")].lower()

    def _pass_through(
        self, client: socket.socket, server: socket.socket, first: bytes, fault: Fault | None
    ) -> bool:
        """Pass an upgraded connection's bytes both ways; a fault counts those that the server sends."""
        with self._lock:
            self._open.add(server)
        back = threading.Thread(target=_pump, args=(client, server), daemon=True)
        back.start()
        limit = _limit_of(fault)
        data = first
        while data:
            client.sendall(limit.take(data))
            if limit.reached:
                break
            data = server.recv(CHUNK)
        if isinstance(fault, Stall) and limit.reached:
            back.join()
        for connection in (server, client):  # shut, because closing what the other thread reads tells nobody
            _shut(connection)
        with self._lock:
            self._open.discard(server)
        return False


def _limit_of(fault: Fault | None) -> _Limit:
    """Return how much of an upgraded connection a fault lets through."""
    if isinstance(fault, CutMessages):
        return _MessageLimit(fault.after)
    return _ByteLimit(fault.after if isinstance(fault, (Cut, Stall)) else None)


class _Limit(Protocol):
    reached: bool

    def take(self, data: bytes) -> bytes:
        """Return what may still pass of *data*."""
        ...


class _ByteLimit:
    def __init__(self, count: int | None) -> None:
        self._left = count
        self.reached = count == 0

    def take(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        passed = data[: self._left]
        self._left -= len(passed)
        self.reached = self._left == 0
        return passed


class _MessageLimit:
    """Counts what a server sends after its handshake; its messages are not masked."""

    def __init__(self, count: int) -> None:
        self._messages = count
        self._known = b""
        self._in_head = True
        self._size = 0
        """Of all that may pass: the handshake, and as many messages as are known."""
        self._passed = 0
        self.reached = False

    def take(self, data: bytes) -> bytes:
        self._known += data
        if self._in_head and b"\r\n\r\n" in self._known:
            self._in_head = False
            self._size = self._known.index(b"\r\n\r\n") + 4
        while not self._in_head and self._messages and (size := _frame_size(self._known[self._size :])):
            self._messages -= 1
            self._size += size
        start, self._passed = self._passed, min(self._size, len(self._known))
        self.reached = not (self._in_head or self._messages) and self._passed == self._size
        return self._known[start : self._passed]


def _frame_size(data: bytes) -> int:
    """Return the length of the frame that *data* begins with, 0 when too little of it is there to tell."""
    if len(data) < 2:
        return 0
    short = data[1] & 127
    extended = {126: 2, 127: 8}.get(short, 0)
    if len(data) < 2 + extended:
        return 0
    return 2 + extended + (int.from_bytes(data[2 : 2 + extended], "big") if extended else short)


class _Reader:
    """Reads the messages of one side, as far as their framing goes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def head(self) -> bytes | None:
        """Return the next head, None when the peer has closed."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        end = self._buffer.index(b"\r\n\r\n") + 4
        head, self._buffer = self._buffer[:end], self._buffer[end:]
        return head

    def body(self, head: bytes, *, until_close: bool = False) -> bytes:
        """Return the body that *head* announces, as it came."""
        fields = head.lower()
        if b"\r\ntransfer-encoding: chunked" in fields:
            return self._until(lambda: self._buffer.endswith(b"0\r\n\r\n"))
        length = re.search(rb"\r\ncontent-length: *(\d+)", fields)
        if length is not None:
            wanted = int(length[1])
            return self._until(lambda: len(self._buffer) >= wanted)[:wanted]
        bodiless = re.match(rb"http/1\.[01] (1\d\d|204|304)", fields)
        return self._until(lambda: False) if until_close and not bodiless else b""

    def rest(self) -> bytes:
        """Return what has come after the last message."""
        data, self._buffer = self._buffer, b""
        return data

    def _until(self, complete: Callable[[], bool]) -> bytes:
        while not complete() and self._more():
            pass
        return self.rest()

    def _more(self) -> bool:
        data = self._connection.recv(CHUNK)
        self._buffer += data
        return bool(data)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    _shut(sink)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()
