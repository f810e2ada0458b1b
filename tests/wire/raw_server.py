"""A server that knows no HTTP: a function of the test has each connection to itself."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType


class Peer:
    """One connection, from the server's side."""

    def __init__(self, connection: socket.socket, number: int, server: RawServer) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self._server = server
        self.number = number
        """How many connections there were before this one."""
        self.url = server.url
        self.last_line = ""
        """The first line of the newest request."""

    def request(self) -> bytes:
        """Return the body of the next request, once all of it is here.

        Raises:
            ConnectionError: The client has closed.
        """
        body = self._file.read(self.head())
        self._server.requests.append(self.last_line)
        return body

    def head(self) -> int:
        """Read the head of the next request and return how long its body is said to be.

        Raises:
            ConnectionError: The client has closed.
        """
        line = self._file.readline()
        if not line:
            raise ConnectionResetError("the client has closed")
        length = 0
        while field := self._file.readline().strip():
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.last_line = line.decode().strip()
        return length

    def take_chunked(self, pause: Callable[[], object]) -> None:
        """Read a request whose body comes in chunks to its end, with a *pause* before each chunk.

        Raises:
            ConnectionError: The client has closed.
        """
        self.head()
        while size := int(self._file.readline() or b"0", 16):
            pause()
            if len(self._file.read(size + 2)) < size + 2:
                raise ConnectionResetError("the client has closed")
        self._file.readline()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._connection.sendall(data)

    def answer(self, body: bytes, status: str = "200 OK", fields: str = "") -> None:
        """Send a whole answer."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        self.send(head.encode() + body)

    def wait_until_left(self) -> None:
        """Keep the connection open until the client closes it."""
        while self._file.read1(65536):
            pass

    def wait_until_closed(self) -> None:
        """Keep the connection open until the client closes it, and take nothing of what it sends."""
        poll = select.poll()
        poll.register(self._connection, select.POLLRDHUP)
        poll.poll()

    def close(self) -> None:
        """Close as a program that ends does."""
        self._file.close()
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class RawServer:
    """Gives every connection to *serve*, in a thread of its own, and closes it after that."""

    def __init__(self, serve: Callable[[Peer], None]) -> None:
        self.requests: list[str] = []
        """The first line of each request that was read to its end."""
        self.over = threading.Event()
        """Set when the test is: a script that waits for something waits for this too."""
        self._serve = serve
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for peer in self._peers:
            with suppress(OSError):
                peer._connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._peers)

    def _start(self, function: Callable[[], None]) -> None:
        thread = threading.Thread(target=function)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                peer = Peer(connection, len(self._peers), self)
                self._peers.append(peer)
                self._start(lambda peer=peer: self._serve_one(peer))

    def _serve_one(self, peer: Peer) -> None:
        try:
            with suppress(OSError):
                self._serve(peer)
        finally:
            peer.close()


@contextmanager
def full_server() -> Generator[str]:
    """Yield the URL of a server that never accepts, and whose queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()
