"""Which handler answers which path, with the habits of the real daemon's router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.web import NoRouteError, Response, Router

if TYPE_CHECKING:
    from daytona_plugins.local.web import Request


class ForgivingRouter(Router):
    """Sends who has a slash too many at the end, or one too few, to the path that is meant."""

    async def __call__(self, request: Request) -> Response:
        try:
            return await super().__call__(request)
        except NoRouteError:
            meant = (
                request.raw_path.removesuffix("/")
                if request.raw_path.endswith("/")
                else f"{request.raw_path}/"
            )
            if not self.leads_to(request.method, meant):
                raise
        query = f"?{request.query_string}" if request.query_string else ""
        # After a 301 clients send a GET, whatever they sent before; 307 keeps method and body.
        return Response(301 if request.method == "GET" else 307, [("Location", f"{meant}{query}")])
