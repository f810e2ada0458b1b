"""`/computeruse/a11y`: what is on the screen by name, as AT-SPI tells it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from daytona_plugins.computer_use.desktop.bus import Bus, BusError
from daytona_plugins.computer_use.desktop.nodes import (
    Filter,
    Node,
    Place,
    Walk,
    application_of,
    applications,
    focused_application,
)
from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.web import HTTPError, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from daytona_plugins.computer_use.desktop.desktop import Desktop
    from daytona_plugins.local.web import Request, Response, Router

SCOPES: Final = ("focused", "pid", "all")
FOUND: Final = 500
FOUND_LIMIT: Final = 5000

Text = Annotated[str, msgspec.Meta(min_length=1)]


class FindRequest(msgspec.Struct, rename="camel"):
    """What to look for, and where."""

    scope: str | None = None
    pid: int | None = None
    role: str | None = None
    name: str | None = None
    name_match: str | None = None
    states: list[str] | None = None
    limit: int | None = None


class NodeRequest(msgspec.Struct):
    """One node, and what to do to it."""

    id: Text
    action: str | None = None
    value: str | None = None


def add_accessibility(router: Router, desktop: Desktop) -> None:
    """Answer for names on the screen."""
    reader = _Reader(desktop)
    router.add("GET", "/computeruse/a11y/tree", reader.tree)
    router.add("POST", "/computeruse/a11y/find", reader.find)
    router.add("POST", "/computeruse/a11y/node/focus", reader.focus)
    router.add("POST", "/computeruse/a11y/node/invoke", reader.invoke)
    router.add("POST", "/computeruse/a11y/node/value", reader.set_value)


class _Reader:
    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop

    # -- Reading --------------------------------------------------------------------------------------------------

    async def tree(self, request: Request) -> Response:
        query = request.query
        scope = _scope(query.first("scope") or "focused")
        depth = _number(query.first("maxDepth") or "-1", "maxDepth")
        pid = _number(query.first("pid") or "0", "pid")
        async with self._bus() as bus:
            walk = Walk(bus)
            roots = [await walk.node(place, depth) for place in await _roots(bus, scope, pid)]
        return json_response({"root": _only(roots, scope), "truncated": walk.truncated})

    async def find(self, request: Request) -> Response:
        wanted = await read_json(request, FindRequest, code="A11Y_INVALID_REQUEST")
        fits = _filter(wanted)
        limit = min(wanted.limit or FOUND, FOUND_LIMIT)
        async with self._bus() as bus:
            walk = Walk(bus)
            roots = await _roots(bus, _scope(wanted.scope or "focused"), wanted.pid or 0)
            matches = await walk.matches(roots, fits, limit)
        return json_response({"matches": matches, "truncated": walk.truncated})

    # -- Using ----------------------------------------------------------------------------------------------------

    async def focus(self, request: Request) -> Response:
        place, _ = await _node_request(request)
        async with self._bus() as bus, _found(place):
            if not await bus.call(place.component, "GrabFocus"):
                raise _failure(400, "A11Y_ACTION_NOT_SUPPORTED", "the node does not take the focus")
        return json_response({})

    async def invoke(self, request: Request) -> Response:
        place, wanted = await _node_request(request)
        async with self._bus() as bus, _found(place):
            names = await Walk(bus).actions(place)
            number = _action(names, wanted.action)
            await bus.call(place.action, "DoAction", "i", number)
        return json_response({})

    async def set_value(self, request: Request) -> Response:
        place, wanted = await _node_request(request)
        async with self._bus() as bus, _found(place):
            interfaces = await bus.call(place.accessible, "GetInterfaces")
            if place.editable.interface in interfaces:
                await bus.call(place.editable, "SetTextContents", "s", wanted.value or "")
            elif place.value.interface in interfaces:
                await bus.set(place.value, "CurrentValue", "d", _real(wanted.value or ""))
            else:
                raise _failure(400, "A11Y_ACTION_NOT_SUPPORTED", "the node has no text and no number to set")
        return json_response({})

    @asynccontextmanager
    async def _bus(self) -> AsyncGenerator[Bus]:
        """Connect for one request: the connection lives as long as the answer takes."""
        buses = self._desktop.buses
        if buses.address is None:
            missing = buses.missing_packages()
            reason = f"apt-get install {' '.join(missing)}" if missing else "call computer_use.start() first"
            raise _failure(503, "A11Y_UNAVAILABLE", f"there is no accessibility bus: {reason}")
        try:
            async with await Bus.connect(buses.address) as bus:
                yield bus
        except OSError as error:
            raise _failure(
                503, "A11Y_UNAVAILABLE", f"the accessibility bus does not answer: {error}"
            ) from error


@asynccontextmanager
async def _found(place: Place) -> AsyncGenerator[None]:
    """Make of a refused call that the node is gone."""
    try:
        yield
    except BusError as error:
        raise _failure(404, "A11Y_NODE_NOT_FOUND", f"there is no node {place.id}: {error}") from error


async def _roots(bus: Bus, scope: str, pid: int) -> list[Place]:
    if scope == "all":
        return await applications(bus)
    found = await application_of(bus, pid) if scope == "pid" else await focused_application(bus)
    if found is None:
        what = f"the process {pid}" if scope == "pid" else "a program in front"
        raise _failure(404, "A11Y_NO_ACCESSIBLE_ROOT", f"{what} shows nothing by name")
    return [found]


def _only(roots: list[Node], scope: str) -> Node:
    """Return the one root, or one above all programs."""
    return roots[0] if scope != "all" else Node(id="desktop", role="desktop frame", name="", children=roots)


# -- Requests ---------------------------------------------------------------------------------------------------------


async def _node_request(request: Request) -> tuple[Place, NodeRequest]:
    wanted = await read_json(request, NodeRequest, code="A11Y_INVALID_REQUEST")
    place = Place.from_id(wanted.id)
    if place is None:
        raise _failure(404, "A11Y_NODE_NOT_FOUND", f"{wanted.id!r} is not the id of a node")
    return place, wanted


def _filter(wanted: FindRequest) -> Filter:
    try:
        return Filter.of(wanted.role, wanted.name, wanted.name_match or "substring", wanted.states or [])
    except ValueError as error:
        raise _failure(400, "A11Y_INVALID_REQUEST", str(error)) from error


def _scope(name: str) -> str:
    if name not in SCOPES:
        raise _failure(400, "A11Y_INVALID_SCOPE", f"scope {name!r} is none of {', '.join(SCOPES)}")
    return name


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _failure(400, "A11Y_INVALID_REQUEST", f"{name} must be an integer") from None


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _failure(400, "A11Y_INVALID_REQUEST", f"the node takes a number, not {text!r}") from None


def _action(names: list[str], wanted: str | None) -> int:
    known = [name.lower() for name in names]
    if wanted is None and known:
        return 0
    if wanted is None or wanted.lower() not in known:
        offered = ", ".join(names) or "none"
        raise _failure(
            400, "A11Y_ACTION_NOT_SUPPORTED", f"the node has no action {wanted!r}; it has: {offered}"
        )
    return known.index(wanted.lower())


def _failure(status: int, code: str, message: str) -> HTTPError:
    return HTTPError(status, message, code=code)
