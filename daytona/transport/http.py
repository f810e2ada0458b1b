"""HTTP over a driver: what services await, attempt by attempt until one counts or the time is up.

Written once. The machines that decide (`protocols.http1`, `protocols.pool`, `protocols.retry`) know no sockets, and the
driver that has the sockets decides nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from ..errors import DaytonaRateLimitError, DaytonaTimeoutError
from ..protocols import retry, throttle
from ..protocols.rest import Request, Response
from . import _deadline
from ._connections import Connections
from ._connector import Connector
from ._deadline import Deadline, Silence, left
from ._faults import AttemptFailed, url_of
from ._sharing import Sharing
from .exchange import StreamedResponse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from ..protocols.proxy import Proxies
    from ..protocols.rest import Endpoint, QueryValue
    from ..telemetry import Telemetry
    from ._driver import Background, Driver
    from .websocket import WebSocketStream

__all__ = ["HTTPTransport"]

T = TypeVar("T")


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
        self._connections = Connections(driver, Connector(driver, proxies, tls), limit)
        self._throttle = throttle.Throttle()
        self._sharing = Sharing(driver)
        self._lock = threading.Lock()
        self._made_at = made_at
        _transports.add(self)
        self.telemetry = telemetry

    def __del__(self) -> None:
        if "_made_at" not in vars(self) or self._connections.closed or sys.is_finalizing():
            return
        left_open = self._connections.any
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
        rest = answer.take_rest()
        body = rest if rest is not None else await answer.read_all()
        response = Response(answer.status, answer.fields, body)
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
                    f"{request.method} {url_of(request)} was held back: the server asked this client to slow down, for "
                    f"another {wait:.1f} seconds, longer than the call's timeout",
                    method=request.method,
                    path=request.target,
                    retryable=True,
                    outcome="not_sent",
                )
            await self._connections.pause(wait)
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
        home = self._connections.enter_world()

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
        home = self._connections.home()
        for background in [*home.background] if home is not None else ():
            await background.stop()

    def abandon(self) -> None:
        """Close every connection at once: all that closing needs, for where nothing can be awaited."""
        self._connections.abandon()

    def renew_lock(self) -> None:
        """Begin with locks that nobody holds."""
        self._lock = threading.Lock()
        self._connections.renew_lock()
        self._sharing = Sharing(self._driver)

    # -- Attempts -------------------------------------------------------------------------------------------------

    async def _may_repeat(
        self, request: Request, fault: retry.Fault, attempt: int, response: Response | None
    ) -> bool:
        """Wait as the policy says and return True, or return False: this was the last attempt."""
        row = retry.row_for(fault, request.method, replayable=request.replayable)
        if row is None or attempt >= self._policy.attempts or self._connections.closed:
            return False
        if row.waits:
            wanted = retry.retry_after(response.headers) if response is not None else None
            pause = retry.delay(self._policy, attempt, _random(), wanted)
            if pause >= _deadline.at_most(pause + 1):
                return False
            await self._connections.pause(pause)
        return True

    async def _begin(self, request: Request) -> StreamedResponse:
        """Return one attempt's answer, read up to its head."""
        if self.telemetry is not None:
            request = request.with_fields(self.telemetry.headers())
        connection = self._connections.take(request.origin) or await self._connections.lend(request)
        answer = StreamedResponse(self._connections, request, connection)
        try:
            await answer.start()
        except BaseException:
            answer.abort()
            raise
        return answer


_transports: WeakSet[HTTPTransport] = WeakSet()


def _forget_locks() -> None:
    """In a forked child: whoever held a lock is not there to release it."""
    for transport in _transports:
        transport.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


def _random() -> float:
    """Return a number from 0 to 1, for jitter."""
    import random  # only after a failure; it loads a library for hashes

    return random.random()  # noqa: S311 - not a secret


def _of(request: Request) -> tuple[str, str, str]:
    return request.method, request.origin.host, request.target
