"""`/toolbox/<sandbox>/<path>`: passes requests to the agent inside a sandbox, and its answers back.

Bodies flow through in both directions piece by piece. After an upgrade (a WebSocket) only bytes flow. The agent never
sees the platform's key: the header that carries it is taken out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import h11

from daytona_plugins.local.platform.agent_connection import AgentGoneError, AgentPool
from daytona_plugins.local.platform.auth import has_key, same
from daytona_plugins.local.platform.signing_keys import check_signature, is_signed
from daytona_plugins.local.web import HTTPError, Response, Upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from daytona_plugins.local.platform.agent_connection import AgentConnection
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.web import Request, Stream

PREVIEW_HEADER = "x-daytona-preview-token"
PREVIEW_PARAMETER = "DAYTONA_SANDBOX_AUTH_KEY"
SKIP_ACTIVITY = "x-daytona-skip-last-activity-update"

_UPGRADE = frozenset({"connection", "upgrade"})
# About one connection only, or meant for us.
_NOT_FORWARDED = frozenset(
    {"authorization", PREVIEW_HEADER, "keep-alive", "proxy-connection", "te", "expect"}
)
_NOT_RETURNED = frozenset({"connection", "keep-alive", "transfer-encoding"})


class Proxy:
    """The way to every agent."""

    def __init__(self, site: Site, sandboxes: Sandboxes) -> None:
        self._site = site
        self._sandboxes = sandboxes
        self._pool = AgentPool()
        sandboxes.when_ended(lambda running: self._pool.forget(running.socket_path))

    def close(self) -> None:
        """Close the connections that wait to be used again."""
        self._pool.close()

    async def forward(self, request: Request) -> Response:
        """Answer with what the sandbox's agent answers.

        Raises:
            HTTPError: No credentials (401), no such sandbox (404), or one that is not started (400).
        """
        record = self._authorized(request)
        running = self._sandboxes.running(record.id)
        if running is None:
            raise HTTPError(400, f"bad request: sandbox {record.id} is {record.state}; start it first")
        with contextlib.ExitStack() as use:
            if request.headers.get(SKIP_ACTIVITY) != "true":
                use.enter_context(self._sandboxes.activity.connection(record.id))
            try:
                exchange = _Exchange(request, await self._pool.connect(running.socket_path), self._pool)
                return await exchange.run(use)
            except AgentGoneError:
                return Response(502)

    def _authorized(self, request: Request) -> Record:
        known = has_key(request, self._site.key)
        token = request.headers.get(PREVIEW_HEADER) or request.query.first(PREVIEW_PARAMETER)
        if not known and not token and not is_signed(request):
            raise HTTPError(401, "Invalid credentials")
        record = self._sandboxes.get(request.params["sandboxId"])
        if known or (token and same(token, record.auth_token)):
            return record
        if not is_signed(request):
            raise HTTPError(401, "Invalid credentials")
        check_signature(request, record.signing_key, self._sandboxes.clock())
        return record


class _Exchange:
    """One request on its way to an agent, and the answer on its way back."""

    def __init__(self, request: Request, connection: AgentConnection, pool: AgentPool) -> None:
        self._request = request
        self._connection = connection
        self._pool = pool
        self._upload: asyncio.Task[None] | None = None

    async def run(self, use: contextlib.ExitStack) -> Response:
        """Return the answer as soon as its head is there; what is in *use* stays so until its body has passed."""
        try:
            await self._send()
            status, headers = await self._connection.receive_head()
        except BaseException:
            await self._hang_up()
            raise
        held = use.pop_all()
        if status == 101:
            return Upgrade(headers, lambda client: self._tunnel(client, held))
        returned = [(name, value) for name, value in headers if name.lower() not in _NOT_RETURNED]
        body = self._body(held)
        if self._request.method == "HEAD":  # nobody would ask for the body, and so nobody would end it
            await anext(body, b"")
        return Response(status, returned, body)

    async def _send(self) -> None:
        """Send the request; a body goes along in a task, because an agent may answer before it has read all."""
        await self._connection.send_head(
            self._request.method, _target(self._request), _headers(self._request)
        )
        if _has_body(self._request):
            self._upload = asyncio.ensure_future(self._send_body())
        else:
            await self._connection.end_request()

    async def _send_body(self) -> None:
        try:
            async for chunk in self._request.chunks():
                await self._connection.send_body(chunk)
            await self._connection.end_request()
        except AgentGoneError:
            pass  # its answer, if it sent one before it hung up, is still to be read
        except (ConnectionError, h11.RemoteProtocolError):
            self._connection.close()  # the client broke off; the agent must not take this for the whole body

    async def _body(self, held: contextlib.ExitStack) -> AsyncGenerator[bytes, None]:
        with held:
            try:
                while chunk := await self._connection.receive_body():
                    yield chunk
            except AgentGoneError as error:
                raise ConnectionAbortedError(str(error)) from error
            finally:
                self._pool.put_back(self._connection)  # first: the wait below may be cancelled
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
                await _cancel(*directions)

    async def _hang_up(self) -> None:
        self._connection.close()
        await self._end_upload()

    async def _end_upload(self) -> None:
        if self._upload is not None:
            await _cancel(self._upload)


async def _pump(receive: Callable[[], Awaitable[bytes]], send: Callable[[bytes], Awaitable[None]]) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await receive():
            await send(data)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _target(request: Request) -> str:
    """Return path and query as they were sent, below the root of the agent and without the token."""
    query = request.query_string
    if PREVIEW_PARAMETER in query:
        pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        kept = [(name, value) for name, value in pairs if name != PREVIEW_PARAMETER]
        query = urlencode(kept, errors="surrogateescape")
    return f"/{request.params['path']}" + (f"?{query}" if query else "")


def _headers(request: Request) -> list[tuple[str, str]]:
    upgrading = "upgrade" in request.headers
    dropped = _NOT_FORWARDED if upgrading else _NOT_FORWARDED | _UPGRADE
    lines = [(name, value) for name, value in request.headers.items() if name not in dropped]
    return [*lines, ("x-forwarded-host", request.headers.get("host", "") or "")]
