"""What other distributions add, found through entry points on first use.

A group is read once per process. A plugin that fails says so where it is used, under its own name and that of the
distribution that brought it; nothing is skipped in silence, and nothing else stops working.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from .errors import DaytonaPluginError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

__all__ = [
    "AGENT_SERVICES",
    "PLATFORMS",
    "SANDBOX_SERVICES",
    "PlatformEndpoint",
    "connect_platform",
    "entry_points",
    "face_class",
    "face_of",
    "load",
    "sandbox_service",
]

PLATFORMS = "daytona.platforms"
"""Group of platforms: a name, and a function that returns a running one's address."""

SANDBOX_SERVICES = "daytona.sandbox_services"
"""Group of services of a sandbox: a name, and an `AsyncService` whose blocking face is in the module `blocking` beside."""

AGENT_SERVICES = "daytona.agent_services"
"""Group of what answers inside sandboxes of the embedded platform: a name, and a function that adds its routes."""


class PlatformEndpoint(Protocol):
    """A running platform."""

    @property
    def api_url(self) -> str:
        """Base URL of its API."""
        ...

    @property
    def api_key(self) -> str:
        """Key for it."""
        ...

    @property
    def notice(self) -> str:
        """One line for the user: what runs where, and how it isolates."""
        ...


@cache
def entry_points(group: str) -> dict[str, EntryPoint]:
    """Return the plugins of *group* by name.

    Raises:
        DaytonaPluginError: Two distributions claim the same name.
    """
    from importlib.metadata import entry_points as installed

    found: dict[str, EntryPoint] = {}
    for point in installed(group=group):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise DaytonaPluginError(
                f"Two plugins claim {point.name!r} in {group}: {_origin(other)} and {_origin(point)}; uninstall one"
            )
    return found


def load(group: str, name: str) -> object:
    """Return what the plugin *name* of *group* offers.

    Raises:
        DaytonaPluginError: It is not installed, or cannot be imported.
    """
    points = entry_points(group)
    if name not in points:
        there = ", ".join(sorted(points)) or "nothing"
        raise DaytonaPluginError(f"No plugin {name!r} is installed in {group}; installed: {there}")
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        raise DaytonaPluginError(
            f"The plugin {name!r} of {_origin(points[name])} is broken: {error}"
        ) from error


def connect_platform(name: str) -> PlatformEndpoint:
    """Return a running platform, started if it has to be; blocks while it starts."""
    connect: Callable[[], PlatformEndpoint] = load(PLATFORMS, name)  # type: ignore[assignment]  # the group's contract
    return connect()


def sandbox_service(name: str) -> type[Any]:
    """Return the class of a service that a plugin brings to sandboxes."""
    return cast("type[Any]", load(SANDBOX_SERVICES, name))


def face_of(service: object) -> Any:
    """Return the blocking face of a plugin's service."""
    return face_class(type(service))._over(service)  # pyright: ignore[reportPrivateUsage]  # what faces are made with


def face_class(service: type[Any]) -> type[Any]:
    """Return the class of the blocking face of a plugin's service."""
    module = import_module(f"{service.__module__.rpartition('.')[0]}.blocking")
    return cast("type[Any]", getattr(module, service.__name__.removeprefix("Async")))


def _origin(point: EntryPoint) -> str:
    return (
        f"{point.dist.name} {point.dist.version} ({point.value})" if point.dist is not None else point.value
    )
