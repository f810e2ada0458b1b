"""Passes a request on to somebody else, and the answer back: from the platform to an agent, from an agent to a program.

Bodies flow through in both directions piece by piece, each as fast as the slower side. After an upgrade (a WebSocket) only
bytes flow. Headers about one connection only stay on that connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from daytona.protocols.http1 import (
    LAST_CHUNK,
    Data,
    Head,
    ProtocolError,
    ResponseReader,
    encode_chunk,
    encode_fields,
    encode_head,
)
from daytona_plugins.local.tasks import cancel
from daytona_plugins.local.web import Response, Upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from daytona_plugins.local.web import Request, Stream
    from daytona_plugins.local.wire import Wire

    Headers = Iterable[tuple[str, str]]

_UPGRADE: Final = frozenset({"connection", "upgrade"})
_NOT_PASSED_ON: Final = frozenset({"connection", "keep-alive", "transfer-encoding"})
_NOT_FORWARDED: Final = frozenset({"keep-alive", "proxy-connection", "te", "expect"})


class PeerGoneError(Exception):
    """The peer could not be reached, or hung up in the middle of an answer."""


def headers_for(request: Request, *, without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return the headers of *request* that may go on with it, but for those named in *without*."""
    dropped = _NOT_FORWARDED | {*without}
    if "upgrade" not in request.headers:
        dropped |= _UPGRADE
    return [(name, value) for name, value in request.headers.items() if name not in dropped]


class Connection:
    """A connection to whoever answers in our stead; `send_head` to the end of `receive_body` is one exchange."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reader = ResponseReader("GET")
        self._body: list[bytes] = []
        self._chunked = False
        self._sent = False

    def new_reader(self, method: str, *, upgrade: bool) -> ResponseReader:
        """Return what reads the answer to a request."""
        return ResponseReader(method, upgrade=upgrade)

    async def send_head(self, method: str, target: str, headers: Headers) -> None:
        """Send the first part of a request."""
        await self._send(self._begin(method, target, headers))

    async def send_body(self, data: bytes) -> None:
        """Send a piece of the body, which is not empty, waiting while the peer is slow."""
        await self._send(encode_chunk(data) if self._chunked else data)

    async def end_request(self) -> None:
        """Say that the request is complete."""
        self._sent = True
        if self._chunked:
            await self._send(LAST_CHUNK)

    async def send_whole(self, method: str, target: str, headers: Headers, body: bytes) -> None:
        """Send a request in one piece, so that the peer wakes up once."""
        head = self._begin(method, target, headers)
        self._sent = True
        if self._chunked:
            body = (encode_chunk(body) if body else b"") + LAST_CHUNK
        await self._send(head, body)

    async def receive_head(self) -> tuple[int, list[tuple[str, str]]]:
        """Return status and headers of the answer; 101 means that bytes may follow in both directions."""
        while (head := await self._receive()) is None:
            pass
        return head.status, [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.fields]

    @property
    def has_arrived(self) -> bool:
        """Whether all of the answer is here."""
        return self._reader.complete

    async def receive_body(self) -> bytes:
        """Return the next piece of the answer, or nothing at its end."""
        while not self._body and not self._reader.complete:
            await self._receive()
        return self.take_body()

    def take_body(self) -> bytes:
        """Return what has arrived of the body, and nobody has asked for."""
        pieces, self._body = self._body, []
        return b"".join(pieces)

    async def send_raw(self, data: bytes) -> None:
        """Send bytes after an upgrade."""
        self._wire.write(data)
        await self._wire.drain()

    async def receive_raw(self) -> bytes:
        """Return bytes after an upgrade, or nothing at the end."""
        early, self._reader = self._reader.rest, ResponseReader("GET")
        return early or await self._wire.read()

    def end_raw(self) -> None:
        """Say after an upgrade that nothing more will be sent; the peer may go on sending."""
        self._wire.write_eof()

    def renew(self) -> bool:
        """Return whether another exchange is possible on this connection."""
        return self._sent and self._reader.reusable and self.is_open

    @property
    def is_open(self) -> bool:
        """Whether the peer has not hung up, and waits for what it is asked."""
        return self._wire.is_quiet

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._wire.close()

    def _begin(self, method: str, target: str, headers: Headers) -> bytes:
        """Return the head of a request, whose answer is read from now on."""
        fields = list(headers)
        names = {name.lower() for name, _ in fields}
        self._chunked, self._sent = "transfer-encoding" in names, False
        self._reader = self.new_reader(method, upgrade="upgrade" in names)
        return encode_head(method, target, encode_fields(fields))

    async def _send(self, *pieces: bytes) -> None:
        try:
            self._wire.write(*pieces)
            await self._wire.drain()
        except ConnectionError as error:
            raise PeerGoneError(str(error)) from error

    async def _receive(self) -> Head | None:
        """Take in what arrives next; return the head if it was in that."""
        try:
            events = self._reader.receive(await self._wire.read())
        except (ConnectionError, ProtocolError) as error:
            raise PeerGoneError(str(error)) from error
        self._body += [event.data for event in events if isinstance(event, Data)]
        return next((event for event in events if isinstance(event, Head)), None)


class Exchange:
    """One request on its way to a peer, and the answer on its way back.

    Args:
        request: The request as it came to us.
        connection: Where it goes.
        target: What to ask for there: path and query.
        headers: What to send along.
        release: Called when the answer has passed, with the connection to keep or to close.
    """

    def __init__(
        self,
        request: Request,
        connection: Connection,
        *,
        target: str,
        headers: Headers,
        release: Callable[[], None],
    ) -> None:
        self._request = request
        self._connection = connection
        self._target = target
        self._headers = headers
        self._release = release
        self._upload: asyncio.Task[None] | None = None
        self._nonsense: ProtocolError | None = None

    async def run(self, use: contextlib.ExitStack) -> Response:
        """Return the answer as soon as its head is there; what is in *use* stays so until its body has passed."""
        try:
            await self._send()
            status, headers = await self._connection.receive_head()
        except BaseException as error:
            await self._hang_up()
            if isinstance(error, PeerGoneError) and self._nonsense is not None:
                raise self._nonsense from error  # the peer did well to hang up
            raise
        held = use.pop_all()
        if status == 101:
            return Upgrade(headers, lambda client: self._tunnel(client, held))
        returned = [(name, value) for name, value in headers if name not in _NOT_PASSED_ON]
        is_head = self._request.method == "HEAD"
        # The length in an answer to HEAD, and in a 304, is that of another answer.
        if self._connection.has_arrived and self._upload is None and status != 304 and not is_head:
            return self._whole(status, returned, held)
        body = self._body(held)
        if is_head:  # nobody would ask for the body, and so nobody would end it
            await anext(body, b"")
        return Response(status, returned, body)

    def _whole(self, status: int, headers: Iterable[tuple[str, str]], held: contextlib.ExitStack) -> Response:
        """Return an answer of which nothing is still to come."""
        own = [(name, value) for name, value in headers if name != "content-length"]
        with held:
            body = self._connection.take_body()
            self._release()
        return Response(status, own, body)

    async def _send(self) -> None:
        """Send the request; a body goes along in a task, because a peer may answer before it has read all."""
        head = (self._request.method, self._target, self._headers)
        if not _has_body(self._request):
            await self._connection.send_whole(*head, b"")
        elif self._request.has_arrived:
            await self._connection.send_whole(*head, await self._request.body())
        else:
            await self._connection.send_head(*head)
            self._upload = asyncio.ensure_future(self._send_body())

    async def _send_body(self) -> None:
        try:
            async for chunk in self._request.chunks():
                await self._connection.send_body(chunk)
            await self._connection.end_request()
        except PeerGoneError:
            pass  # its answer, if it sent one before it hung up, is still to be read
        except (ConnectionError, ProtocolError) as error:
            self._nonsense = error if isinstance(error, ProtocolError) else None
            self._connection.close()  # the client broke off; the peer must not take this for the whole body

    async def _body(self, held: contextlib.ExitStack) -> AsyncGenerator[bytes, None]:
        with held:
            try:
                while chunk := await self._connection.receive_body():
                    yield chunk
            except PeerGoneError as error:
                raise ConnectionAbortedError(str(error)) from error
            finally:
                self._release()  # first: the wait below may be cancelled
                await self._end_upload()

    async def _tunnel(self, client: Stream, held: contextlib.ExitStack) -> None:
        """Pass bytes both ways until either side has no more."""
        with held:
            directions = [
                asyncio.ensure_future(_pump(client.receive, self._connection.send_raw)),
                asyncio.ensure_future(_pump(self._connection.receive_raw, client.send)),
            ]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._connection.close()
                await cancel(*directions)

    async def _hang_up(self) -> None:
        self._connection.close()
        await self._end_upload()

    async def _end_upload(self) -> None:
        if self._upload is not None:
            await cancel(self._upload)


async def _pump(receive: Callable[[], Awaitable[bytes]], send: Callable[[bytes], Awaitable[None]]) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await receive():
            await send(data)


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
