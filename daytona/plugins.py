"""What other distributions add, found through entry points on first use.

What is installed is read once per process. A plugin that fails says so where it is used, under its own name and that of the
distribution that brought it; nothing is skipped in silence, and nothing else stops working.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, TypeVar, cast, get_args

from ._entry_points import installed
from .errors import DaytonaPluginError, DaytonaPluginMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._entry_points import EntryPoint
    from .service import Api, AsyncService, BlockingService

__all__ = [
    "AGENT_SERVICES",
    "CLIENT_SERVICES",
    "COMMANDS",
    "LANGUAGE_SERVERS",
    "PLATFORMS",
    "SANDBOX_SERVICES",
    "Extensible",
    "ExtensibleFace",
    "PlatformEndpoint",
    "Plugin",
    "connect_platform",
    "entry_points",
    "face_class",
    "face_of",
    "installed_plugins",
    "load",
    "load_service",
    "sandbox_service",
]

# Any, because a face of whatever service will do; what comes back is of the very class that was given.
F = TypeVar("F", bound="BlockingService[Any]")
S = TypeVar("S", bound="AsyncService")

PLATFORMS = "daytona.platforms"
"""Group of platforms: a name, and a function that returns a running one's address."""

SANDBOX_SERVICES = "daytona.sandbox_services"
"""Group of services of a sandbox: a name, and an `AsyncService` whose blocking face is in the module `blocking` beside."""

CLIENT_SERVICES = "daytona.client_services"
"""Group of services of a client: a name, and the same."""

AGENT_SERVICES = "daytona.agent_services"
"""Group of what answers inside sandboxes of the embedded platform: a name, and a function that adds its routes."""

LANGUAGE_SERVERS = "daytona.language_servers"
"""Group of language servers: a language, and a sequence of `daytona_plugins.lsp.registry.Server`."""

COMMANDS = "daytona.commands"
"""Group of commands: a name, and a click command or group that appears under it."""

SERVICES = frozenset({SANDBOX_SERVICES, CLIENT_SERVICES})
GROUPS = (PLATFORMS, CLIENT_SERVICES, SANDBOX_SERVICES, AGENT_SERVICES, LANGUAGE_SERVERS, COMMANDS)

DISTRIBUTION: Final = "daytona-anyio"
OURS: Final = frozenset({"computer_use", "lsp", "object_storage", "local"})
"""Plugins that our own distribution brings: whoever misses one has only a part of it."""


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


class Plugin(NamedTuple):
    """An installed plugin."""

    group: str
    name: str
    origin: str
    """The distribution that brought it, with its version, and where in it the plugin is."""
    trouble: str | None
    """Why it cannot be used, None when it can."""


@cache
def _found() -> list[EntryPoint]:
    """Return what is installed: the files of all distributions are read, whichever group is asked for."""
    return installed("daytona.")


@cache
def _installed(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in _found():
        if point.group == group:
            found.setdefault(point.name, {})[point.value] = point  # one found twice on the path is one
    return {name: tuple(points.values()) for name, points in found.items()}


def entry_points(group: str) -> dict[str, EntryPoint]:
    """Return the plugins of *group* by name; a name that several claim is among them, and cannot be loaded."""
    return {name: points[0] for name, points in _installed(group).items()}


def load(group: str, name: str) -> object:
    """Return what the plugin *name* of *group* offers.

    Raises:
        DaytonaPluginMissingError: It is not installed.
        DaytonaPluginError: Two distributions claim the name, or it cannot be imported.
    """
    points = list(_installed(group).get(name, ()))
    if not points:
        raise _missing(group, name)
    if len(points) > 1:
        claims = " and ".join(map(_origin, points))
        raise DaytonaPluginError(f"Two plugins claim {name!r} in {group}: {claims}; uninstall one")
    try:
        return points[0].load()
    except Exception as error:  # whatever the code of a stranger raises when it is imported
        raise _broken(points[0], f"{type(error).__name__}: {error}") from error


def load_service(group: str, name: str) -> type[AsyncService]:
    """Return the class of a service that a plugin brings.

    Raises:
        DaytonaPluginError: It is not there, no service, or one for another version of this package.
    """
    from .service import PLUGIN_API, AsyncService  # a command line that only shows its help needs no services

    found = load(group, name)
    point = _installed(group)[name][0]
    if not isinstance(found, type) or not issubclass(found, AsyncService):
        raise _broken(point, "it is not a class made from daytona.service.AsyncService")
    if found.plugin_api != PLUGIN_API:
        raise _broken(point, _other_version(found))
    return found


def installed_plugins() -> list[Plugin]:
    """Return every plugin of every group, each of them loaded to see whether it can be."""
    return [
        Plugin(group, name, " and ".join(map(_origin, points)), _trouble(group, name))
        for group in GROUPS
        for name, points in sorted(_installed(group).items())
    ]


def _trouble(group: str, name: str) -> str | None:
    try:
        (load_service if group in SERVICES else load)(group, name)
    except DaytonaPluginError as error:
        return error.message
    return None


class Extensible:
    """Something to which plugins add services, as attributes: each is made when it is first used.

    A service whose constructor takes more than the API is no attribute; whoever needs it says how it is made.
    """

    _plugins: ClassVar[str]

    @cached_property
    def _plugged_in(self) -> dict[type[Any] | str, Any]:
        return {}

    def use(self, service: type[S]) -> S:
        """Return the service of a plugin, by its class: what type checkers know as `AsyncClipboard`, say.

        It is the one that the attribute of the plugin's name is, made when it is first used.

        Raises:
            DaytonaPluginError: It is no service for this face, or was written for another version of this package.
        """
        if service not in self._plugged_in:
            _check_service(service)
            self._plugged_in[service] = service(self._plugin_target())
        return cast("S", self._plugged_in[service])

    def _plugin_target(self) -> Api:
        """Return the API that services of plugins are given."""
        raise NotImplementedError

    def _service(self, name: str) -> AsyncService:
        """Return a service that a plugin brings."""
        if name not in self._plugged_in:
            self._plugged_in[name] = self.use(load_service(self._plugins, name))
        return cast("AsyncService", self._plugged_in[name])

    def _plugged_in_face(self, name: str) -> Any:
        """Return an attribute as the blocking face of this object has it."""
        from .service import AsyncService

        found = getattr(self, name)
        return face_of(found) if isinstance(found, AsyncService) else found

    if not TYPE_CHECKING:  # a misspelt attribute must stay an error for type checkers

        def __getattr__(self, name: str) -> AsyncService:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            if name not in _installed(self._plugins):
                raise _missing(self._plugins, name, type(self).__name__)
            if "__init__" in vars(load_service(self._plugins, name)):
                raise AttributeError(f"{name!r} is made with arguments of its own, and is no attribute")
            return self._service(name)


class ExtensibleFace:
    """The blocking face of something to which plugins add services: it has their blocking faces."""

    _core: Any

    def use(self, service: type[F]) -> F:
        """Return the service of a plugin, by its class: what type checkers know as `Clipboard`, say.

        Raises:
            DaytonaPluginError: It is no service for this face, or was written for another version of this package.
        """
        core: Extensible = self._core
        made = core.use(_core_class(service))
        return service._over(made)  # pyright: ignore[reportPrivateUsage]  # what faces are made with

    if not TYPE_CHECKING:  # a misspelt attribute must stay an error for type checkers

        def __getattr__(self, name: str) -> object:
            """Return the face of a service that a plugin adds to the core."""
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            return self._core._plugged_in_face(name)


def _check_service(service: type[Any]) -> None:
    """Refuse a class that cannot be used as it is."""
    from .service import PLUGIN_API, AsyncService

    if not issubclass(service, AsyncService):
        raise DaytonaPluginError(
            f"{service.__qualname__} is no service for asynchronous code: it is not made from daytona.service.AsyncService"
        )
    if service.plugin_api != PLUGIN_API:
        raise DaytonaPluginError(f"{service.__qualname__} cannot be used: {_other_version(service)}")


def _core_class(face: type[Any]) -> type[AsyncService]:
    """Return the class of services that *face* is made over, as `BlockingService[...]` among its bases says."""
    from .service import BlockingService

    for base in getattr(face, "__orig_bases__", ()):
        if getattr(base, "__origin__", None) is BlockingService:
            return cast("type[AsyncService]", get_args(base)[0])
    raise DaytonaPluginError(
        f"{face.__qualname__} is no service for blocking code: it is not made from daytona.service.BlockingService"
    )


def _other_version(service: type[AsyncService]) -> str:
    from .service import PLUGIN_API

    return f"it was written for version {service.plugin_api} of the plugin interface; this is {PLUGIN_API}"


def connect_platform(name: str) -> PlatformEndpoint:
    """Return a running platform, started if it has to be; blocks while it starts."""
    connect: Callable[[], PlatformEndpoint] = load(PLATFORMS, name)  # type: ignore[assignment]  # the group's contract
    return connect()


def sandbox_service(name: str) -> type[Any]:
    """Return the class of a service that a plugin brings to sandboxes."""
    return load_service(SANDBOX_SERVICES, name)


def face_of(service: object) -> Any:
    """Return the blocking face of a plugin's service."""
    return face_class(type(service))._over(service)  # pyright: ignore[reportPrivateUsage]  # what faces are made with


def face_class(service: type[Any]) -> type[Any]:
    """Return the class of the blocking face of a plugin's service."""
    module = import_module(f"{service.__module__.rpartition('.')[0]}.blocking")
    return cast("type[Any]", getattr(module, service.__name__.removeprefix("Async")))


def _missing(group: str, name: str, owner: str | None = None) -> DaytonaPluginMissingError:
    """Return the error for a plugin that nobody has installed; *owner* is the class whose attribute it would be."""
    there = ", ".join(sorted(_installed(group))) or "nothing"
    what = (
        f"{owner} has no attribute {name!r}, and no plugin brings one to {group}"
        if owner is not None
        else f"No plugin {name!r} is installed in {group}"
    )
    remedy = f"; install {DISTRIBUTION}" if name in OURS else ""
    error = DaytonaPluginMissingError(f"{what}{remedy}; installed: {there}")
    error.distribution = DISTRIBUTION if name in OURS else None
    return error


def _broken(point: EntryPoint, why: str) -> DaytonaPluginError:
    error = DaytonaPluginError(f"The plugin {point.name!r} of {_origin(point)} is broken: {why}")
    error.distribution = point.dist.name if point.dist is not None else None
    return error


def _origin(point: EntryPoint) -> str:
    dist = point.dist
    return f"{dist.name} {dist.version} ({point.value})" if dist is not None else point.value
