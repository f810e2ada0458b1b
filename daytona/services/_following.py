"""Following a log to its end, over as many connections as it takes."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from ..errors import DaytonaConnectionError, DaytonaError
from ..models.process import SessionCommandLogsResponse
from ..protocols.logs import LogReader
from ..protocols.messages import Binary, Closed, Event, Lost, Text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from ..models.process import LogEvent
    from ..service import Api
    from ..transport.websocket import WebSocketStream

__all__ = ["FollowedLog"]

NORMAL: Final = 1000
SETBACKS: Final = 6
"""How many attempts in a row may bring nothing new, before the last one is taken for the end or its error raised."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0


class FollowedLog:
    """A log that may still grow, read once from its beginning to its end.

    The server only knows how to send a log from the start. A connection that drops is replaced by a new one, and as
    many bytes of it are skipped as have been read before, so that nothing is missing and nothing comes twice.

    Args:
        api: The sandbox.
        path: Where the log is.
        is_over: Tells whether nothing will be added to it any more.
    """

    def __init__(self, api: Api, path: str, is_over: Callable[[], Awaitable[bool]]) -> None:
        self._api = api
        self._path = path
        self._is_over = is_over
        self._received = 0
        self._connected = False
        self._over = False
        self._complete = False

    async def events(self) -> AsyncGenerator[LogEvent]:
        """Yield what is written, as it comes.

        Raises:
            DaytonaError: The server closed the stream for another reason than its end.
        """
        reader = LogReader()
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                for event in reader.receive(chunk):
                    yield event
        for event in reader.finish():
            yield event

    async def _chunks(self) -> AsyncGenerator[bytes]:
        """Yield the bytes of the log, each once."""
        setbacks = 0
        while not self._complete:
            known, failure = self._received, None
            try:
                async with aclosing(self._attempt()) as fresh:
                    async for data in fresh:
                        self._received += len(data)
                        yield data
            except DaytonaError as error:
                if not self._connected or not _may_pass(error):
                    raise
                failure = error
            # A command that is still running may be silent for as long as it likes.
            stuck = self._received == known and (failure is not None or self._over)
            setbacks = setbacks + 1 if stuck else 0
            if setbacks == SETBACKS:
                if failure is not None:
                    raise failure
                return
            if not self._complete:
                await self._api.transport.sleep(min(FIRST_PAUSE * 2**setbacks, LONGEST_PAUSE))

    async def _attempt(self) -> AsyncGenerator[bytes]:
        """Yield what one connection brings that is new, and if the command has ended meanwhile, all that is missing."""
        endpoint = await self._api.endpoint()
        socket = await self._api.transport.open_websocket(endpoint, self._path, {"follow": "true"})
        self._connected = True
        skip = self._received
        try:
            while True:
                events = await _receive(socket)
                data = b"".join(map(_data, events))  # one large piece is read faster than many small ones
                if fresh := data[skip:]:
                    yield fresh
                skip = max(0, skip - len(data))
                if isinstance(event := events[-1], Closed | Lost):
                    break
        finally:
            socket.abort()
        self._complete = _is_end(event) and not skip
        if not self._complete:
            self._over = await self._is_over()
            if self._over and (rest := await self._rest()) is not None:
                self._complete = True
                yield rest

    async def _rest(self) -> bytes | None:
        """Return what the plain log has beyond what was received; None when it is not known to be exact.

        It comes as text, in which U+FFFD may stand for any byte, and then nothing can be counted.
        """
        log = await self._api.call("GET", self._path, into=SessionCommandLogsResponse)
        output = log.output or ""
        return None if "\ufffd" in output else output.encode()[self._received :]


async def _receive(socket: WebSocketStream) -> list[Event]:
    """Return what comes next; a peer that stays silent although it was pinged is as good as gone."""
    try:
        return await socket.receive_ready()
    except DaytonaConnectionError:
        return [Lost()]


def _data(event: Event) -> bytes:
    """Return the bytes of a message; a text message stands for its UTF-8."""
    if isinstance(event, Binary):
        return event.data
    return event.data.encode() if isinstance(event, Text) else b""


def _may_pass(error: DaytonaError) -> bool:
    """Return whether this is a matter of the way to the server, or of its state, and not of what was asked."""
    return error.retryable or isinstance(error, DaytonaConnectionError)


def _is_end(event: Event) -> bool:
    """Return whether the log ends here, rather than its connection.

    Raises:
        DaytonaError: The server closed it for another reason.
    """
    if isinstance(event, Closed) and event.code != NORMAL:
        raise DaytonaError(f"{event.reason or 'the log stream was closed'} (close code {event.code})")
    return isinstance(event, Closed)
