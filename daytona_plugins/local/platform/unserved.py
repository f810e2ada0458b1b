"""The parts of the hosted API that are not here, and why: they answer 501 with the reason, not 404.

So a program can tell what is missing here from a path that it misspelled. `docs/embedded-platform.md` has the same table; a
test compares both with the published description of the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daytona_plugins.local.platform.errors import not_in_this_version

if TYPE_CHECKING:
    from daytona_plugins.local.web import Handler, Request, Response, Router

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Unserved(NamedTuple):
    """Some paths below `/api`: one, or all that begin with it when it ends with an asterisk."""

    path: str
    reason: str

    def patterns(self) -> list[str]:
        """Return what the router knows them by."""
        path = f"/api{self.path}"
        below = path.removesuffix("/*")
        return [path] if below == path else [below, f"{below}/{{rest*}}"]


TABLE = (
    Unserved("/api-keys/*", "there is one key, made when the platform starts first"),
    Unserved("/organizations/*", "there is one organization, with nothing to administer"),
    Unserved("/users/*", "there is one user, who owns the platform's files"),
    Unserved("/regions/*", "there is one region, which is this machine"),
    Unserved("/runners/*", "this machine is the only runner, and the platform runs it"),
    Unserved("/jobs/*", "runners talk to the hosted platform over it; here is none to talk to"),
    Unserved("/admin/*", "for the operators of the hosted platform"),
    Unserved("/webhooks/*", "events are told over Socket.IO only"),
    Unserved("/audit/*", "nobody but the owner of the key does anything; the platform's log says what"),
    Unserved("/sandbox/{sandbox}/state", "runners report over it"),
    Unserved("/sandbox/for-runner", "runners ask over it"),
    Unserved("/sandbox/{sandbox}/organization", "the hosted proxy asks over it; there is one organization"),
    Unserved("/sandbox/{sandbox}/region-quota", "the hosted proxy asks over it; there are no quotas"),
    Unserved("/sandbox/{sandbox}/secrets", "values are never told, only set"),
    Unserved("/docker-registry/registry-push-access", "there is no registry to push to"),
    Unserved("/preview/{sandbox}/preview-warning", "previews are shown without a page before them"),
    Unserved(
        "/preview/{sandbox}/signing-key", "`/sandbox/{id}/signing-key` answers the same to who has the key"
    ),
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
        raise not_in_this_version(f"{entry.path} ({entry.reason})")

    return refuse
