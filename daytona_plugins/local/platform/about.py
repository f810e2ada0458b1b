"""What the platform says about itself: configuration, health, regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.platform.creation import MAX_AUTO_ARCHIVE
from daytona_plugins.local.platform.images import DEFAULT_SNAPSHOT
from daytona_plugins.local.platform.regions import region
from daytona_plugins.local.web import HTTPError, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.web import Request, Response, Router


class About:
    """The routes that concern no sandbox."""

    def __init__(self, site: Site, ssh: Callable[[], dict[str, object]] = dict) -> None:
        self._site = site
        self._ssh = ssh

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("GET", "/api/config", self.config)
        router.add("GET", "/api/health", self.health)
        router.add("GET", "/api/health/ready", self.health)
        router.add("GET", "/api/regions", self.regions)
        router.add("GET", "/api/regions/{id}", self.region)
        router.add("GET", "/api/shared-regions", self.regions)

    async def config(self, _request: Request) -> Response:
        """Say how this platform is set up."""
        site = self._site
        return json_response(
            {
                "version": site.version,
                "oidc": {"issuer": "", "clientId": "", "audience": "", "provider": ""},
                "linkedAccountsEnabled": False,
                "announcements": {},
                "proxyTemplateUrl": site.preview_url("{{PORT}}", "{{sandboxId}}"),
                "proxyToolboxUrl": site.toolbox_url,
                "defaultSnapshot": DEFAULT_SNAPSHOT,
                "dashboardUrl": site.url,
                "maxAutoArchiveInterval": MAX_AUTO_ARCHIVE,
                "maintananceMode": False,
                "environment": "local",
                **self._ssh(),
            }
        )

    async def health(self, _request: Request) -> Response:
        """Say that the platform is there."""
        return json_response({"status": "ok"})

    async def regions(self, _request: Request) -> Response:
        """Name the one region."""
        return json_response([region()])

    async def region(self, request: Request) -> Response:
        """Find a region that is the organization's own: there is none."""
        raise HTTPError(
            404, f"region {request.params['id']!r} is none of your own; GET /regions lists the shared one"
        )
