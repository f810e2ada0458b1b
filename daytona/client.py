"""`Daytona` and `AsyncDaytona`: which driver each uses and where it connects, and nothing else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from . import plugins
from .blocking.client import Client
from .config import LOCAL, DaytonaConfig, Settings, resolve
from .network import new_transport
from .protocols.rest import Endpoint
from .service import Api
from .services.client import AsyncClient

if TYPE_CHECKING:
    from .telemetry import Telemetry
    from .transport._driver import Driver
    from .transport.http import HTTPTransport

__all__ = ["AsyncDaytona", "Daytona"]

_noticed: set[str] = set()
"""What the user has been told, so that it is told once, however many clients there are."""


class AsyncDaytona(AsyncClient):
    """The client for asyncio and trio. It can be used from any event loop, and from several.

    Without credentials it uses the embedded platform on this machine, which the first call starts if necessary.

    Args:
        config: How to connect; settings that are left out come from the environment.

    Raises:
        DaytonaAuthenticationError: There is an address but no credentials for it.
    """

    def __init__(self, config: DaytonaConfig | None = None) -> None:
        from .transport.native import NativeDriver  # event loops are not a blocking program's business

        super().__init__(*_connection(config, NativeDriver(), "sdk-python-async"))


class Daytona(Client):
    """The client for blocking code. It uses no event loop and starts no threads; many threads may share it.

    Without credentials it uses the embedded platform on this machine, which the first call starts if necessary.

    Args:
        config: How to connect; settings that are left out come from the environment.

    Raises:
        DaytonaAuthenticationError: There is an address but no credentials for it.
    """

    def __init__(self, config: DaytonaConfig | None = None) -> None:
        from .transport.blocking import BlockingDriver  # nor sockets an async one's

        super().__init__(AsyncClient(*_connection(config, BlockingDriver(), "sdk-python")))


def _connection(
    config: DaytonaConfig | None, driver: Driver, source: str
) -> tuple[Api, str | None, bool, str | None]:
    """Return the API that *config* leads to, and what it says about the client: region, events and owner."""
    settings = resolve(config)
    transport = new_transport(
        driver,
        config,
        limit=settings.pool_size,
        telemetry=_telemetry(source) if settings.otel_enabled else None,
    )
    options = config if config is not None else DaytonaConfig()
    if settings.api_url is not None:
        api = Api(transport, Endpoint(settings.api_url, settings.headers(source)))
    else:
        api = Api(transport, partial(_locate_local, transport, settings, source))
    return api, settings.target, options.events, options.owner


async def _locate_local(transport: HTTPTransport, settings: Settings, source: str) -> Endpoint:
    """Return the embedded platform's API; the platform is started if it has to be."""
    platform = await transport.run(partial(plugins.connect_platform, LOCAL))
    if platform.notice not in _noticed:
        import logging  # nor is logging

        _noticed.add(platform.notice)
        logging.getLogger("daytona").warning("%s", platform.notice)
    headers = settings.at(platform.api_url, platform.api_key).headers(source)
    return Endpoint(platform.api_url, headers)


def _telemetry(source: str) -> Telemetry:
    from .telemetry import Telemetry  # nor is OpenTelemetry

    return Telemetry(blocking=source == "sdk-python")
