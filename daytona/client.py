"""`Daytona` and `AsyncDaytona`: which driver each uses and where it connects, and nothing else."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from . import plugins
from .blocking.client import Client
from .config import LOCAL, DaytonaConfig, Settings, resolve
from .errors import DaytonaValidationError
from .protocols.rest import Endpoint
from .service import Api
from .services.client import AsyncClient
from .transport.http import HTTPTransport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from .protocols.proxy import Proxies
    from .telemetry import Telemetry
    from .transport._interface import Driver

__all__ = ["AsyncDaytona", "Daytona"]

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

_noticed: set[str] = set()
"""What the user has been told, so that it is told once, however many clients there are."""


class AsyncDaytona(AsyncClient):
    """The client for asyncio and trio; usable from any event loop, also from several.

    Without credentials it uses the embedded platform on this machine, started at the first call if it has to be.

    Args:
        config: How to connect; what it leaves out comes from the environment.

    Raises:
        DaytonaAuthenticationError: There is an address and no credential for it.
    """

    def __init__(self, config: DaytonaConfig | None = None) -> None:
        from .transport.native import NativeDriver  # anyio is not a blocking program's business

        super().__init__(*_connection(config, NativeDriver(), "sdk-python-async"))


class Daytona(Client):
    """The client for blocking code: no event loop, no threads; one object may be used from many threads.

    Without credentials it uses the embedded platform on this machine, started at the first call if it has to be.

    Args:
        config: How to connect; what it leaves out comes from the environment.

    Raises:
        DaytonaAuthenticationError: There is an address and no credential for it.
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


def new_transport(
    driver: Driver,
    config: DaytonaConfig | None = None,
    *,
    limit: int | None = None,
    telemetry: Telemetry | None = None,
) -> HTTPTransport:
    """Return a way to every server, through the proxies and with the certificates that are configured."""
    if config is not None and config.network_backend is not None:
        from .transport._httpcore import BackendDriver  # importing httpcore takes as long as all of ours

        driver = BackendDriver(driver, config.network_backend)
    return HTTPTransport(
        driver,
        limit=limit,
        proxies=_proxies(config),
        tls=partial(_tls, config),
        telemetry=telemetry,
        made_at=_caller(),
    )


async def _locate_local(transport: HTTPTransport, settings: Settings, source: str) -> Endpoint:
    """Return the embedded platform's API; the platform is started if it has to be."""
    platform = await transport.run(partial(plugins.connect_platform, LOCAL))
    if platform.notice not in _noticed:
        import logging  # nor is logging

        _noticed.add(platform.notice)
        logging.getLogger("daytona").warning("%s", platform.notice)
    headers = settings.at(platform.api_url, platform.api_key).headers(source)
    return Endpoint(platform.api_url, headers)


def _caller() -> str:
    """Return the place outside this package that makes the client."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # inspect costs 20 ms to import
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("daytona."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _tls(config: DaytonaConfig | None) -> ssl.SSLContext:
    from .transport._tls import default_context  # https is not every program's business

    if config is not None and config.ssl_context is not None:
        return config.ssl_context
    if config is None:
        return default_context()
    with _files_of("ca_file", config.ca_file):
        context = default_context(config.ca_file)
    if config.client_cert is not None:
        with _files_of("client_cert", config.client_cert):
            context.load_cert_chain(config.client_cert)
    return context


@contextmanager
def _files_of(option: str, path: str | os.PathLike[str] | None) -> Generator[None]:
    """Say which option named a file that is missing or holds something else."""
    try:
        yield
    except OSError as error:
        raise DaytonaValidationError(f"{option}={os.fspath(path or '')!r} cannot be used: {error}") from error


def _telemetry(source: str) -> Telemetry:
    from .telemetry import Telemetry  # nor is OpenTelemetry

    return Telemetry(blocking=source == "sdk-python")


def _proxies(config: DaytonaConfig | None) -> Proxies | None:
    """Return the proxies, None when nothing names one."""
    named = config.proxy if config is not None else None
    if not named and not any(os.environ.get(name) for name in _PROXY_VARIABLES):
        return None
    from .protocols.proxy import Proxies  # nor are proxies

    return Proxies(named, config.no_proxy if config is not None else None, os.environ)
