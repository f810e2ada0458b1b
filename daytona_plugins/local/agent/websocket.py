"""The server's half of a WebSocket: whole messages in and out, one task's turn at a time.

wsproto decides, the upgraded connection carries. Nothing runs in between: a message is read when a handler asks for
one, which is also when pings are answered, and a sender waits while its client is slow. One task may receive while
another sends.

    async def run(socket: WebSocket) -> None:
        while (message := await socket.receive()) is not None:
            await socket.send(message)

    router.add("GET", "/echo", lambda request: upgrade(request, run))
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, generate_accept_token

from daytona_plugins.local.tasks import cancel
from daytona_plugins.local.web import Request, Response, Stream, Upgrade

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from wsproto.events import Event

logger = logging.getLogger(__name__)

MESSAGE_LIMIT: Final = 16 * 1024 * 1024
LINGER_TIMEOUT: Final = 2.0
VERSION: Final = "13"
NONCE_SIZE: Final = 16
VERSION_TOKEN: Final = "X-Daytona-SDK-Version~"  # noqa: S105 - a subprotocol, no secret


class ClientGoneError(ConnectionError):
    """There is nobody to send to: the WebSocket is closed or its client has gone."""


def wants_websocket(request: Request) -> bool:
    """Return whether *request* asks to become a WebSocket."""
    return (request.headers.get("upgrade") or "").lower() == "websocket"


def upgrade(
    request: Request,
    run: Callable[[WebSocket], Awaitable[None]],
    *,
    subprotocol: str | None = None,
    limit: int = MESSAGE_LIMIT,
) -> Response:
    """Return the answer that hands the connection to *run* as a WebSocket, closed with 1000 when it returns.

    Args:
        request: What asks for it; a request that does not is answered 400.
        run: The handler; `ClientGoneError` may leave it, any other error closes with 1011.
        subprotocol: One of those offered; None chooses the one that tells the client's version, else the first.
        limit: Bytes, or characters, of the longest message taken; a longer one closes with 1009.
    """
    key = request.headers.get("sec-websocket-key") or ""
    if not _is_handshake(request, key):
        return Response(
            400, [("Content-Type", "text/plain"), ("Sec-WebSocket-Version", VERSION)], b"Bad Request"
        )
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    headers.append(("Sec-WebSocket-Accept", generate_accept_token(key.encode("ascii")).decode("ascii")))
    if chosen := subprotocol or choose_subprotocol(request):
        headers.append(("Sec-WebSocket-Protocol", chosen))

    async def serve(stream: Stream) -> None:
        await _serve(WebSocket(stream, limit), run)

    return Upgrade(headers, serve)


def _is_handshake(request: Request, key: str) -> bool:
    """Return whether *request* has all that RFC 6455 asks of it, and no other version in mind."""
    tokens = [
        token.strip().lower() for line in request.headers.all("connection") for token in line.split(",")
    ]
    version = request.headers.get("sec-websocket-version")
    return wants_websocket(request) and "upgrade" in tokens and version == VERSION and _is_nonce(key)


def _is_nonce(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == NONCE_SIZE
    except ValueError:
        return False


def offered_subprotocols(request: Request) -> list[str]:
    """Return the subprotocols that the client offers, in its order."""
    lines = request.headers.all("sec-websocket-protocol")
    return [token for line in lines for part in line.split(",") if (token := part.strip())]


def choose_subprotocol(request: Request) -> str | None:
    """Return the offer that tells the client's version, else the first one, which strict clients want to see taken."""
    offers = offered_subprotocols(request)
    return next((offer for offer in offers if offer.startswith(VERSION_TOKEN)), offers[0] if offers else None)


async def _serve(socket: WebSocket, run: Callable[[WebSocket], Awaitable[None]]) -> None:
    try:
        await run(socket)
    except ConnectionError:  # the client went in the middle of something, as clients do
        return
    except Exception:  # the border of the server: its client shall know that this is no ordinary end
        logger.exception("a WebSocket's handler failed")
        await socket.close(1011, "internal error")
    await socket.finish()


class WebSocket:
    """One connection after its handshake."""

    def __init__(self, stream: Stream, limit: int = MESSAGE_LIMIT) -> None:
        self._stream = stream
        self._limit = limit
        self._machine = Connection(ConnectionType.SERVER)
        self._events = self._machine.events()
        self._ended = False

    # -- Receiving ------------------------------------------------------------------------------------------------

    async def receive(self) -> str | bytes | None:
        """Return the next message, whole; None when the client has closed or is gone."""
        text: list[str] = []
        binary = bytearray()
        size = 0
        while (event := await self._next_event()) is not None:
            size += len(event.data)
            if size > self._limit:
                await self.close(1009, "message too big")
                self._ended = True
            elif isinstance(event, TextMessage):
                text.append(event.data)
            else:
                binary += event.data
            if event.message_finished and not self._ended:
                return "".join(text) if isinstance(event, TextMessage) else bytes(binary)
        return None

    async def while_connected(self, work: Coroutine[object, object, None]) -> None:
        """Do *work*, and give it up when the client goes; whatever the client says is read and ignored."""
        working = asyncio.ensure_future(work)
        listening = asyncio.ensure_future(self._ignore_messages())
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(working, listening)
        if not working.cancelled():
            working.result()

    async def _ignore_messages(self) -> None:
        while isinstance(await self._next_event(), TextMessage | BytesMessage):
            pass

    async def _next_event(self) -> TextMessage | BytesMessage | None:
        """Return the next piece of a message, or None at the end; everything else is dealt with here."""
        while not self._ended:
            event = next(self._events, None)
            if event is None:
                await self._read()
            elif isinstance(event, TextMessage | BytesMessage):
                return event
            else:
                await self._control(event)
        return None

    async def _read(self) -> None:
        try:
            data = await self._stream.receive()
        except ConnectionError:
            data = b""
        if data:
            self._machine.receive_data(data)
            self._events = self._machine.events()
        else:
            self._ended = True

    async def _control(self, event: Event) -> None:
        if isinstance(event, CloseConnection):
            self._ended = True
            # It is the client's own, or wsproto's verdict about a client that breaks the rules: the answer is the same.
            if self._machine.state in (ConnectionState.REMOTE_CLOSING, ConnectionState.OPEN):
                await self._answer(CloseConnection(code=event.code))
        elif isinstance(event, Ping) and self._machine.state is ConnectionState.OPEN:
            await self._answer(event.response())

    async def _answer(self, event: Event) -> None:
        with contextlib.suppress(ConnectionError):  # the next read tells
            await self._stream.send(self._machine.send(event))

    # -- Sending --------------------------------------------------------------------------------------------------

    async def send(self, data: str | bytes) -> None:
        """Send a text or binary message, waiting while the client is slow.

        Raises:
            ClientGoneError: It has closed, or is gone.
        """
        try:
            message = TextMessage(data=data) if isinstance(data, str) else BytesMessage(data=data)
            await self._stream.send(self._machine.send(message))
        except (LocalProtocolError, ConnectionError) as error:
            raise ClientGoneError("the WebSocket is closed") from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; nothing can be sent any more. May be called twice, and when the client is gone."""
        if self._machine.state is ConnectionState.OPEN:
            await self._answer(CloseConnection(code=code, reason=_short(reason) or None))

    async def finish(self) -> None:
        """Close if nobody has, and let the client read it: input left unread would reset the connection under it."""
        await self.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_TIMEOUT):
                await self._ignore_messages()


def _short(reason: str) -> str:
    """Return as much of *reason* as a close frame can hold."""
    return reason.encode()[:123].decode("utf-8", "ignore")
