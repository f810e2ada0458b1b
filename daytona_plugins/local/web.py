"""HTTP/1.1 for our own two servers: the platform's API and the agent inside each sandbox.

`http1_server` understands the bytes, a `Wire` moves them, and this file is what lies between: one task per connection
reads a request, calls the application, and writes what it returned. Bodies are streams in both directions; nothing is
collected unless the application asks for it with a limit.

A handler runs to its end even when its client goes away, because a command must not die with the connection that
started it. A handler that wants the opposite races against `Request.disconnected`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from daytona.protocols.http1 import Data, ProtocolError
from daytona.protocols.http1_server import (
    CONTINUE,
    BodyEncoder,
    RequestError,
    RequestHead,
    RequestReader,
    encode_response_head,
    has_body,
)
from daytona_plugins.local.tasks import cancel
from daytona_plugins.local.wire import Wire

logger = logging.getLogger(__name__)

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}

HEAD_TIMEOUT: Final = 10.0
IDLE_TIMEOUT: Final = 70.0
LINGER_TIMEOUT: Final = 5.0
PIPELINE_LIMIT: Final = 64 * 1024
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

    def __init__(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        self._lines = [(name.decode("ascii"), value.decode("latin-1")) for name, value in fields]
        self._first = dict(reversed(self._lines))

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of *name*, or *default*."""
        return self._first.get(name.lower(), default)

    def all(self, name: str) -> list[str]:
        """Return every value of *name* in the order sent."""
        name = name.lower()
        return [value for key, value in self._lines if key == name]

    def items(self) -> list[tuple[str, str]]:
        """Return all lines in the order sent, names in lower case."""
        return list(self._lines)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._first


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

    def __init__(self, head: RequestHead, exchange: _Exchange) -> None:
        self.method = head.method
        self.raw_target = head.target
        self.raw_path, _, self.query_string = head.target.partition("?")
        self.path = unquote(self.raw_path, errors="surrogateescape")
        self.headers = Headers(head.fields)
        self.params: dict[str, str] = {}
        self._exchange = exchange

    @functools.cached_property
    def query(self) -> Query:
        """The parameters after the question mark."""
        return Query(self.query_string)

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
        return self._exchange.has_arrived

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

    def __init__(self, pending: bytes, wire: Wire) -> None:
        self._pending = pending
        self._wire = wire

    async def receive(self) -> bytes:
        """Return the next bytes, or nothing at the end of the stream."""
        pending, self._pending = self._pending, b""
        return pending or await self._wire.read()

    async def send(self, data: bytes) -> None:
        """Write *data*, waiting while the peer is slow."""
        self._wire.write(data)
        await self._wire.drain()

    def end(self) -> None:
        """Say that nothing more will be sent; the peer may go on sending."""
        self._wire.write_eof()


Fields = list[tuple[str, str]]
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
        loop = asyncio.get_running_loop()
        if sock.family == socket.AF_UNIX:
            self._listener = await loop.create_unix_server(self._new_wire, sock=sock)
        else:
            self._listener = await loop.create_server(self._new_wire, sock=sock)

    async def take(self, connection: socket.socket) -> None:
        """Answer requests on a connection that is open already and belongs to the server from now on."""
        await asyncio.get_running_loop().connect_accepted_socket(self._new_wire, connection)

    async def close(self) -> None:
        """Stop listening, and end every connection; may be called twice."""
        if self._listener is not None:
            self._listener.close()
        await cancel(*self._tasks)

    def _new_wire(self) -> Wire:
        return Wire(self._connected)

    def _connected(self, wire: Wire) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(self._serve(wire))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, wire: Wire) -> None:
        """Answer requests until either side has had enough; a peer that fails is no news."""
        try:
            pending: bytes | None = b""
            with contextlib.suppress(ConnectionError, ProtocolError):
                while pending is not None:
                    pending = await _Exchange(wire, self._app, self._envelope).run(pending)
        finally:
            wire.close()


async def serve(sock: socket.socket, app: Handler, *, envelope: Envelope = plain_envelope) -> Server:
    """Serve *app* on the bound socket *sock* until the returned server is closed."""
    server = Server(app, envelope)
    await server.listen(sock)
    return server


class _Exchange:
    """One request and its answer."""

    def __init__(self, wire: Wire, app: Handler, envelope: Envelope) -> None:
        self._wire = wire
        self._app = app
        self._envelope = envelope
        self._reader = RequestReader()
        self._body: list[bytes] = []
        self._ahead = b""
        self._client_waits = False
        """Whether the client keeps its body until it is asked for it."""

    async def run(self, pending: bytes) -> bytes | None:
        """Answer the request that begins with *pending*; return what is the beginning of another, None when none may follow."""
        try:
            head = await self._receive_head(pending)
        except ProtocolError as error:
            await self._refuse(_refusal(error))
            return None
        if head is None:
            return None
        response = await self._answer(Request(head, self))
        if isinstance(response, Upgrade):
            await self._upgrade(response, response.run)
            return None
        stays = await self._send_response(response, head)
        if stays:
            return await self._rest()
        await self._linger()
        return None

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._app(request)
        except HTTPError as error:
            return self._envelope(request, error)
        except ProtocolError as error:
            return self._envelope(request, _refusal(error))
        except Exception:  # the border of the server: a bug in one handler must not end the others
            logger.exception("%s %s failed", request.method, request.path)
            return self._envelope(
                request, HTTPError(500, "internal server error", code="INTERNAL_SERVER_ERROR")
            )

    # -- The request --------------------------------------------------------------------------------------------------

    async def _receive_head(self, data: bytes) -> RequestHead | None:
        """Return the head, or None when the client has hung up instead of sending another request."""
        self._wire.limit(HEAD_TIMEOUT if data else IDLE_TIMEOUT)
        data = data or await self._wire.read()
        if not data:
            return None
        self._feed(data)
        if self._reader.head is None:
            self._wire.limit(HEAD_TIMEOUT)
        while self._reader.head is None:
            self._feed(await self._wire.read())
        self._wire.limit(None)
        self._client_waits = self._waits_for_continue(self._reader.head)
        return self._reader.head

    def _waits_for_continue(self, head: RequestHead) -> bool:
        nothing_came = not self._reader.complete and not self._body
        return (
            nothing_came
            and head.modern
            and any(name == b"expect" and value.lower() == b"100-continue" for name, value in head.fields)
        )

    def _feed(self, data: bytes) -> None:
        self._body += [event.data for event in self._reader.receive(data) if isinstance(event, Data)]

    @property
    def has_arrived(self) -> bool:
        """Whether all of the request is here."""
        return self._reader.complete

    async def receive_body(self) -> bytes:
        """Return the next piece of the request's body, or nothing at its end."""
        while not self._body and not self._reader.complete:
            if self._client_waits:
                self._client_waits = False
                self._wire.write(CONTINUE)
            self._feed(await self._wire.read())
        pieces, self._body = self._body, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def wait_for_end_of_file(self) -> None:
        """Return when the peer has closed its side; what it pipelines before that is kept."""
        while data := await self._wire.read():
            self._ahead += data
            if len(self._ahead) > PIPELINE_LIMIT:
                return

    # -- The answer ---------------------------------------------------------------------------------------------------

    async def _refuse(self, error: HTTPError) -> None:
        response = self._envelope(None, error)
        assert isinstance(response.body, bytes)
        fields = [("Content-Length", str(len(response.body))), ("Connection", "close")]
        self._wire.write(_head(response.status, [*response.headers, *fields]), response.body)
        await self._linger()

    async def _send_response(self, response: Response, request: RequestHead) -> bool:
        """Send the answer, and return whether the connection stays."""
        # A client that keeps its body because we did not ask for it needs another connection.
        stays = request.keep_alive and not self._client_waits
        fields = response.headers if stays else [*response.headers, ("Connection", "close")]
        if isinstance(response.body, bytes):
            await self._send_whole(response.status, fields, response.body, request)
        else:
            await self._send_stream(response.status, fields, response.body, request)
        return stays

    async def _send_whole(self, status: int, fields: Fields, body: bytes, request: RequestHead) -> None:
        if status != 204:
            fields = [*fields, ("Content-Length", str(len(body)))]
        self._wire.write(_head(status, fields), body if has_body(request, status) else b"")
        await self._wire.drain()

    async def _send_stream(
        self, status: int, fields: Fields, body: AsyncIterator[bytes], request: RequestHead
    ) -> None:
        encoder = BodyEncoder(request, status, fields)
        self._wire.write(_head(status, [*fields, *encoder.fields]))
        if request.method != "HEAD":
            await self._send_body(body, encoder)

    async def _send_body(self, body: AsyncIterator[bytes], encoder: BodyEncoder) -> None:
        try:
            async for chunk in body:
                self._wire.write(encoder.encode(chunk))
                await self._wire.drain()
        finally:
            if isinstance(body, AsyncGenerator):
                await body.aclose()
        self._wire.write(encoder.end())

    async def _upgrade(self, response: Response, run: Callable[[Stream], Awaitable[None]]) -> None:
        while await self.receive_body():
            pass
        self._wire.write(_head(response.status, response.headers))
        await run(Stream(self._early, self._wire))

    # -- The end ------------------------------------------------------------------------------------------------------

    @property
    def _early(self) -> bytes:
        """What the client has sent beyond its request."""
        return self._reader.rest + self._ahead

    async def _rest(self) -> bytes | None:
        """Read the rest of a body nobody wanted if it is short; else the connection ends here."""
        left = DISCARD_LIMIT
        while left > 0 and (chunk := await self.receive_body()):
            left -= len(chunk)
        if self._reader.complete:
            return self._early
        await self._linger()
        return None

    async def _linger(self) -> None:
        """Let the peer read our last answer: closing with unread input would reset the connection under it."""
        self._wire.write_eof()
        self._wire.limit(LINGER_TIMEOUT)
        while await self._wire.read():
            pass


def _refusal(error: ProtocolError) -> HTTPError:
    status = error.status if isinstance(error, RequestError) else 400
    return HTTPError(status, str(error), code="BAD_REQUEST")


def _head(status: int, fields: Fields) -> bytes:
    return encode_response_head(status, _reason(status), fields)


def _reason(status: int) -> str:
    """Return the words after a status: some clients do not take a line without them for one."""
    return _REASONS.get(status, "")
