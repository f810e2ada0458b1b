"""The parts of the protocol that this version does not have: they answer 501 and their name, not 404.

So a program can tell a feature that is missing here from a path that it misspelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.platform.errors import not_in_this_version

if TYPE_CHECKING:
    from daytona_plugins.local.web import Handler, Request, Response, Router


MISSING: dict[str, tuple[tuple[str, str], ...]] = {
    "registries": (
        ("*", "/api/docker-registry"),
        ("*", "/api/docker-registry/{rest*}"),
    ),
}


def add_to(router: Router) -> None:
    """Register every route; routes that are served come before these."""
    for what, routes in MISSING.items():
        for method, path in routes:
            router.add(method, path, _answer(what))


def _answer(what: str) -> Handler:
    async def refuse(_request: Request) -> Response:
        raise not_in_this_version(what)

    return refuse
