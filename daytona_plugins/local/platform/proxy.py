"""`/toolbox/<sandbox>/<path>`: passes requests to the agent inside a sandbox, and its answers back.

The agent never sees the platform's key: the header that carries it is taken out.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from daytona_plugins.local.forwarding import Exchange, headers_for
from daytona_plugins.local.platform.agent_connection import AgentGoneError
from daytona_plugins.local.platform.auth import same
from daytona_plugins.local.platform.signing_keys import check_signature, is_signed
from daytona_plugins.local.platform.states import FAILED, Desired
from daytona_plugins.local.web import HTTPError, Response

if TYPE_CHECKING:
    from daytona_plugins.local.platform.keys import Keys
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.web import Request

PREVIEW_HEADER = "x-daytona-preview-token"
PREVIEW_PARAMETER = "DAYTONA_SANDBOX_AUTH_KEY"
SKIP_ACTIVITY = "x-daytona-skip-last-activity-update"

SANDBOX_ENDED = "SANDBOX_ENDED"

_MEANT_FOR_US = ("authorization", PREVIEW_HEADER)


class Proxy:
    """The way to every agent."""

    def __init__(self, keys: Keys, sandboxes: Sandboxes) -> None:
        self._keys = keys
        self._sandboxes = sandboxes

    async def forward(self, request: Request) -> Response:
        """Answer with what the sandbox's agent answers.

        Raises:
            HTTPError: No credentials (401), no such sandbox (404), one that is not started (400) or ends meanwhile (410).
        """
        record = self._authorized(request)
        query = without_parameter(request.query_string, PREVIEW_PARAMETER)
        target = f"/{request.params['path']}" + (f"?{query}" if query else "")
        headers = headers_for(request, without=_MEANT_FOR_US)
        return _redirected(await self.pass_on(request, record, target, headers), record)

    async def pass_on(
        self, request: Request, record: Record, target: str, headers: list[tuple[str, str]]
    ) -> Response:
        """Answer with what the agent of a sandbox answers when it is asked for *target*.

        Raises:
            HTTPError: The sandbox is not started (400), or ends before it has answered (410).
        """
        headers.append(("x-forwarded-host", request.headers.get("host") or ""))
        running = self._sandboxes.answering(record.id)
        if running is None:
            raise HTTPError(400, f"bad request: {_why_not(record)}")
        with contextlib.ExitStack() as use:
            if request.headers.get(SKIP_ACTIVITY) != "true":
                use.enter_context(self._sandboxes.activity.connection(record.id))
            try:
                connection = await self._sandboxes.agents.connect(running.socket_path)
                release = partial(self._sandboxes.agents.put_back, connection)
                exchange = Exchange(request, connection, target=target, headers=headers, release=release)
                return await exchange.run(use)
            except AgentGoneError as error:
                reason = await self._sandboxes.why_ended.of(running)
                if reason is None:
                    return Response(502)
                message = f"gone: sandbox {record.id} ended before this was done: {reason}"
                raise HTTPError(410, message, code=SANDBOX_ENDED) from error

    def _authorized(self, request: Request) -> Record:
        if self._keys.opens_sandboxes(request):
            return self._sandboxes.get(request.params["sandboxId"])
        token = request.headers.get(PREVIEW_HEADER) or request.query.first(PREVIEW_PARAMETER)
        if not token and not is_signed(request):
            raise HTTPError(401, "Invalid credentials")
        record = self._sandboxes.get(request.params["sandboxId"])
        if token and same(token, record.auth_token):
            return record
        if not is_signed(request):
            raise HTTPError(401, "Invalid credentials")
        check_signature(request, record.signing_key, self._sandboxes.clock())
        return record


def _why_not(record: Record) -> str:
    """Say why a sandbox answers nothing."""
    if record.desired is Desired.DESTROYED:
        return f"sandbox {record.id} is being deleted"
    if record.state in FAILED:
        remedy = "recover" if record.recoverable else "delete"
        return f"sandbox {record.id} has failed ({record.error_reason}); {remedy} it"
    return f"sandbox {record.id} is {record.state}; start it first"


def _redirected(answer: Response, record: Record) -> Response:
    """Let redirections lead to where the client sees the agent."""
    if 300 <= answer.status < 400:
        answer.headers = [
            (name, f"/toolbox/{record.id}{value}")
            if name.lower() == "location" and value.startswith("/")
            else (name, value)
            for name, value in answer.headers
        ]
    return answer


def without_parameter(query: str, name: str) -> str:
    """Return a query string without one of its parameters; the others stay as they were sent."""
    return query and "&".join(
        part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != name
    )
