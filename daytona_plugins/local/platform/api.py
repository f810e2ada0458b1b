"""Everything the platform's port answers: the REST API below `/api`, the agents below `/toolbox`, objects below `/s3`.

Whoever asks for something outside of the API is asked for other credentials than its key: the parts see to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daytona_plugins.local import web
from daytona_plugins.local.platform import cors, errors, unserved
from daytona_plugins.local.platform.about import About
from daytona_plugins.local.platform.events import Events
from daytona_plugins.local.platform.key_routes import KeyRoutes
from daytona_plugins.local.platform.keys import KeyRecord, Keys
from daytona_plugins.local.platform.organization import Organization
from daytona_plugins.local.platform.organization_routes import OrganizationRoutes
from daytona_plugins.local.platform.previews import Previews
from daytona_plugins.local.platform.proxy import Proxy
from daytona_plugins.local.platform.sandbox_routes import SandboxRoutes
from daytona_plugins.local.platform.signing_keys import SigningKeys
from daytona_plugins.local.platform.snapshot_routes import SnapshotRoutes
from daytona_plugins.local.platform.snapshots import Snapshots
from daytona_plugins.local.platform.ssh_routes import SshRoutes
from daytona_plugins.local.platform.telemetry import Telemetry
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.site import Site

API = "/api/"
_PUBLIC = frozenset({"/api/config", "/api/health", "/api/shared-regions", "/api/socket.io/"})


class Part(Protocol):
    """Something that answers some of the requests."""

    def add_to(self, router: web.Router) -> None:
        """Register every route."""
        ...


class Application:
    """The handler of every request."""

    def __init__(self, site: Site, sandboxes: Sandboxes, parts: Iterable[Part] = ()) -> None:
        self._site = site
        self._router = web.Router()
        self._keys = keys = Keys(site.key, sandboxes.store.shelf("API key", KeyRecord), sandboxes.clock)
        KeyRoutes(keys).add_to(self._router)
        self._proxy = Proxy(keys, sandboxes)
        self._router.add("*", "/toolbox/{sandboxId}/{path*}", self._proxy.forward)
        self._previews = Previews(site, keys, sandboxes, self._proxy)
        self._previews.add_to(self._router)
        self.ssh = SshRoutes(site, sandboxes)
        self.ssh.add_to(self._router)
        About(site, self.ssh.config).add_to(self._router)
        self.snapshots = snapshots = Snapshots(
            sandboxes.builds.snapshots, sandboxes.builds, clock=sandboxes.clock
        )
        snapshots.open()
        SnapshotRoutes(site, keys, sandboxes, snapshots).add_to(self._router)
        self.organization = Organization(sandboxes, snapshots)
        self.organization.add_to(self._router)
        OrganizationRoutes(self.organization, sandboxes, snapshots).add_to(self._router)
        SandboxRoutes(site, sandboxes, snapshots, self.organization).add_to(self._router)
        SigningKeys(sandboxes).add_to(self._router)
        self.telemetry = Telemetry(sandboxes)
        self.telemetry.add_to(self._router)
        events = Events(site, keys)
        events.add_to(self._router)
        sandboxes.store.changes.listen(events.note)
        sandboxes.builds.snapshots.changes.listen(events.note)
        for part in parts:
            part.add_to(self._router)
        unserved.add_to(self._router)

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer one request."""
        if place := self._previews.place_of(request):
            return await self._previews.show(request, place)
        if cors.is_preflight(request):
            return cors.permission(request)
        _require_text(request.path)
        if not request.raw_path.startswith(API):
            return cors.shown_to(request, await self._beside_the_api(request))
        if request.raw_path not in _PUBLIC:
            self._keys.admit(request)
        return cors.shown_to(request, self._stamped(await self._router(request)))

    def envelope(self, request: web.Request | None, error: web.HTTPError) -> web.Response:
        """Render an error."""
        answer = self._stamped(errors.envelope(request, error))
        return (
            answer if request is None or self._previews.place_of(request) else cors.shown_to(request, answer)
        )

    async def _beside_the_api(self, request: web.Request) -> web.Response:
        try:
            return await self._router(request)
        except web.NoRouteError as error:
            raise HTTPError(404, f"{error.message}; the API is below {API}", code=error.code) from error

    def _stamped(self, response: web.Response) -> web.Response:
        response.headers.append(("X-Daytona-Api-Version", self._site.version))
        return response


def _require_text(path: str) -> None:
    """Refuse names of things that are not UTF-8; what follows the name of a sandbox is for its agent to understand.

    Raises:
        HTTPError: There is no such name (400).
    """
    names = "/".join(path.split("/")[:3]) if path.startswith("/toolbox/") else path
    if not names.isprintable() and any("\ud800" <= character <= "\udfff" for character in names):
        raise HTTPError(400, "the path is not UTF-8")
