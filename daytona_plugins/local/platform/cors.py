"""Which pages in a browser may read the platform's answers: all that have credentials of their own to send.

Any origin is allowed, as on the hosted platform, and none gets at cookies: a page that does not know the key gets what
anybody gets. Previews are the business of the programs behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.web import Response

if TYPE_CHECKING:
    from daytona_plugins.local.web import Request

METHODS = "GET, HEAD, PUT, PATCH, POST, DELETE"
PREFLIGHT_SECONDS = 600


def is_preflight(request: Request) -> bool:
    """Return whether a browser asks what a page may do."""
    return (
        request.method == "OPTIONS"
        and "origin" in request.headers
        and "access-control-request-method" in request.headers
    )


def permission(request: Request) -> Response:
    """Permit what was asked for."""
    asked = request.headers.get("access-control-request-headers")
    headers = [
        ("Access-Control-Allow-Methods", METHODS),
        ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
        *([("Access-Control-Allow-Headers", asked)] if asked else []),
    ]
    return shown_to(request, Response(204, headers))


def shown_to(request: Request, answer: Response) -> Response:
    """Let the page that sent *request* read the *answer*, unless what made the answer has an opinion."""
    origin = request.headers.get("origin")
    decided = any(name.lower() == "access-control-allow-origin" for name, _ in answer.headers)
    if origin and not decided:
        answer.headers += [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    return answer
