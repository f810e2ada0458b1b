"""The way to every server that a configuration describes: through its proxies, with its certificates, over its sockets."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from .errors import DaytonaValidationError
from .transport.http import HTTPTransport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from .config import DaytonaConfig
    from .protocols.proxy import Proxies
    from .telemetry import Telemetry
    from .transport._driver import Driver

__all__ = ["new_transport", "tls_context"]

_PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


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
        tls=partial(tls_context, config),
        telemetry=telemetry,
        made_at=_caller(),
    )


def _caller() -> str:
    """Return the place outside this package that makes the client."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # inspect costs 20 ms to import
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("daytona."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def tls_context(config: DaytonaConfig | None) -> ssl.SSLContext:
    """Return what https connections are made with.

    Raises:
        DaytonaValidationError: A file that *config* names is missing or holds something else.
    """
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


def _proxies(config: DaytonaConfig | None) -> Proxies | None:
    """Return the proxies, None when nothing names one."""
    named = config.proxy if config is not None else None
    if not named and not any(os.environ.get(name) for name in _PROXY_VARIABLES):
        return None
    from .protocols.proxy import Proxies  # nor are proxies

    return Proxies(named, config.no_proxy if config is not None else None, os.environ)
