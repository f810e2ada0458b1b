"""The routes below `/api/sandbox`, one short handler each.

A sandbox that is not there is reported before anything that is wrong with the rest of the request, because the
protocol promises that order. Settings answer 201 and operations 200, as the hosted platform does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from daytona_plugins.local.egress.policy import parse_domains, parse_networks
from daytona_plugins.local.platform import creation, views
from daytona_plugins.local.platform.listing import numbered_page, page
from daytona_plugins.local.platform.sizes import Size
from daytona_plugins.local.web import HTTPError, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.organization import Organization
    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.platform.snapshots import Snapshots
    from daytona_plugins.local.web import Handler, Request, Router

BODY_LIMIT = 4 * 1024 * 1024

_Body = TypeVar("_Body")


class Labels(msgspec.Struct):
    """The body of `PUT …/labels`."""

    labels: dict[str, str]


class TakeSnapshot(msgspec.Struct):
    """The body of `POST …/snapshot`."""

    name: str
    include_memory: bool = msgspec.field(name="includeMemory", default=False)


class Fork(msgspec.Struct):
    """The body of `POST …/fork`."""

    name: str | None = None


class Secrets(msgspec.Struct):
    """The body of `PUT …/secrets`: names of variables, with names of secrets."""

    secrets: list[dict[str, str]]


class NetworkSettings(msgspec.Struct, rename="camel", kw_only=True):
    """The body of `POST …/network-settings`; null is no value here."""

    network_block_all: bool | msgspec.UnsetType = msgspec.UNSET
    network_allow_list: str | msgspec.UnsetType = msgspec.UNSET
    domain_allow_list: str | msgspec.UnsetType = msgspec.UNSET


class SandboxRoutes:
    """Everything that can be asked about sandboxes."""

    def __init__(
        self, site: Site, sandboxes: Sandboxes, snapshots: Snapshots, organization: Organization
    ) -> None:
        self._site = site
        self._sandboxes = sandboxes
        self._snapshots = snapshots
        self._organization = organization

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("POST", "/api/sandbox", self.create)
        router.add("GET", "/api/sandbox", self.list)
        router.add("GET", "/api/sandbox/paginated", self.list_numbered)
        self._add_lifecycle(router)
        self._add_settings(router)
        self._add_addresses(router)

    def _add_lifecycle(self, router: Router) -> None:
        one = "/api/sandbox/{sandbox}"
        router.add("GET", one, self.get)
        router.add("DELETE", one, self.delete)
        router.add("POST", f"{one}/start", self.start)
        router.add("POST", f"{one}/stop", self.stop)
        router.add("POST", f"{one}/recover", self.recover)
        router.add("POST", f"{one}/archive", self.archive)
        router.add("POST", f"{one}/resize", self.resize)
        router.add("POST", f"{one}/snapshot", self.snapshot)
        router.add("POST", f"{one}/fork", self.fork)
        router.add("GET", f"{one}/forks", self.forks)
        router.add("GET", f"{one}/parent", self.parent)
        router.add("GET", f"{one}/ancestors", self.ancestors)
        router.add("POST", f"{one}/backup", self.back_up)
        router.add("POST", f"{one}/pause", self.pause)

    def _add_settings(self, router: Router) -> None:
        one = "/api/sandbox/{sandbox}"
        router.add("PUT", f"{one}/labels", self.set_labels)
        router.add("PUT", f"{one}/secrets", self.set_secrets)
        router.add("POST", f"{one}/public/{{value}}", self.set_public)
        router.add("POST", f"{one}/autostop/{{value}}", self._setting(_auto_stop))
        router.add("POST", f"{one}/autopause/{{value}}", self._setting(_auto_pause))
        router.add("POST", f"{one}/autoarchive/{{value}}", self._setting(_auto_archive))
        router.add("POST", f"{one}/autodelete/{{value}}", self._setting(_auto_delete))
        router.add("POST", f"{one}/ttl/{{value}}", self._setting(_ttl))
        router.add("POST", f"{one}/last-activity", self.note_activity)
        router.add("POST", f"{one}/network-settings", self.set_network)

    def _add_addresses(self, router: Router) -> None:
        one = "/api/sandbox/{sandbox}"
        router.add("GET", f"{one}/toolbox-proxy-url", self.toolbox_proxy_url)

    async def create(self, request: Request) -> Response:
        """Make a sandbox and answer when commands can be executed in it."""
        body = creation.read_body(await request.body(BODY_LIMIT) or b"{}")
        self._sandboxes.capacity.require(body.cpu, body.memory, body.disk)
        snapshot = self._snapshots.lookup(body.snapshot)
        record = creation.new_record(body, self._sandboxes.clock(), snapshot)
        if snapshot is not None:
            self._snapshots.note_use(snapshot)
        return self._shown(await self._organization.create(record, body))

    async def list(self, request: Request) -> Response:
        """List sandboxes, a page at a time."""
        records, cursor = page(self._sandboxes.all(), request.query)
        items = [views.list_item(record, self._site.toolbox_url) for record in records]
        return json_response({"items": items, "nextCursor": cursor})

    async def list_numbered(self, request: Request) -> Response:
        """List sandboxes as clients before 0.226 do, by the number of a page."""
        found = numbered_page(self._sandboxes.all(), request.query)
        items = [views.full(record, self._site.toolbox_url, None) for record in found.records]
        return json_response(
            {"items": items, "total": found.total, "page": found.page, "totalPages": found.total_pages}
        )

    async def get(self, request: Request) -> Response:
        """Show a sandbox."""
        return self._shown(self._find(request))

    async def delete(self, request: Request) -> Response:
        """Delete a sandbox."""
        return self._shown(await self._sandboxes.delete(self._find(request)))

    async def start(self, request: Request) -> Response:
        """Start a stopped sandbox."""
        return self._shown(await self._sandboxes.start(self._find(request)))

    async def stop(self, request: Request) -> Response:
        """Stop a running sandbox."""
        force = request.query.first("force") == "true"
        return self._shown(await self._sandboxes.stop(self._find(request), force=force))

    async def pause(self, request: Request) -> Response:
        """Hold the programs of a sandbox still."""
        return self._shown(await self._sandboxes.pause(self._find(request)))

    async def recover(self, request: Request) -> Response:
        """Bring a sandbox back from an error."""
        skip = request.query.first("skipStart") == "true"
        return self._shown(await self._sandboxes.recover(self._find(request), skip_start=skip))

    async def archive(self, request: Request) -> Response:
        """Move the files of a stopped sandbox into a compressed file."""
        return self._shown(await self._sandboxes.archive(self._find(request)))

    async def resize(self, request: Request) -> Response:
        """Change the size of a sandbox."""
        record = self._find(request)
        return self._shown(self._sandboxes.resize(record, _read(await request.body(BODY_LIMIT), Size)))

    async def snapshot(self, request: Request) -> Response:
        """Make a snapshot of a sandbox's files."""
        record = self._find(request)
        body = _read(await request.body(BODY_LIMIT), TakeSnapshot)
        if body.include_memory:
            raise HTTPError(400, "containers have no memory snapshots; leave includeMemory out")
        return self._shown(await self._sandboxes.snapshot(record, body.name, self._snapshots))

    async def fork(self, request: Request) -> Response:
        """Make another sandbox with the same files."""
        record = self._find(request)
        body = _read(await request.body(BODY_LIMIT) or b"{}", Fork)
        return self._shown(await self._sandboxes.fork(record, creation.safe_name(body.name)))

    async def forks(self, request: Request) -> Response:
        """List the sandboxes that were forked from one."""
        children = self._sandboxes.children(self._find(request))
        return json_response([views.full(one, self._site.toolbox_url, None) for one in children])

    async def parent(self, request: Request) -> Response:
        """Show the sandbox that one was forked from."""
        record = self._find(request)
        if record.parent is None:
            raise HTTPError(404, f"sandbox {record.id} is no fork")
        return self._shown(self._sandboxes.get(record.parent))

    async def ancestors(self, request: Request) -> Response:
        """List the sandboxes that one comes from by forks, the oldest first."""
        found = self._sandboxes.ancestors(self._find(request))
        return json_response([views.full(one, self._site.toolbox_url, None) for one in found])

    async def back_up(self, request: Request) -> Response:
        """Do nothing, as the hosted platform does since 0.205: archiving keeps the files."""
        record = self._find(request)
        if record.ephemeral:
            raise HTTPError(400, "an ephemeral sandbox cannot be kept by backup")
        return self._shown(record, 201)

    async def set_labels(self, request: Request) -> Response:
        """Replace all labels."""
        record = self._find(request)
        body = _read(await request.body(BODY_LIMIT), Labels)
        return self._shown(self._sandboxes.change(record, labels=body.labels))

    async def set_secrets(self, request: Request) -> Response:
        """Replace all secrets."""
        record = self._find(request)
        body = _read(await request.body(BODY_LIMIT), Secrets)
        return self._shown(await self._organization.attach_secrets(record, body.secrets))

    async def set_public(self, request: Request) -> Response:
        """Open or close the previews to everybody."""
        record = self._find(request)
        return self._shown(self._sandboxes.change(record, public=request.params["value"] == "true"), 201)

    async def note_activity(self, request: Request) -> Response:
        """Note that somebody is using the sandbox."""
        record = self._sandboxes.get(request.params["sandbox"])
        self._sandboxes.activity.touch(record.id)
        return Response(201)

    async def set_network(self, request: Request) -> Response:
        """Change what a sandbox may reach, at once where it was started with a limited network."""
        record = self._find(request)
        body = _read(await request.body(BODY_LIMIT), NetworkSettings)
        return self._shown(await self._sandboxes.change_network(record, **network_changes(body)))

    async def toolbox_proxy_url(self, request: Request) -> Response:
        """Say where the toolbox is reached."""
        self._sandboxes.get(request.params["sandbox"])
        return json_response({"url": self._site.toolbox_url})

    def _find(self, request: Request) -> Record:
        return self._sandboxes.find(request.params["sandbox"])

    def _shown(self, record: Record, status: int = 200) -> Response:
        running = self._sandboxes.running(record.id)
        isolation = running.isolation if running else None
        return json_response(views.full(record, self._site.toolbox_url, isolation), status)

    def _setting(self, changes: Callable[[float, float], dict[str, float | None]]) -> Handler:
        async def change(request: Request) -> Response:
            record = self._find(request)
            wanted = changes(_minutes(request.params["value"]), self._sandboxes.clock())
            creation.refuse_two_ends(msgspec.structs.replace(record, **wanted))
            return self._shown(self._sandboxes.change(record, **wanted), 201)

        return change


def _auto_stop(minutes: float, _now: float) -> dict[str, float | None]:
    return {"auto_stop_interval": creation.not_negative(minutes, default=0)}


def _auto_pause(minutes: float, _now: float) -> dict[str, float | None]:
    return {"auto_pause_interval": creation.not_negative(minutes, default=0)}


def _auto_archive(minutes: float, _now: float) -> dict[str, float | None]:
    return {"auto_archive_interval": creation.archive_interval(creation.not_negative(minutes, default=0))}


def _auto_delete(minutes: float, _now: float) -> dict[str, float | None]:
    return {"auto_delete_interval": creation.interval(minutes, default=-1)}


def _ttl(minutes: float, now: float) -> dict[str, float | None]:
    return {"auto_destroy_at": creation.deadline(creation.not_negative(minutes, default=0), now)}


def network_changes(body: NetworkSettings) -> dict[str, object]:
    """Return the fields that change: a list of networks and blocking everything take each other's place.

    Raises:
        HTTPError: There are none, or a list cannot be understood (400).
    """
    changes: dict[str, object] = {}
    if body.network_block_all is not msgspec.UNSET:
        changes = {"network_block_all": body.network_block_all, "network_allow_list": None}
    if body.network_allow_list is not msgspec.UNSET:
        changes["network_allow_list"] = creation.allow_list(body.network_allow_list, parse_networks)
        if changes["network_allow_list"]:
            changes["network_block_all"] = False
    if body.domain_allow_list is not msgspec.UNSET:
        changes["domain_allow_list"] = creation.allow_list(body.domain_allow_list, parse_domains)
    if not changes:
        raise HTTPError(400, "at least one network setting is needed")
    return changes


def _read(content: bytes, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise HTTPError(400, str(error)) from error


def _minutes(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise HTTPError(400, f"{text!r} is not a number of minutes") from error
