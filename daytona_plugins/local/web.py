"""HTTP/1.1 for our own two servers: the platform's API and the agent inside each sandbox.

h11 understands the bytes, asyncio moves them, and this file is what lies between: one task per connection reads a
request, calls the application, and writes what it returned. Bodies are streams in both directions; nothing is
collected unless the application asks for it with a limit.

A handler runs to its end even when its client goes away, because a command must not die with the connection that
started it. A handler that wants the opposite races against `Request.disconnected`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

import h11
import msgspec

logger = logging.getLogger(__name__)

HEAD_LIMIT: Final = 64 * 1024
HEAD_TIMEOUT: Final = 10.0
IDLE_TIMEOUT: Final = 70.0
LINGER_TIMEOUT: Final = 5.0
READ_SIZE: Final = 256 * 1024
DISCARD_LIMIT: Final = 1024 * 1024
JSON: Final = "application/json; charset=utf-8"


class HTTPError(Exception):
    """An answer that is not a success; the server's envelope decides what it looks like."""

    def __init__(self, status: int, message: str, *, code: str | None = None) -> None:
        super().__init__(status, message, code)
        self.status = status
        self.message = message
        self.code = code


class NoRouteError(HTTPError):
    """No handler is registered for this method and path."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(404, f"Cannot {method} {path}", code="NOT_FOUND")


class Headers:
    """The header lines of a request, looked up without regard to case."""

    def __init__(self, lines: Iterable[tuple[bytes, bytes]]) -> None:
        self._lines = [(name.decode("ascii").lower(), value.decode("latin-1")) for name, value in lines]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of *name*, or *default*."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> list[str]:
        """Return every value of *name* in the order sent."""
        name = name.lower()
        return [value for key, value in self._lines if key == name]

    def items(self) -> list[tuple[str, str]]:
        """Return all lines in the order sent, names in lower case."""
        return list(self._lines)

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))


class Query:
    """The parameters after the question mark; bytes that are not UTF-8 survive as surrogates."""

    def __init__(self, text: str) -> None:
        self._pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")

    def first(self, name: str, default: str = "") -> str:
        """Return the first value of *name*, or *default*."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> list[str]:
        """Return every value of *name* in the order sent."""
        return [value for key, value in self._pairs if key == name]

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))


class Request:
    """One request; its body is read on demand, once."""

    def __init__(self, head: h11.Request, exchange: _Exchange) -> None:
        self.method = head.method.decode("ascii")
        self.raw_target = head.target.decode("latin-1")
        raw_path, _, query = self.raw_target.partition("?")
        self.raw_path = raw_path
        self.path = unquote(raw_path, errors="surrogateescape")
        self.query_string = query
        self.query = Query(query)
        self.headers = Headers(head.headers)
        self.params: dict[str, str] = {}
        self._exchange = exchange

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body piece by piece, as it arrives."""
        while chunk := await self._exchange.receive_body():
            yield chunk

    async def body(self, limit: int | None = None) -> bytes:
        """Return the whole body.

        Raises:
            HTTPError: It is longer than *limit* (413).
        """
        collected = bytearray()
        while chunk := await self._exchange.receive_body():
            collected += chunk
            if limit is not None and len(collected) > limit:
                raise HTTPError(413, f"request body is larger than {limit} bytes", code="PAYLOAD_TOO_LARGE")
        return bytes(collected)

    @property
    def has_arrived(self) -> bool:
        """Whether all of the body is here already, so that reading it waits for nobody."""
        length = self.headers.get("content-length")
        return length is not None and self._exchange.waiting_bytes >= int(length)

    async def disconnected(self) -> None:
        """Return when the client has closed its side; call it only after the body was read."""
        await self._exchange.wait_for_end_of_file()


class Response:
    """An answer: *body* is bytes, or an iterator whose pieces are sent as they come."""

    def __init__(
        self,
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | AsyncIterator[bytes] = b"",
    ) -> None:
        self.status = status
        self.headers = list(headers)
        self.body = body


class Upgrade(Response):
    """Answer 101, then hand the connection to *run* until it returns."""

    def __init__(self, headers: Iterable[tuple[str, str]], run: Callable[[Stream], Awaitable[None]]) -> None:
        super().__init__(101, headers)
        self.run = run


class Stream:
    """The bare connection after an upgrade."""

    def __init__(self, pending: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._pending = pending
        self._reader = reader
        self._writer = writer

    async def receive(self) -> bytes:
        """Return the next bytes, or nothing at the end of the stream."""
        pending, self._pending = self._pending, b""
        return pending or await self._reader.read(READ_SIZE)

    async def send(self, data: bytes) -> None:
        """Write *data*, waiting while the peer is slow."""
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        """Say that nothing more will be sent; the peer may go on sending."""
        self._writer.write_eof()


Handler = Callable[[Request], Awaitable[Response]]
Envelope = Callable[[Request | None, HTTPError], Response]


def json_response(value: object, status: int = 200) -> Response:
    """Return *value* as JSON."""
    return Response(status, [("Content-Type", JSON)], msgspec.json.encode(value))


def text_response(text: str, status: int = 200) -> Response:
    """Return *text* as plain text."""
    return Response(status, [("Content-Type", "text/plain; charset=utf-8")], text.encode())


def plain_envelope(_request: Request | None, error: HTTPError) -> Response:
    """Show an error as its message; servers with a contract bring their own."""
    return text_response(error.message, error.status)


class Router:
    """Finds the handler for a request.

    A pattern's `{name}` stands for one segment, percent-decoded after the split so that it may hold a slash;
    `{name*}` at the end stands for everything that is left, as it was sent.
    """

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], Handler] = {}
        self._patterns: list[tuple[str, list[str], Handler]] = []

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer *method* (or every method, `*`) on *path* with *handler*."""
        if "{" in path or method == "*":
            self._patterns.append((method, path.split("/"), handler))
        else:
            self._exact[method, path] = handler

    async def __call__(self, request: Request) -> Response:
        handler = self._exact.get((request.method, request.raw_path))
        if handler is None:
            handler, request.params = self._find_pattern(request.method, request.raw_path)
        return await handler(request)

    def leads_to(self, method: str, path: str) -> bool:
        """Return whether anybody answers *method* on *path*, which is percent-encoded."""
        try:
            return (method, path) in self._exact or bool(self._find_pattern(method, path))
        except NoRouteError:
            return False

    def _find_pattern(self, wanted: str, path: str) -> tuple[Handler, dict[str, str]]:
        segments = path.split("/")
        for method, pattern, handler in self._patterns:
            params = _match(pattern, segments) if method in (wanted, "*") else None
            if params is not None:
                return handler, params
        raise NoRouteError(wanted, unquote(path, errors="surrogateescape"))


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    if pattern[-1].endswith("*}"):
        rest = segments[len(pattern) - 1 :]
        params[pattern[-1][1:-2]] = "/".join(rest)
        pattern, segments = pattern[:-1], segments[: len(pattern) - 1]
        if not rest:
            return None
    if len(pattern) != len(segments):
        return None
    for expected, found in zip(pattern, segments, strict=True):
        if expected.startswith("{") and found:
            params[expected[1:-1]] = unquote(found, errors="surrogateescape")
        elif expected != found:
            return None
    return params


class Server:
    """A listening socket and the connections it has accepted."""

    def __init__(self, app: Handler, envelope: Envelope) -> None:
        self._app = app
        self._envelope = envelope
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, sock: socket.socket) -> None:
        """Start to accept connections on *sock*, which is bound and belongs to the server from now on."""
        start = asyncio.start_unix_server if sock.family == socket.AF_UNIX else asyncio.start_server
        self._listener = await start(self._accepted, sock=sock, limit=READ_SIZE)

    async def take(self, connection: socket.socket) -> None:
        """Answer requests on a connection that is open already and belongs to the server from now on."""
        await self._accepted(*await asyncio.open_connection(sock=connection, limit=READ_SIZE))

    async def close(self) -> None:
        """Stop listening, and end every connection; may be called twice."""
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until either side has had enough; a peer that fails is no news."""
        try:
            exchange = _Exchange(reader, writer, self._app, self._envelope)
            with contextlib.suppress(ConnectionError, TimeoutError, h11.RemoteProtocolError):
                while await exchange.run():
                    pass
        finally:
            writer.close()


async def serve(sock: socket.socket, app: Handler, *, envelope: Envelope = plain_envelope) -> Server:
    """Serve *app* on the bound socket *sock* until the returned server is closed."""
    server = Server(app, envelope)
    await server.listen(sock)
    return server


class _Exchange:
    """One connection: `run` answers one request and says whether another may follow."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: Handler, envelope: Envelope
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._app = app
        self._envelope = envelope
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)

    async def run(self) -> bool:
        try:
            head = await self._receive_head()
        except h11.RemoteProtocolError as error:
            await self._refuse(HTTPError(error.error_status_hint, str(error), code="BAD_REQUEST"))
            return False
        if head is None:
            return False
        response = await self._answer(Request(head, self))
        if isinstance(response, Upgrade):
            await self._upgrade(response)
            return False
        await self._send_response(response, with_body=head.method != b"HEAD")
        return await self._ready_for_another()

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._app(request)
        except HTTPError as error:
            return self._envelope(request, error)
        except h11.RemoteProtocolError as error:
            return self._envelope(request, HTTPError(error.error_status_hint, str(error), code="BAD_REQUEST"))
        except Exception:  # the border of the server: a bug in one handler must not end the others
            logger.exception("%s %s failed", request.method, request.path)
            return self._envelope(
                request, HTTPError(500, "internal server error", code="INTERNAL_SERVER_ERROR")
            )

    async def _receive_head(self) -> h11.Request | None:
        if not self._h11.trailing_data[0]:
            async with asyncio.timeout(IDLE_TIMEOUT):
                await self._receive_bytes()
        async with asyncio.timeout(HEAD_TIMEOUT):
            event = await self._next_event()
        if not isinstance(event, h11.Request):
            return None
        _refuse_ambiguous_length(event)
        return event

    async def _next_event(self) -> h11.Event:
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                await self._send_continue()
                await self._receive_bytes()
            elif isinstance(event, h11.Event):
                return event
            else:  # PAUSED: the peer speaks before its turn, and waits
                raise h11.RemoteProtocolError("data after the end of the request")

    async def _receive_bytes(self) -> None:
        self._h11.receive_data(await self._reader.read(READ_SIZE))

    async def _send_continue(self) -> None:
        if self._h11.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))

    @property
    def waiting_bytes(self) -> int:
        """How much has been received that nobody has asked for."""
        return len(self._h11.trailing_data[0])

    async def receive_body(self) -> bytes:
        """Return the next piece of the request's body, or nothing at its end."""
        while self._h11.their_state is h11.SEND_BODY:
            event = await self._next_event()
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
        return b""

    async def wait_for_end_of_file(self) -> None:
        """Return when the peer has closed its side; what it pipelines before that is kept."""
        while data := await self._reader.read(READ_SIZE):
            self._h11.receive_data(data)
            if len(self._h11.trailing_data[0]) > HEAD_LIMIT:
                return

    async def _refuse(self, error: HTTPError) -> None:
        response = self._envelope(None, error)
        response.headers.append(("Connection", "close"))
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send_response(response, with_body=True)
            await self._linger()

    async def _send_response(self, response: Response, *, with_body: bool) -> None:
        headers = [(name.encode("ascii"), _header_value(value)) for name, value in response.headers]
        if isinstance(response.body, bytes) and response.status != 204:
            headers.append((b"Content-Length", b"%d" % len(response.body)))
        if self._h11.they_are_waiting_for_100_continue:  # it will keep its body, and needs another connection
            headers.append((b"Connection", b"close"))
        head = h11.Response(status_code=response.status, headers=headers, reason=_reason(response.status))
        if not with_body:
            await self._send(head, h11.EndOfMessage())
        elif isinstance(response.body, bytes):  # in one piece: each write may wake up the peer
            await self._send(head, h11.Data(data=response.body), h11.EndOfMessage())
        else:
            self._write(head)
            await self._send_body(response.body)

    async def _send_body(self, body: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in body:
                await self._send(h11.Data(data=chunk))
        finally:
            if isinstance(body, AsyncGenerator):
                await body.aclose()
        await self._send(h11.EndOfMessage())

    async def _upgrade(self, response: Upgrade) -> None:
        headers = [(name.encode("ascii"), _header_value(value)) for name, value in response.headers]
        while self._h11.their_state is h11.SEND_BODY:
            await self._next_event()
        await self._send(
            h11.InformationalResponse(status_code=101, headers=headers, reason=b"Switching Protocols")
        )
        await response.run(Stream(self._h11.trailing_data[0], self._reader, self._writer))

    async def _ready_for_another(self) -> bool:
        """Read the rest of a body nobody wanted if it is short; else the connection ends here."""
        left = DISCARD_LIMIT
        while (
            left > 0
            and not self._h11.they_are_waiting_for_100_continue
            and (chunk := await self.receive_body())
        ):
            left -= len(chunk)
        if self._h11.their_state is h11.DONE and self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
            return True
        await self._linger()
        return False

    async def _linger(self) -> None:
        """Let the peer read our last answer: closing with unread input would reset the connection under it."""
        self._writer.write_eof()
        async with asyncio.timeout(LINGER_TIMEOUT):
            while await self._reader.read(READ_SIZE):
                pass

    def _write(self, *events: h11.Event) -> None:
        self._writer.writelines([self._h11.send(event) or b"" for event in events])

    async def _send(self, *events: h11.Event) -> None:
        self._write(*events)
        await self._writer.drain()


def _refuse_ambiguous_length(head: h11.Request) -> None:
    """Two ways to say how long a body is, or one that HTTP/1.0 lacks, are how requests are smuggled past proxies."""
    names = {name for name, _ in head.headers}
    if b"transfer-encoding" in names and (b"content-length" in names or head.http_version < b"1.1"):
        raise h11.RemoteProtocolError("ambiguous request length")


def _reason(status: int) -> bytes:
    """Return the words after a status: some clients do not take a line without them for one."""
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


def _header_value(value: str) -> bytes:
    return value.encode("latin-1")
