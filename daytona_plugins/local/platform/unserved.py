"""The parts of the hosted API that are not here, and why: they answer with the reason, never 404.

So a program can tell what is missing here from a path that it misspelled. What the hosted platform refuses to the key of a user
as well is refused with the same status, 403; what only this platform does not do answers 501. `docs/embedded-platform.md` has the
same tables; a test compares both with the published description of the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daytona_plugins.local.platform.errors import not_in_this_version
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from daytona_plugins.local.web import Handler, Request, Response, Router

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Unserved(NamedTuple):
    """Some paths below `/api`: one, or all that begin with it when it ends with an asterisk."""

    path: str
    reason: str
    status: int = 403

    def patterns(self) -> list[str]:
        """Return what the router knows them by."""
        path = f"/api{self.path}"
        below = path.removesuffix("/*")
        return [path] if below == path else [below, f"{below}/{{rest*}}"]

    def refusal(self) -> HTTPError:
        """Return the answer."""
        what = f"{self.path} ({self.reason})"
        return (
            HTTPError(403, f"not for a user's key: {what}")
            if self.status == 403
            else not_in_this_version(what)
        )


TABLE = (
    Unserved("/organizations/*", "there is one organization, with one member and no roles"),
    Unserved("/users/*", "there is one user, who owns the platform's files"),
    Unserved("/regions/*", "there is one region, which is this machine"),
    Unserved("/runners/*", "this machine is the only runner, and the platform runs it"),
    Unserved("/jobs/*", "runners talk to the hosted platform over it; here is none to talk to"),
    Unserved("/admin/*", "for the operators of the hosted platform"),
    Unserved("/sandbox/{sandbox}/state", "runners report over it"),
    Unserved("/sandbox/for-runner", "runners ask over it"),
    Unserved(
        "/sandbox/{sandbox}/secrets",
        "values are told to runners only; here nobody is told, and they can be set",
    ),
    Unserved("/webhooks/*", "events are told over Socket.IO only", 501),
    Unserved("/audit/*", "the platform's log says what was done", 501),
    Unserved("/docker-registry/registry-push-access", "there is no registry to push to", 501),
)


def add_to(router: Router) -> None:
    """Register every route; routes that are served come before these."""
    for entry in TABLE:
        if "{" in entry.path or entry.path.endswith("/*"):
            for pattern in entry.patterns():
                router.add("*", pattern, _answer(entry))
        else:  # before a pattern that would take it for an id
            for method in METHODS:
                router.add(method, f"/api{entry.path}", _answer(entry))


def _answer(entry: Unserved) -> Handler:
    async def refuse(_request: Request) -> Response:
        raise entry.refusal()

    return refuse
