"""One request and its answer, over one connection."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from ..errors import DaytonaClosedError, DaytonaConnectionError, DaytonaError, DaytonaValidationError
from ..protocols import http1
from ..protocols.rest import Body, Request, headers_from
from ._deadline import now, patience, silence
from ._faults import AttemptFailed, broken_off

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ._connections import Connection, Connections
    from ._driver import Stream

__all__ = ["StreamedResponse"]

READ_SIZE: Final = 64 * 1024
BULK_SIZE: Final = 384 * 1024
"""How much is asked for at once of the rest of a body that did not come with its head.

Its bytes are copied twice: out of the kernel, and out of the chunks in which they came into one piece.
"""

# Made and dropped at once: glibc unmaps what is freed if it is larger than anything freed so before, or than 128 KiB. Each
# piece of a stream was mapped anew, and the page faults took longer than to read it.
bytes(4 * BULK_SIZE)

PROGRESS: Final = 64 * 1024
"""Bytes that a peer takes within the silence allowed, or is said to have stalled."""


class StreamedResponse:
    """An answer whose body is read piece by piece; it holds its connection until it is read to the end or closed."""

    __slots__ = (
        "_connection",
        "_connections",
        "_pending",
        "_reader",
        "_request",
        "_rest",
        "_sent",
        "_sent_at",
        "_stream",
        "fields",
        "status",
    )

    def __init__(self, connections: Connections, request: Request, connection: Connection) -> None:
        self._connections = connections
        self._request = request
        self._connection: Connection | None = connection
        self._stream = connection.stream
        self._reader: http1.ResponseReader | None = None
        self._pending: list[http1.Event] = []
        self._rest = b""
        self._sent = False
        self._sent_at: float | None = None
        self.status = 0
        self.fields: http1.Fields | http1.Block = b""

    @property
    def headers(self) -> dict[str, str]:
        """The header fields as text, by name in lower case."""
        return headers_from(self.fields)

    async def start(self) -> None:
        """Send the request and read the answer's head."""
        try:
            rest = self._send_at_once(self._request.encode())
            if rest or isinstance(self._request.body, Body):
                await self._write(rest)
            self._sent, self._sent_at = not self.status, now()
        except AttemptFailed:
            # A server may refuse a request before it has read all of it: its answer says more than our broken pipe.
            with suppress(AttemptFailed, DaytonaConnectionError):
                while not self.status:
                    await self._receive()
            if not self.status:
                raise
        while not self.status:
            await self._receive()

    async def _write(self, rest: bytes) -> None:
        """Send what is left of what could be sent at once, and the body that could not."""
        if rest:
            await self._send(rest)
        body = self._request.body
        if isinstance(body, Body):
            try:
                await self._write_body(body)
            finally:
                await _end(body.chunks)

    async def _write_body(self, body: Body) -> None:
        missing = body.length
        async for chunk in body.chunks:
            if missing is not None:
                missing -= len(chunk)
                if missing < 0:
                    break
            if await self._answered():
                return
            if chunk:
                await self._send(chunk if missing is not None else http1.encode_chunk(chunk))
        if missing is None:
            await self._send(http1.LAST_CHUNK)
        elif missing:
            raise DaytonaValidationError(
                f"The body was to have {body.length} bytes and has {'more' if missing < 0 else 'fewer'}: "
                "did a file change while it was sent?",
                outcome="unknown",
            )

    async def _answered(self) -> bool:
        """Return whether the server has answered before it has read everything: it may never read the rest."""
        # Below TLS there may be bytes that are no answer.
        if self._request.origin.scheme == "http" and self._stream.is_stale():
            await self._receive()
        return bool(self.status)

    # Only in the following ones and in `_receive` does an OSError mean the network: a body raises its own.

    def _send_at_once(self, data: bytes) -> bytes:
        """Send what can be sent without waiting: most requests, whole; return the rest."""
        try:
            patience()  # there has to be time left
            sent = self._stream.try_write(data)
        except OSError as error:
            raise self._failed(error) from error
        return data[sent:]

    async def _send(self, data: bytes) -> None:
        try:
            if silence() is None or len(data) <= PROGRESS:
                await self._stream.write(data, patience())
            else:
                await self._send_watched(data)
        except OSError as error:
            raise self._failed(error) from error

    async def _send_watched(self, data: bytes) -> None:
        """Send piece by piece: a slow peer that takes each of them is not a silent one."""
        for start in range(0, len(data), PROGRESS):
            await self._stream.write(data[start : start + PROGRESS], patience())

    async def _receive(self) -> None:
        try:
            data = await self._stream.read(BULK_SIZE if self.status else READ_SIZE, patience())
            if self._reader is None:
                if self._sent and (whole := http1.read_whole(self._request.method, data)) is not None:
                    self.status, self.fields, self._rest = whole
                    self._release(reusable=True)
                    return
                self._reader = http1.ResponseReader(self._request.method, upgrade=self._request.upgrades)
            events = self._reader.receive(data)
        except (OSError, http1.ProtocolError) as error:
            raise self._failed(error) from error
        for event in events:
            if isinstance(event, http1.Head):
                self.status, _, self.fields = event
            elif not isinstance(event, http1.Informational):
                self._pending.append(event)

    async def read(self) -> bytes:
        """Return the next piece of the body, `b""` at its end."""
        if self._rest:
            return self.take_rest() or b""
        try:
            while not self._pending:
                if self._connection is None:
                    return b""
                await self._receive()
        except BaseException:
            self.abort()
            raise
        event = self._pending.pop(0)
        if isinstance(event, http1.Data):
            return event.data
        self._release(reusable=self._reader is not None and self._reader.reusable and self._sent)
        return b""

    async def read_all(self) -> bytes:
        """Return the rest of the body."""
        if (rest := self.take_rest()) is not None:
            return rest
        pieces: list[bytes] = []
        while piece := await self.read():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def take_rest(self) -> bytes | None:
        """Return the rest of the body if the exchange is over, as it is when all of it came with the head; else None."""
        if self._connection is not None:
            return None
        rest, self._rest = self._rest, b""
        return rest

    def take_over(self) -> tuple[Stream, bytes, Callable[[], None]]:
        """Return the stream below an upgraded connection, what has arrived of the other protocol, and how to close.

        The connection leaves the pool and its permit is free again: a stream may live for hours.
        """
        assert self._reader is not None, "nothing has been read"
        assert self._reader.upgraded, "the server has not changed the protocol"
        connection, self._connection = self._live, None
        self._connections.release(connection)
        return connection.stream, self._reader.rest, partial(self._connections.discard, connection)

    def _failed(self, error: OSError | http1.ProtocolError) -> AttemptFailed | DaytonaError:
        if self._connections.closed:
            return DaytonaClosedError(
                "The client was closed while the call was under way",
                method=self._request.method,
                path=self._request.target,
            )
        waited = None if self._sent_at is None else now() - self._sent_at
        begun = self._reader is not None and self._reader.begun
        return broken_off(self._request, error, begun=begun, stale=self._live.was_dead_before(waited))

    @property
    def _live(self) -> Connection:
        assert self._connection is not None, "the exchange is over"
        return self._connection

    def _release(self, *, reusable: bool) -> None:
        connection, self._connection = self._live, None
        if reusable:
            self._connections.keep(connection)
        else:
            self._connections.drop(connection)

    def abort(self) -> None:
        """Close the connection unless the body was read to its end; may be called twice."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._connections.drop(connection)


async def _end(chunks: AsyncIterator[bytes]) -> None:
    """Let go of what the source of a body holds open, if it can be told to."""
    close: Callable[[], Awaitable[None]] | None = getattr(chunks, "aclose", None)
    if close is not None:
        await close()
