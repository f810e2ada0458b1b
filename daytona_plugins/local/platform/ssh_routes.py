"""SSH access to sandboxes: tokens over the API, and the server that takes them, started when there is a first one."""

from __future__ import annotations

import asyncio
import importlib
import shlex
from typing import TYPE_CHECKING

from daytona_plugins.local.forwarding import PeerGoneError
from daytona_plugins.local.platform import views
from daytona_plugins.local.platform.creation import interval
from daytona_plugins.local.platform.errors import not_in_this_version
from daytona_plugins.local.platform.site import HOST
from daytona_plugins.local.platform.ssh_access import DEFAULT_MINUTES, AccessRecord, SshAccesses
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.web import HTTPError, json_response

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.platform.ssh_server import SshServer
    from daytona_plugins.local.web import Request, Response, Router

_SERVER = "daytona_plugins.local.platform.ssh_server"


class SshRoutes:
    """Everything about SSH."""

    def __init__(self, site: Site, sandboxes: Sandboxes) -> None:
        self._site = site
        self._sandboxes = sandboxes
        self._accesses = SshAccesses(sandboxes.store.shelf("ssh access", AccessRecord), sandboxes.clock)
        self._server: SshServer | None = None
        self._starting = asyncio.Lock()

    def add_to(self, router: Router) -> None:
        """Register every route."""
        one = "/api/sandbox/{sandbox}/ssh-access"
        router.add("POST", one, self.create)
        router.add("DELETE", one, self.revoke)
        router.add("GET", "/api/sandbox/ssh-access/validate", self.validate)

    async def open(self) -> None:
        """Listen again where the last platform did, if there are tokens that are still good."""
        if good := self._accesses.good():
            await self._listening(good[-1].port)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            await self._server.close()

    def config(self) -> dict[str, object]:
        """Return what the platform's configuration says of the server, once somebody has asked for access."""
        if self._server is None:
            return {}
        return {
            "sshGatewayHost": HOST,
            "sshGatewayPort": self._server.port,
            "sshGatewayHostKeys": [self._server.public_key],
            "sshGatewayCommand": f"ssh -p {self._server.port} {{{{TOKEN}}}}@{HOST}",
        }

    async def create(self, request: Request) -> Response:
        """Make a token for a sandbox; the ones it had before end."""
        record = self._sandboxes.find(request.params["sandbox"])
        minutes = _minutes(request.query.first("expiresInMinutes"))
        server = await self._listening(0)
        access = self._accesses.issue(record.id, minutes, server.port)
        return json_response(
            {
                "id": access.id,
                "sandboxId": access.sandbox_id,
                "token": access.token,
                "expiresAt": iso(access.until),
                "createdAt": iso(access.created_at),
                "updatedAt": iso(access.created_at),
                "sshCommand": self._command(access),
            }
        )

    async def revoke(self, request: Request) -> Response:
        """End one token of a sandbox, or all of them."""
        record = self._sandboxes.find(request.params["sandbox"])
        self._accesses.revoke(record.id, request.query.first("token"))
        running = self._sandboxes.running(record.id)
        isolation = running.isolation if running else None
        return json_response(views.full(record, self._site.toolbox_url, isolation))

    async def validate(self, request: Request) -> Response:
        """Say which sandbox a token opens."""
        record = self._opened_by(request.query.first("token"))
        # The official client takes a text only, so "none" is an empty one.
        return json_response({"valid": record is not None, "sandboxId": record.id if record else ""})

    def _opened_by(self, token: str) -> Record | None:
        access = self._accesses.find(token)
        return self._sandboxes.look_up(access.sandbox_id) if access else None

    def _command(self, access: AccessRecord) -> str:
        """Return a command that works as it is: it knows the server's key, so that nobody is asked about it."""
        known = str(self._sandboxes.paths.ssh_known_hosts)
        option = f'UserKnownHostsFile="{known}"' if " " in known else f"UserKnownHostsFile={known}"
        return f"ssh -p {access.port} -o {shlex.quote(option)} {access.token}@{HOST}"

    async def _listening(self, port: int) -> SshServer:
        async with self._starting:
            if self._server is None:
                self._server = await self._start(port)
            return self._server

    async def _start(self, port: int) -> SshServer:
        try:
            await asyncio.to_thread(importlib.import_module, _SERVER)
        except ModuleNotFoundError as error:
            if error.name != "asyncssh":
                raise
            raise not_in_this_version(
                "SSH access without asyncssh (install it with: pip install 'daytona-anyio[ssh]')"
            ) from error
        from daytona_plugins.local.platform.ssh_server import SshServer

        return await SshServer.start(self._sandboxes.paths, self._host, port)

    def _host(self, token: str) -> _LoggedInTo:
        """Return the sandbox that a token opens.

        Raises:
            RefusedError: It opens none, or one that is not running.
        """
        from daytona_plugins.local.platform.ssh_server import RefusedError

        record = self._opened_by(token)
        if record is None:
            raise RefusedError("daytona: this token has expired or was revoked; create a new SSH access")
        host = _LoggedInTo(record.id, self._sandboxes)
        if self._sandboxes.answering(record.id) is None:
            raise RefusedError(f"daytona: {host.why_not()}")
        return host


class _LoggedInTo:
    """A sandbox, as the SSH server sees it."""

    def __init__(self, sandbox_id: str, sandboxes: Sandboxes) -> None:
        self._id = sandbox_id
        self._sandboxes = sandboxes

    @property
    def socket_path(self) -> Path:
        """Where its agent listens.

        Raises:
            PeerGoneError: It is not running.
        """
        running = self._sandboxes.answering(self._id)
        if running is None:
            raise PeerGoneError(self.why_not())
        return running.socket_path

    def used(self) -> AbstractContextManager[None]:
        """Keep it in use for as long as the block runs."""
        return self._sandboxes.activity.connection(self._id)

    def why_not(self) -> str:
        """Say why nobody can log in."""
        record = self._sandboxes.look_up(self._id)
        if record is None:
            return f"sandbox {self._id} is gone"
        return f"sandbox {self._id} is {record.state}; start it and connect again"


def _minutes(text: str) -> float:
    try:
        return interval(float(text) if text else None, default=DEFAULT_MINUTES)
    except ValueError as error:
        raise HTTPError(400, f"{text!r} is not a number of minutes") from error
