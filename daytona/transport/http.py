"""HTTP over a driver: requests go out, answers come back, connections are kept, faults are retried, time runs out.

Written once. The machines that decide (`protocols.http1`, `protocols.pool`, `protocols.retry`) know no sockets, and the
driver that has the sockets decides nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

from ..errors import (
    DaytonaClosedError,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaError,
    DaytonaRateLimitError,
    DaytonaTimeoutError,
    DaytonaValidationError,
)
from ..protocols import http1, retry, throttle
from ..protocols.pool import Origin, Pool, Ticket
from ..protocols.rest import Body, Request, Response, headers_from
from . import _deadline
from ._connector import Connector
from ._deadline import Deadline, Silence, left, patience, silence
from ._sharing import Sharing

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence

    from ..errors import Outcome
    from ..protocols.proxy import Proxies
    from ..protocols.rest import Endpoint, QueryValue
    from ..telemetry import Telemetry
    from ._driver import Background, Driver, Gate, Stream
    from .websocket import WebSocketStream

__all__ = ["HTTPTransport", "StreamedResponse"]

T = TypeVar("T")

AT_ONCE: Final = 0.001
"""Seconds in which nobody can have read a request, acted on it and hung up, even on this machine."""

READ_SIZE: Final = 64 * 1024
BULK_SIZE: Final = 256 * 1024
"""How much is asked for at once of the rest of a body that did not come with its head."""

PROGRESS: Final = 64 * 1024
"""Bytes that a peer takes within the silence allowed, or is said to have stalled."""


class AttemptFailed(Exception):
    """One attempt at a request failed: the fault that the retry table knows, and the error if it is the last one."""

    def __init__(self, fault: retry.Fault, error: DaytonaError) -> None:
        self.fault = fault
        self.error = error


class Home:
    """What a client has in one world, an event loop or a process: nothing of it is touched by another one.

    Args:
        world: The driver's name for it.
        limit: How many calls may be under way in it at once.
    """

    def __init__(self, world: object, limit: int | None) -> None:
        self.world = world
        self.pool: Pool[Connection] = Pool(limit)
        self.gates: dict[object, Gate] = {}
        self.active: set[Connection] = set()
        self.background: set[Background] = set()

    def clear(self) -> tuple[list[Connection], list[Gate]]:
        """Let go of everything; return the connections to close and the gates to open."""
        cleared = [*self.pool.renew(), *self.active], [*self.gates.values()]
        self.active.clear()
        self.gates.clear()
        return cleared


class Connection:
    """A stream and where it leads; *round_trip* is how long it took to make, in seconds."""

    __slots__ = ("generation", "home", "origin", "round_trip", "stream", "used")

    def __init__(
        self, origin: Origin, stream: Stream, home: Home, generation: int, round_trip: float
    ) -> None:
        self.origin = origin
        self.stream = stream
        self.home = home
        self.generation = generation
        self.round_trip = round_trip
        self.used = False

    def was_dead_before(self, waited: float | None) -> bool:
        """Return whether it had been closed before the request could reach the server.

        A connection may be closed just as it is used again. Whatever the server does on account of a request takes a
        round trip to show; an end that shows sooner, or before the request is out, had been on its way already.

        Args:
            waited: Seconds from the request to the end of the connection; None when the request did not get out.
        """
        return self.used and (waited is None or waited < max(AT_ONCE, 0.75 * self.round_trip))


class HTTPTransport:
    """The way to every server: one pool, one policy, one deadline for all of them.

    Args:
        driver: Sockets and waits.
        limit: How many calls may be under way at once in each event loop; None sets no limit.
        policy: How failures are retried.
        proxies: What stands between here and there; None means nothing.
        tls: Returns the context for https connections; called once, when the first one is made.
        telemetry: What reports operations; None reports nothing.
        made_at: The place that made the client, for the warning when it is never closed.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        limit: int | None = None,
        policy: retry.Policy = retry.Policy(),  # noqa: B008 - an immutable tuple
        proxies: Proxies | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        telemetry: Telemetry | None = None,
        made_at: str = "an unknown place",
    ) -> None:
        self._driver = driver
        self._policy = policy
        self._connector = Connector(driver, proxies, tls)
        self._limit = limit
        self._home = Home(None, limit)
        self._homes: dict[object, Home] = {}
        self._throttle = throttle.Throttle()
        self._sharing = Sharing(driver)
        self._lock = threading.Lock()
        self._closed = False
        self._made_at = made_at
        _transports.add(self)
        self.telemetry = telemetry

    def __del__(self) -> None:
        if "_made_at" not in vars(self) or self._closed or sys.is_finalizing():
            return
        left_open = any(home.pool.idle or home.active for home in self._homes.values())
        self.abandon()  # first: the warning may be an error
        if left_open:
            warnings.warn(
                f"the client made at {self._made_at} was not closed",
                ResourceWarning,
                stacklevel=1,
                source=self,
            )

    # -- What services call ---------------------------------------------------------------------------------------

    async def send(self, request: Request) -> Response:
        """Return the answer to *request* with its body in memory."""
        for attempt in count(1):
            try:
                response = await (
                    self._send_slowly(request) if self._throttle.active else self._send_once(request)
                )
            except AttemptFailed as failure:
                if not await self._may_repeat(request, failure.fault, attempt, None):
                    raise failure.error from failure.__cause__
                continue
            fault = retry.FAULT_OF_STATUS.get(response.status)
            if fault is None or not await self._may_repeat(request, fault, attempt, response):
                return response
        raise AssertionError("unreachable")  # pragma: no cover - count() does not end

    async def _send_once(self, request: Request) -> Response:
        answer = await self._begin(request)
        response = Response(answer.status, answer.fields, await answer.read_all())
        if response.status == 429:
            wanted = retry.retry_after(response.headers) or self._policy.first_delay
            with self._lock:
                self._throttle.refused(throttle.bucket_of(*_of(request)), _deadline.now(), wanted)
        return response

    async def _send_slowly(self, request: Request) -> Response:
        """Send a request when its bucket lets it through."""
        bucket = throttle.bucket_of(*_of(request))
        while True:
            with self._lock:
                wait = self._throttle.admit(bucket, _deadline.now())
            if not wait:
                break
            wait *= 1 + _random() / 10
            if wait >= _deadline.at_most(wait + 1):
                raise DaytonaRateLimitError(
                    f"{request.method} {_url(request)} was held back: the server asked this client to slow down, for "
                    f"another {wait:.1f} seconds, longer than the call's timeout",
                    method=request.method,
                    path=request.target,
                    retryable=True,
                    outcome="not_sent",
                )
            await self._pause(wait)
        try:
            response = await self._send_once(request)
        except BaseException:
            with self._lock:
                self._throttle.ended(bucket)
            raise
        if response.status != 429:
            with self._lock:
                self._throttle.passed(bucket, _deadline.now())
        return response

    async def stream(self, request: Request) -> StreamedResponse:
        """Return the answer to *request* with its body still to be read; it must be closed."""
        for attempt in count(1):
            try:
                answer = await self._begin(request)
            except AttemptFailed as failure:
                if not await self._may_repeat(request, failure.fault, attempt, None):
                    raise failure.error from failure.__cause__
                continue
            return answer
        raise AssertionError("unreachable")  # pragma: no cover - count() does not end

    async def open_websocket(
        self,
        endpoint: Endpoint,
        path: str,
        query: Mapping[str, QueryValue] | None = None,
        subprotocols: Sequence[str] = (),
    ) -> WebSocketStream:
        """Return a WebSocket to *path*; it must be closed.

        Raises:
            DaytonaError: The server refused with an answer, or made no proper handshake.
        """
        from .websocket import WebSocketStream, websocket_request  # streams are not every program's business

        request, nonce = websocket_request(endpoint, path, query, subprotocols)
        return await WebSocketStream.over(await self.stream(request), request, nonce, subprotocols)

    async def sleep(self, seconds: float) -> None:
        """Wait, no longer than the deadline allows."""
        try:
            remaining = left()
            await self._driver.sleep(seconds if remaining is None else min(seconds, remaining))
            left()
        except TimeoutError as error:
            raise DaytonaTimeoutError("The operation took longer than its timeout") from error

    async def shared(self, key: object, act: Callable[[Callable[[], None]], Awaitable[T]]) -> T:
        """Return what *act* returns, once for all who want the same at the same time."""
        return await self._sharing.do(key, act)

    def deadline(self, timeout: float | None) -> Deadline:
        """Return a limit, in seconds, for everything awaited inside."""
        return Deadline(timeout)

    def silence(self, timeout: float | None) -> Silence:
        """Return a limit, in seconds, for how long the peer may keep each read and write inside waiting."""
        return Silence(timeout)

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, which may block on local files."""
        return await self._driver.run(function)

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done also when the task around it has been cancelled."""
        await self._driver.shielded(act)

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> Background | None:
        """Do *act*, which may not raise, beside the caller until the client is closed; None where nothing can be."""
        home = self._enter_world()

        async def run() -> None:
            try:
                await act()
            finally:
                home.background.discard(background)

        background = self._driver.start_soon(run)
        if background is not None:
            home.background.add(background)
        return background

    def time(self) -> float:
        """Return the time of day, in Unix seconds."""
        return time.time()

    async def close(self) -> None:
        """Close every connection; calls in flight end with `DaytonaClosedError`."""
        self.abandon()
        await self._driver.sleep(0)  # streams that are closed by tasks of their own get their turn
        home = self._homes.get(self._driver.world())
        for background in [*home.background] if home is not None else ():
            await background.stop()

    def abandon(self) -> None:
        """Close every connection at once: all that closing needs, for where nothing can be awaited."""
        with self._lock:
            self._closed = True
            cleared = [home.clear() for home in self._homes.values()]
        for connections, gates in cleared:
            for connection in connections:
                connection.stream.close()
            for gate in gates:
                gate.open()

    def renew_lock(self) -> None:
        """Begin with locks that nobody holds."""
        self._lock = threading.Lock()
        self._connector.renew_lock()
        self._sharing = Sharing(self._driver)

    # -- Attempts -------------------------------------------------------------------------------------------------

    async def _may_repeat(
        self, request: Request, fault: retry.Fault, attempt: int, response: Response | None
    ) -> bool:
        """Wait as the policy says and return True, or return False: this was the last attempt."""
        row = retry.row_for(fault, request.method, replayable=request.replayable)
        if row is None or attempt >= self._policy.attempts or self._closed:
            return False
        if row.waits:
            wanted = retry.retry_after(response.headers) if response is not None else None
            pause = retry.delay(self._policy, attempt, _random(), wanted)
            if pause >= _deadline.at_most(pause + 1):
                return False
            await self._pause(pause)
        return True

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the client's end."""
        home, key, gate = self._enter_world(), object(), self._driver.gate()
        with self._lock:
            home.gates[key] = gate
        try:
            await gate.wait(seconds)
        except TimeoutError:
            pass  # as it should be: nobody opened the gate
        finally:
            with self._lock:
                home.gates.pop(key, None)

    async def _begin(self, request: Request) -> StreamedResponse:
        """Return one attempt's answer, read up to its head."""
        if self.telemetry is not None:
            request = request.with_fields(self.telemetry.headers())
        home = self._home
        if self._closed or self._driver.world() is not home.world:
            home = self._enter_world()
        place: tuple[Ticket, Gate] | None = None
        with self._lock:
            ticket, generation = home.pool.enter(), home.pool.generation
            if ticket is not None:
                place = ticket, self._driver.gate()
                home.gates[ticket] = place[1]
        if place is not None:
            await self._wait_in_line(request, *place, home, generation)
        try:
            connection = self._take(request.origin, home, generation) or await self._dial(
                request, home, generation
            )
        except BaseException:
            self._return_permit(home, generation)
            raise
        answer = StreamedResponse(self, request, connection)
        try:
            await answer.start()
        except BaseException:
            answer.abort()
            raise
        return answer

    def _enter_world(self) -> Home:
        """Return what there is in the running event loop or process; drop what belongs to one that is over."""
        if self._closed:
            raise DaytonaClosedError("The client is closed; make a new one")
        world = self._driver.world()
        with self._lock:
            home = self._homes.get(world)
            gone = [] if home is not None else self._leave_worlds()
            if home is None:
                home = self._homes[world] = Home(world, self._limit)
            self._home = home
        for connection in gone:
            connection.stream.close()
        return home

    def _leave_worlds(self) -> list[Connection]:
        """Forget the worlds that have ended; return the connections in them, to be closed without a word."""
        over = [world for world in self._homes if self._driver.is_over(world)]
        return [connection for world in over for connection in self._homes.pop(world).clear()[0]]

    # -- Permits and connections ----------------------------------------------------------------------------------

    async def _wait_in_line(
        self, request: Request, ticket: Ticket, gate: Gate, home: Home, generation: int
    ) -> None:
        """Wait until the permit that *ticket* stands for is granted."""
        try:
            await gate.wait(left())
        except BaseException as error:
            with self._lock:
                home.gates.pop(ticket, None)
                if generation == home.pool.generation:
                    self._wake(home, home.pool.abandon(ticket))
            if isinstance(error, TimeoutError):
                raise self._timed_out(request, "waiting for a free connection", error, "not_sent") from error
            raise
        if self._closed:
            raise DaytonaClosedError("The client was closed while the call waited for a connection")

    def _return_permit(self, home: Home, generation: int) -> None:
        with self._lock:
            if generation == home.pool.generation:
                self._wake(home, home.pool.leave())

    def _wake(self, home: Home, ticket: Ticket | None) -> None:
        if ticket is not None and (gate := home.gates.pop(ticket, None)) is not None:
            gate.open()

    def _take(self, origin: Origin, home: Home, generation: int) -> Connection | None:
        """Return a connection that is still good, closing the ones found dead on the way."""
        while True:
            with self._lock:
                expired = home.pool.expired(_deadline.now())
                connection = home.pool.take(origin) if generation == home.pool.generation else None
                if connection is not None:
                    home.active.add(connection)
            for old in expired:
                old.stream.close()
            if connection is None or not connection.stream.is_stale():
                return connection
            self.discard(connection)

    async def _dial(self, request: Request, home: Home, generation: int) -> Connection:
        origin = request.origin
        with self._lock:
            displaced = home.pool.make_room()
        if displaced is not None:
            displaced.stream.close()
        began = _deadline.now()
        try:
            stream = await self._connector.connect(origin)
        except TimeoutError as error:
            raise self._timed_out(request, "connecting", error, "not_sent") from error
        except DaytonaConnectionError as error:
            error.method, error.path = request.method, request.target.partition("?")[0]
            if not error.retryable:
                raise
            raise AttemptFailed(retry.Fault.CONNECT, error) from error.__cause__
        connection = Connection(origin, stream, home, generation, _deadline.now() - began)
        with self._lock:
            home.active.add(connection)
            current = generation == home.pool.generation
        if not current:
            self.discard(connection)
            raise DaytonaClosedError("The client was closed while the call was connecting")
        return connection

    def keep(self, connection: Connection) -> None:
        """Put a connection back after a complete exchange."""
        connection.used = True
        home = connection.home
        with self._lock:
            home.active.discard(connection)
            kept = not self._closed and home.pool.give(
                connection.origin, connection, connection.generation, _deadline.now()
            )
            if connection.generation == home.pool.generation:
                self._wake(home, home.pool.leave())
        if not kept:
            connection.stream.close()

    def release(self, connection: Connection) -> None:
        """Let go of a connection that has left HTTP; the client's end closes it all the same."""
        self._return_permit(connection.home, connection.generation)

    def drop(self, connection: Connection) -> None:
        """Close a connection whose exchange did not complete."""
        self.discard(connection)
        self._return_permit(connection.home, connection.generation)

    def discard(self, connection: Connection) -> None:
        """Close a connection, and forget it."""
        with self._lock:
            connection.home.active.discard(connection)
        connection.stream.close()

    # -- Errors ---------------------------------------------------------------------------------------------------

    def failed(
        self,
        request: Request,
        connection: Connection,
        error: OSError | http1.ProtocolError,
        *,
        begun: bool,
        waited: float | None,
    ) -> AttemptFailed | DaytonaError:
        """Return what to raise for an exchange that the network or the peer broke off.

        Args:
            request: What was asked.
            connection: Where.
            error: How it ended.
            begun: Whether a byte of the answer has arrived.
            waited: Seconds since all of the request was sent; None when that failed.
        """
        if self._closed:
            return DaytonaClosedError(
                "The client was closed while the call was under way",
                method=request.method,
                path=request.target,
            )
        if isinstance(error, TimeoutError):
            allowed = silence()
            if allowed is not None and _deadline.at_most(1.0):
                return self._stalled(request, allowed)
            return self._timed_out(request, "waiting for the answer", error, "unknown")
        broken = DaytonaConnectionError(
            f"{request.method} {_url(request)} got no complete answer: {error}",
            method=request.method,
            path=request.target,
            retryable=True,
            outcome="unknown",
        )
        if begun:
            return broken
        return AttemptFailed(
            retry.Fault.STALE if connection.was_dead_before(waited) else retry.Fault.BROKEN, broken
        )

    def _stalled(self, request: Request, allowed: float) -> DaytonaError:
        return DaytonaConnectionTimeoutError(
            f"{request.method} {_url(request)} stalled: nothing moved for {allowed:g} seconds",
            method=request.method,
            path=request.target,
            retryable=True,
            outcome="unknown",
        )

    def _timed_out(self, request: Request, doing: str, error: TimeoutError, outcome: Outcome) -> DaytonaError:
        return DaytonaConnectionTimeoutError(
            f"{request.method} {_url(request)} took longer than its timeout, {doing}",
            method=request.method,
            path=request.target,
            retryable=True,
            outcome=outcome,
        )


_transports: WeakSet[HTTPTransport] = WeakSet()


def _forget_locks() -> None:
    """In a forked child: whoever held a lock is not there to release it."""
    for transport in _transports:
        transport.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


class StreamedResponse:
    """An answer whose body is read piece by piece; it holds its connection until it is read to the end or closed."""

    __slots__ = (
        "_connection",
        "_pending",
        "_reader",
        "_request",
        "_rest",
        "_sent",
        "_sent_at",
        "_stream",
        "_transport",
        "fields",
        "status",
    )

    def __init__(self, transport: HTTPTransport, request: Request, connection: Connection) -> None:
        self._transport = transport
        self._request = request
        self._connection: Connection | None = connection
        self._stream = connection.stream
        self._reader: http1.ResponseReader | None = None
        self._pending: deque[http1.Event] = deque()
        self._rest = b""
        self._sent = False
        self._sent_at: float | None = None
        self.status = 0
        self.fields: http1.Fields = []

    @property
    def headers(self) -> dict[str, str]:
        """The header fields as text, by name in lower case."""
        return headers_from(self.fields)

    async def start(self) -> None:
        """Send the request and read the answer's head."""
        try:
            await self._write()
        except AttemptFailed:
            # A server may refuse a request before it has read all of it: its answer says more than our broken pipe.
            with suppress(AttemptFailed, DaytonaConnectionError):
                while not self.status:
                    await self._receive()
            if not self.status:
                raise
        while not self.status:
            await self._receive()

    async def _write(self) -> None:
        request = self._request
        await self._send(request.encode())
        if isinstance(request.body, Body):
            try:
                await self._write_body(request.body)
            finally:
                await _end(request.body.chunks)
        self._sent = not self.status
        self._sent_at = _deadline.now()

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

    async def _send(self, data: bytes) -> None:
        # Only here and in `_receive` does an OSError mean the network: a body raises its own.
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
            return self._take_rest()
        try:
            while not self._pending:
                if self._connection is None:
                    return b""
                await self._receive()
        except BaseException:
            self.abort()
            raise
        event = self._pending.popleft()
        if isinstance(event, http1.Data):
            return event.data
        self._release(reusable=self._reader is not None and self._reader.reusable and self._sent)
        return b""

    async def read_all(self) -> bytes:
        """Return the rest of the body."""
        if self._connection is None:
            return self._take_rest()
        pieces: list[bytes] = []
        while piece := await self.read():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_rest(self) -> bytes:
        """Return the body that came with the head, once."""
        rest, self._rest = self._rest, b""
        return rest

    def take_over(self) -> tuple[Stream, bytes, Callable[[], None]]:
        """Return the stream below an upgraded connection, what has arrived of the other protocol, and how to close.

        The connection leaves the pool and its permit is free again: a stream may live for hours.
        """
        assert self._reader is not None, "nothing has been read"
        assert self._reader.upgraded, "the server has not changed the protocol"
        connection, self._connection = self._live, None
        self._transport.release(connection)
        return connection.stream, self._reader.rest, partial(self._transport.discard, connection)

    def _failed(self, error: OSError | http1.ProtocolError) -> AttemptFailed | DaytonaError:
        waited = None if self._sent_at is None else _deadline.now() - self._sent_at
        begun = self._reader is not None and self._reader.begun
        return self._transport.failed(self._request, self._live, error, begun=begun, waited=waited)

    @property
    def _live(self) -> Connection:
        assert self._connection is not None, "the exchange is over"
        return self._connection

    def _release(self, *, reusable: bool) -> None:
        connection, self._connection = self._live, None
        if reusable:
            self._transport.keep(connection)
        else:
            self._transport.drop(connection)

    def abort(self) -> None:
        """Close the connection unless the body was read to its end; may be called twice."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._transport.drop(connection)


async def _end(chunks: AsyncIterator[bytes]) -> None:
    """Let go of what the source of a body holds open, if it can be told to."""
    close: Callable[[], Awaitable[None]] | None = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


def _random() -> float:
    """Return a number from 0 to 1, for jitter."""
    import random  # only after a failure; it loads a library for hashes

    return random.random()  # noqa: S311 - not a secret


def _of(request: Request) -> tuple[str, str, str]:
    return request.method, request.origin.host, request.target


def _url(request: Request) -> str:
    origin = request.origin
    return f"{origin.scheme}://{origin.host}:{origin.port}{request.target.partition('?')[0]}"
