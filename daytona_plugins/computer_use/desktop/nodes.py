"""The nodes of AT-SPI: where they are on the bus, what they say of themselves, and walks through them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import msgspec

from daytona_plugins.computer_use.desktop.bus import BUS_ITSELF, Bus, BusError, Target

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

NODE_LIMIT: Final = 20_000
"""Nodes after which a walk stops."""

# The states of AT-SPI, in the order of their bits.
STATES: Final = (
    "invalid", "active", "armed", "busy", "checked", "collapsed", "defunct", "editable", "enabled", "expandable",
    "expanded", "focusable", "focused", "has_tooltip", "horizontal", "iconified", "modal", "multi_line",
    "multiselectable", "opaque", "pressed", "resizable", "selectable", "selected", "sensitive", "showing",
    "single_line", "stale", "transient", "vertical", "visible", "manages_descendants", "indeterminate", "required",
    "truncated", "animated", "invalid_entry", "supports_autocompletion", "selectable_text", "is_default", "visited",
    "checkable", "has_popup", "read_only",
)  # fmt: skip

_PREFIX: Final = "org.a11y.atspi"
_ON_SCREEN: Final = 0
_ROOT: Final = Target(f"{_PREFIX}.Registry", f"/{_PREFIX.replace('.', '/')}/accessible/root", _PREFIX)


class Place(NamedTuple):
    """Where a node is: its program's name on the bus, and its path there."""

    bus: str
    path: str

    @classmethod
    def from_id(cls, text: str) -> Self | None:
        """Return the place that an id names; None if it cannot be one."""
        found = re.fullmatch(r"(:?[\w.-]+(?:\.[\w-]+)*):((?:/\w+)+)", text)
        return None if found is None else cls(found[1], found[2])

    @property
    def id(self) -> str:
        """What clients call it."""
        return f"{self.bus}:{self.path}"

    @property
    def accessible(self) -> Target:
        """What every node has."""
        return self._interface("Accessible")

    @property
    def component(self) -> Target:
        """What a node with a place on the screen has."""
        return self._interface("Component")

    @property
    def action(self) -> Target:
        """What a node has that does something."""
        return self._interface("Action")

    @property
    def editable(self) -> Target:
        """What a node has whose text can be changed."""
        return self._interface("EditableText")

    @property
    def value(self) -> Target:
        """What a node has whose number can be changed."""
        return self._interface("Value")

    def _interface(self, name: str) -> Target:
        return Target(self.bus, self.path, f"{_PREFIX}.{name}")


class Bounds(msgspec.Struct):
    """A rectangle of the screen."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


class Node(msgspec.Struct, omit_defaults=True):
    """What a node says of itself."""

    id: str
    role: str
    name: str
    description: str = ""
    bounds: Bounds | None = None
    states: list[str] | None = None
    actions: list[str] | None = None
    children: list[Node] | None = None


class Filter(NamedTuple):
    """What a node has to be."""

    role: str | None
    name_fits: Callable[[str], bool]
    states: frozenset[str]

    @classmethod
    def of(cls, role: str | None, name: str | None, match: str, states: list[str]) -> Self:
        """Return the filter for what a client has asked.

        Raises:
            ValueError: There is no such way to compare, or the pattern is none.
        """
        return cls(
            role.lower() if role else None,
            _comparison(name, match),
            frozenset(state.lower() for state in states),
        )

    def __call__(self, node: Node) -> bool:
        """Return whether *node* is that."""
        return (
            (self.role is None or node.role.lower() == self.role)
            and self.name_fits(node.name)
            and self.states <= set(node.states or ())
        )


def _comparison(name: str | None, match: str) -> Callable[[str], bool]:
    if name is None:
        return lambda _found: True
    match match:
        case "substring":
            return lambda found: name in found
        case "exact":
            return lambda found: name == found
        case "regex":
            return _pattern(name)
        case _:
            raise ValueError(f"nameMatch {match!r} is none of substring, exact, regex")


def _pattern(name: str) -> Callable[[str], bool]:
    try:
        pattern = re.compile(name)
    except re.error as error:
        raise ValueError(f"the pattern {name!r} cannot be read: {error}") from error
    return lambda found: pattern.search(found) is not None


class Walk:
    """One look at the nodes, with a limit to how many."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._seen = 0
        self.truncated = False

    async def node(self, place: Place, depth: int) -> Node:
        """Return a node with *depth* levels of children; -1 means all of them."""
        node = await self._describe(place)
        if depth != 0:
            below = [await self.node(child, depth - 1) for child in await self._children(place)]
            node.children = below or None
        return node

    async def matches(self, roots: list[Place], fits: Filter, limit: int) -> list[Node]:
        """Return the nodes that fit, in the order of the tree, without their children."""
        found: list[Node] = []
        for root in roots:
            async for node in self._all(root):
                if fits(node):
                    if len(found) == limit:
                        self.truncated = True
                        return found
                    found.append(node)
        return found

    async def actions(self, place: Place) -> list[str]:
        """Return the names of what a node can do.

        Raises:
            BusError: There is no such node.
        """
        return await self._actions(place, await self._bus.call(place.accessible, "GetInterfaces"))

    async def _all(self, place: Place) -> AsyncGenerator[Node]:
        yield await self._describe(place)
        for child in await self._children(place):
            async for node in self._all(child):
                yield node

    async def _describe(self, place: Place) -> Node:
        """Return what a node says; what it does not answer is left out, since it may have just gone."""
        self._seen += 1
        interfaces = await self._try(self._bus.call(place.accessible, "GetInterfaces"), [])
        name, description, role, states, bounds, actions = await asyncio.gather(
            self._try(self._bus.get(place.accessible, "Name"), ""),
            self._try(self._bus.get(place.accessible, "Description"), ""),
            self._try(self._bus.call(place.accessible, "GetRoleName"), "unknown"),
            self._try(self._bus.call(place.accessible, "GetState"), []),
            self._try(self._bounds(place, interfaces), Bounds()),
            self._try(self._actions(place, interfaces), []),
        )
        return Node(place.id, role, name, description, bounds, state_names(states), actions=actions or None)

    async def _bounds(self, place: Place, interfaces: list[str]) -> Bounds:
        if place.component.interface not in interfaces:
            return Bounds()
        return Bounds(*await self._bus.call(place.component, "GetExtents", "u", _ON_SCREEN))

    async def _actions(self, place: Place, interfaces: list[str]) -> list[str]:
        if place.action.interface not in interfaces:
            return []
        return [str(action[0]) for action in await self._bus.call(place.action, "GetActions")]

    async def _children(self, place: Place) -> list[Place]:
        if self._seen >= NODE_LIMIT:
            self.truncated = True
            return []
        return [
            Place(*child) for child in await self._try(self._bus.call(place.accessible, "GetChildren"), [])
        ]

    async def _try(self, answer: Any, otherwise: Any) -> Any:
        try:
            return await answer
        except BusError:
            return otherwise


def state_names(words: list[int]) -> list[str]:
    """Return the names of the bits that are set."""
    bits = sum(word << (32 * index) for index, word in enumerate(words))
    return [name for number, name in enumerate(STATES) if bits >> number & 1]


# -- Programs ---------------------------------------------------------------------------------------------------------


async def applications(bus: Bus) -> list[Place]:
    """Return the programs that speak of what they show."""
    return [Place(*child) for child in await bus.call(_accessible_root(), "GetChildren")]


def _accessible_root() -> Target:
    return _ROOT._replace(interface=f"{_PREFIX}.Accessible")


async def application_of(bus: Bus, pid: int) -> Place | None:
    """Return the program that is process *pid*."""
    for place in await applications(bus):
        if await bus.call(BUS_ITSELF, "GetConnectionUnixProcessID", "s", place.bus) == pid:
            return place
    return None


async def focused_application(bus: Bus) -> Place | None:
    """Return the first program with an active window, else the first program."""
    found = await applications(bus)
    for place in found:
        for window in await bus.call(place.accessible, "GetChildren"):
            if "active" in state_names(await bus.call(Place(*window).accessible, "GetState")):
                return place
    return found[0] if found else None
