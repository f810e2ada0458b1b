"""A WebSocket over a connection of the pool: messages in, messages out, and a peer that must show signs of life."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import DaytonaConnectionError, DaytonaConnectionTimeoutError, error_from_response
from ..protocols.websocket import (
    ClientWebSocket,
    Closed,
    Event,
    HandshakeError,
    Lost,
    Ponged,
    check_handshake,
    handshake_fields,
)
from ._deadline import left

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ..protocols.rest import Endpoint, QueryValue, Request
    from ._driver import Stream
    from .exchange import StreamedResponse

    Arrive = Callable[[Callable[[bytes], bool], float], Awaitable[None]]
    """Calls its first argument with what arrives next; raises `TimeoutError` after so many seconds."""

__all__ = ["WebSocketStream", "websocket_request"]

READ_SIZE: Final = 256 * 1024
PING_SECONDS: Final = 20.0
"""How long a silent peer is left alone before it is asked whether it is there, and then once more until it is not."""


def websocket_request(
    endpoint: Endpoint, path: str, query: Mapping[str, QueryValue] | None, subprotocols: Sequence[str]
) -> tuple[Request, bytes]:
    """Return the request for a WebSocket, and the nonce that its answer must prove."""
    nonce = os.urandom(16)
    return endpoint.request("GET", path, query=query, extra=handshake_fields(nonce, subprotocols)), nonce


class WebSocketStream:
    """One WebSocket: pulled by its reader, so nothing runs in between.

    Args:
        stream: The bytes below.
        forget: Closes them.
        rest: What has arrived of the WebSocket with the handshake.
        subprotocol: What the server chose, None if nothing.
        where: The address, for errors.
    """

    def __init__(
        self, stream: Stream, forget: Callable[[], None], rest: bytes, subprotocol: str | None, where: str
    ) -> None:
        self._stream = stream
        self._forget = forget
        self._machine = ClientWebSocket()
        self._events: deque[Event] = deque(self._machine.receive(rest) if rest else ())
        self._pinged = False
        self._outgoing: deque[bytes] = deque()
        self._turn = threading.Lock()
        self._where = where
        self.subprotocol = subprotocol

    @classmethod
    async def over(
        cls, answer: StreamedResponse, request: Request, nonce: bytes, subprotocols: Sequence[str]
    ) -> WebSocketStream:
        """Return the WebSocket that *answer* agrees to.

        Raises:
            DaytonaError: It does not; the class is that of the answer's status.
        """
        if answer.status != 101:
            body = await answer.read_all()
            raise error_from_response(
                answer.status, answer.headers, body, method=request.method, path=request.target
            )
        try:
            chosen = check_handshake(nonce, answer.headers, subprotocols)
        except HandshakeError as error:
            answer.abort()
            raise DaytonaConnectionError(
                f"No WebSocket at {request.target}: {error}", path=request.target
            ) from error
        stream, rest, forget = answer.take_over()
        socket = cls(stream, forget, rest, chosen, request.target)
        await socket._answer(
            socket._machine.outgoing()
        )  # to a ping, or a goodbye, that came with the handshake
        return socket

    async def receive(self) -> Event:
        """Return the next message, piece of a message, or the end: `Closed` or `Lost`, for ever from then on.

        Raises:
            DaytonaConnectionTimeoutError: The deadline passed; nothing is lost, and it may be called again.
            DaytonaConnectionError: The peer has been silent for two ping intervals.
        """
        while (event := self._take()) is None:
            await self._hear(self._note, self._read)
        return event

    async def deliver(self, take: Callable[[Event], bool]) -> None:
        """Call *take* with what `receive` would return, until it returns False, which it must at the end.

        There is one wait for everything that comes. Where there is an event loop, *take* may be called in no task. It
        must not raise.

        Raises:
            DaytonaConnectionTimeoutError: As `receive` does.
            DaytonaConnectionError: As `receive` does.
        """
        wanted = True

        def hear(data: bytes) -> bool:
            nonlocal wanted
            may_go_on = self._note(data)
            while wanted and (event := self._take()) is not None:
                wanted = take(event)
            return wanted and may_go_on

        while wanted and (event := self._take()) is not None:
            wanted = take(event)
        pour: Arrive = getattr(self._stream, "pour", self._read)
        while wanted:
            await self._hear(hear, pour)

    async def _answer(self, answers: bytes) -> None:
        """Send what was received calls for; hang up after the last frame."""
        if answers:
            with suppress(OSError):  # the peer may have gone after its last frame, which is what counts
                if not self._write_at_once(answers):
                    await self._write_rest(PING_SECONDS)
        if self._machine.closed:
            self.abort()

    async def receive_ready(self) -> list[Event]:
        """Return what `receive` would, and after it what has arrived with it."""
        events = [await self.receive()]
        if isinstance(events[0], (Closed, Lost)) or not self._events:
            return events
        events += [event for event in self._events if not isinstance(event, Ponged)]
        self._events.clear()
        if isinstance(events[-1], (Closed, Lost)):
            self._events.append(events[-1])  # and so for ever
        return events

    def _take(self) -> Event | None:
        while self._events:
            event = self._events.popleft()
            if isinstance(event, (Closed, Lost)):
                self._events.append(event)  # and so for ever
            if not isinstance(event, Ponged):
                return event
        return None

    async def _hear(self, hear: Callable[[bytes], bool], arrive: Arrive) -> None:
        """Have *hear* called with what arrives, and answer it."""
        heard = False
        while not heard:
            try:
                if (remaining := left()) is None:
                    await arrive(hear, PING_SECONDS)
                else:  # which counts from now on, and not from what arrives
                    await self._read(hear, min(PING_SECONDS, remaining))
                heard = True
            except TimeoutError as error:
                await self._ask(error)
            except OSError:
                heard = not hear(b"")
        if (answers := self._machine.outgoing()) or self._machine.closed:
            await self._answer(answers)

    async def _read(self, hear: Callable[[bytes], bool], timeout: float) -> None:
        hear(await self._stream.read(READ_SIZE, timeout))

    def _note(self, data: bytes) -> bool:
        """Take in what has arrived; return whether it calls for no answer."""
        self._pinged = False
        self._events.extend(self._machine.receive(data))
        return not (self._machine.must_answer or self._machine.closed)

    async def _ask(self, error: TimeoutError) -> None:
        """Ping a peer that has been silent for too long; give it up when it has stayed silent."""
        self._check_deadline(error)
        if self._pinged:
            self.abort()
            raise DaytonaConnectionError(
                f"{self._where}: the peer has not answered a ping for {PING_SECONDS:.0f} seconds"
            ) from error
        self._pinged = True
        await self._write(self._machine.ping())

    def _check_deadline(self, error: TimeoutError) -> None:
        try:
            left()
        except TimeoutError:
            raise DaytonaConnectionTimeoutError(
                f"{self._where}: nothing arrived within the timeout", retryable=True
            ) from error

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        await self._write(self._machine.send_text(data))

    async def send_binary(self, data: bytes) -> None:
        """Send a binary message."""
        await self._write(self._machine.send_binary(data))

    async def _write(self, data: bytes) -> None:
        try:
            if not self._write_at_once(data):
                await self._write_rest(left())
        except TimeoutError as error:
            raise DaytonaConnectionTimeoutError(f"{self._where}: the peer does not read") from error
        except OSError as error:
            raise DaytonaConnectionError(f"{self._where}: the connection is gone: {error}") from error

    def _write_at_once(self, data: bytes) -> bool:
        """Write what can be written without waiting; return whether nothing is left for `_write_rest`.

        What comes while another task or thread is writing is left for that one to write.
        """
        if self._outgoing or not self._turn.acquire(blocking=False):
            self._outgoing.append(data)
            return False
        try:
            if rest := data[self._stream.try_write(data) :]:
                self._outgoing.appendleft(rest)
        except BaseException:
            self.abort()
            raise
        finally:
            self._turn.release()
        return not self._outgoing

    async def _write_rest(self, timeout: float | None) -> None:
        """Write what is left."""
        while self._outgoing and self._turn.acquire(blocking=False):
            try:
                while self._outgoing:
                    await self._stream.write(self._outgoing.popleft(), timeout)
            except BaseException:
                self.abort()  # part of a frame may be out: nothing that follows would be understood
                raise
            finally:
                self._turn.release()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and close, without waiting for the peer's; may be called twice."""
        if not self._machine.closed:
            with suppress(OSError):
                if not self._write_at_once(self._machine.close(code, reason)):
                    await self._write_rest(1.0)
        self.abort()

    def abort(self) -> None:
        """Close at once, without a word; may be called twice."""
        self._forget()
