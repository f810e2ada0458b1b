"""The routes below `/api/snapshots`, and the logs of builds, which clients read outside of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.agent.whole_numbers import whole_number
from daytona_plugins.local.platform.regions import ORGANIZATION_ID, REGION_ID
from daytona_plugins.local.platform.snapshots import LONGEST_PAGE, CreateSnapshot, Snapshots, build_of
from daytona_plugins.local.platform.states import State
from daytona_plugins.local.platform.times import iso
from daytona_plugins.local.platform.views import build_info
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.keys import Keys
    from daytona_plugins.local.platform.records import BuildInfo
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.platform.snapshot_store import SnapshotRecord
    from daytona_plugins.local.web import Query, Request, Router

BODY_LIMIT = 4 * 1024 * 1024
_SORTED_BY: dict[str, Callable[[SnapshotRecord], str | float | None]] = {
    "name": lambda record: record.name,
    "state": lambda record: record.state,
    "lastUsedAt": lambda record: record.last_used_at,
    "createdAt": lambda record: record.created_at,
}


class SnapshotRoutes:
    """Everything that can be asked about snapshots."""

    def __init__(self, site: Site, keys: Keys, sandboxes: Sandboxes, snapshots: Snapshots) -> None:
        self._site = site
        self._keys = keys
        self._sandboxes = sandboxes
        self._snapshots = snapshots

    def add_to(self, router: Router) -> None:
        """Register every route."""
        one = "/api/snapshots/{id}"
        router.add("GET", "/api/snapshots", self.list)
        router.add("POST", "/api/snapshots", self.create)
        router.add("GET", one, self.get)
        router.add("DELETE", one, self.delete)
        router.add("POST", f"{one}/activate", self.activate)
        router.add("POST", f"{one}/deactivate", self.deactivate)
        router.add("GET", f"{one}/build-logs-url", self.log_url)
        router.add("GET", f"{one}/build-logs", self.log)
        router.add("GET", "/snapshots/{id}/build-logs", self.log)
        router.add("GET", "/api/sandbox/{sandbox}/build-logs-url", self.sandbox_log_url)
        router.add("GET", "/api/sandbox/{sandbox}/build-logs", self.sandbox_log)
        router.add("GET", "/sandboxes/{sandbox}/build-logs", self.sandbox_log)

    async def list(self, request: Request) -> Response:
        """List snapshots, a page at a time; those that somebody made come first."""
        found = _chosen(self._snapshots.all(), request.query)
        page, limit = (
            _number(request.query, "page", 1, 10**6),
            _number(request.query, "limit", 100, LONGEST_PAGE),
        )
        items = [shown(record) for record in found[(page - 1) * limit : page * limit]]
        pages = -(-len(found) // limit)
        return json_response({"items": items, "total": len(found), "page": page, "totalPages": pages})

    async def create(self, request: Request) -> Response:
        """Begin to make a snapshot."""
        try:
            body = msgspec.json.decode(await request.body(BODY_LIMIT), type=CreateSnapshot)
        except msgspec.DecodeError as error:
            raise HTTPError(400, str(error)) from error
        self._sandboxes.capacity.require(body.cpu, body.memory, body.disk)
        return json_response(shown(self._snapshots.create(body)))

    async def get(self, request: Request) -> Response:
        """Show a snapshot."""
        return json_response(shown(self._find(request)))

    async def delete(self, request: Request) -> Response:
        """Delete a snapshot."""
        self._snapshots.delete(request.params["id"])
        await self._sandboxes.collect()
        return Response(200)

    async def activate(self, request: Request) -> Response:
        """Make a snapshot usable again."""
        return json_response(shown(self._snapshots.activate(request.params["id"])))

    async def deactivate(self, request: Request) -> Response:
        """Make a snapshot unusable."""
        self._snapshots.deactivate(request.params["id"])
        return Response(204)

    async def log_url(self, request: Request) -> Response:
        """Say where a snapshot's build log is read."""
        record = self._find(request)
        if record.build_info is None:
            raise HTTPError(404, f"snapshot {record.name!r} has no build")
        return json_response({"url": f"{self._site.url}/snapshots/{record.id}/build-logs"})

    async def log(self, request: Request) -> Response:
        """Show what the build of a snapshot has printed."""
        self._keys.holder(request)
        record = self._find(request)
        if not _is_made_of_something(record):
            raise HTTPError(400, f"snapshot {record.name!r} has no build")
        return self._log(build_of(record), request, begun=record.state != "pending")

    async def sandbox_log_url(self, request: Request) -> Response:
        """Say where the log of a sandbox's build is read."""
        record = self._sandboxes.find(request.params["sandbox"])
        if record.build_info is None:
            raise HTTPError(404, f"sandbox {record.id} has no build")
        return json_response({"url": f"{self._site.url}/sandboxes/{record.id}/build-logs"})

    async def sandbox_log(self, request: Request) -> Response:
        """Show what the build of a sandbox's image has printed."""
        self._keys.holder(request)
        record = self._sandboxes.find(request.params["sandbox"])
        if record.build_info is None:
            raise HTTPError(400, f"sandbox {record.id} has no build")
        return self._log(record.build_info, request, begun=record.state is not State.PENDING_BUILD)

    def _log(self, info: BuildInfo, request: Request, *, begun: bool) -> Response:
        content = self._sandboxes.builds.log(info, follow=request.query.first("follow") == "true")
        if content is None and not begun:
            raise HTTPError(404, "the build has not begun")
        # An image that was there already, and that nothing had to be done for, has no log.
        return Response(200, [("Content-Type", "application/octet-stream")], content or b"")

    def _find(self, request: Request) -> SnapshotRecord:
        return self._snapshots.find(request.params["id"])


def shown(record: SnapshotRecord) -> dict[str, object]:
    """Return a snapshot as the wire shows it."""
    return {
        "id": record.id,
        "organizationId": None if record.general else ORGANIZATION_ID,
        "general": record.general,
        "name": record.name,
        "imageName": record.image_name,
        "state": record.state,
        "size": record.size,
        "entrypoint": record.entrypoint,
        "cpu": record.cpu,
        "gpu": 0,
        "gpuType": None,
        "mem": record.mem,
        "disk": record.disk,
        "errorReason": record.error_reason,
        "createdAt": iso(record.created_at),
        "updatedAt": iso(record.updated_at),
        "lastUsedAt": None if record.last_used_at is None else iso(record.last_used_at),
        "buildInfo": build_info(record.build_info, record.created_at),
        "regionIds": [REGION_ID],
        "ref": build_of(record).snapshot_ref if _is_made_of_something(record) else None,
        "sandboxClass": "container",
        "sourceSandboxId": record.source_sandbox_id,
    }


def _is_made_of_something(record: SnapshotRecord) -> bool:
    """Return whether a snapshot has been built or pulled, and is not what a sandbox has written."""
    return bool(record.image_name or record.build_info)


def _chosen(records: list[SnapshotRecord], query: Query) -> list[SnapshotRecord]:
    """Return the records that the query asks for in the order that it asks for, those without a value last."""
    part, source = query.first("name").lower(), query.first("sourceSandboxId")
    sort, order = query.first("sort", "lastUsedAt"), query.first("order", "desc")
    if sort not in _SORTED_BY or order not in ("asc", "desc"):
        raise HTTPError(400, f"sort is one of {', '.join(_SORTED_BY)}; order is asc or desc")
    found = [one for one in records if part in one.name.lower() and source in ("", one.source_sandbox_id)]
    value = _SORTED_BY[sort]
    found.sort(key=lambda record: (record.created_at, record.id), reverse=order == "desc")
    valued = [(wanted, record) for record in found if (wanted := value(record)) is not None]
    # One column holds values of one type, which the text of a pair's first part keeps apart from the others.
    valued.sort(
        key=lambda pair: str(pair[0]) if isinstance(pair[0], str) else f"{pair[0]:020.6f}",
        reverse=order == "desc",
    )
    ordered = [record for _, record in valued] + [record for record in found if value(record) is None]
    return sorted(ordered, key=lambda record: record.general)


def _number(query: Query, name: str, default: int, most: int) -> int:
    text = query.first(name, str(default))
    number = whole_number(text)
    if number is None or not 1 <= number <= most:
        raise HTTPError(400, f"{name} is a number from 1 to {most}")
    return number
