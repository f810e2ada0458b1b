"""Making connections: directly or through a proxy, plain or encrypted, the same way for everything that needs one."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from ..errors import DaytonaCertificateError, DaytonaConnectionError, DaytonaError, DaytonaProxyError
from ._deadline import Deadline, left

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from ..protocols.pool import Origin
    from ..protocols.proxy import Proxies, Proxy
    from ._driver import Driver, Stream

__all__ = ["Connector"]

SECOND_LOOK: Final = 5.0
"""Seconds to spend on finding out who issued a certificate that is not trusted."""


class Connector:
    """Makes connections.

    Args:
        driver: Makes the sockets.
        proxies: What stands between here and there; None means nothing.
        tls: Returns the context for https connections; called once, when the first one is made.
    """

    def __init__(
        self, driver: Driver, proxies: Proxies | None, tls: Callable[[], ssl.SSLContext] | None
    ) -> None:
        self._driver = driver
        self._proxies = proxies
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def renew_lock(self) -> None:
        """Begin with a lock that nobody holds."""
        self._lock = threading.Lock()

    async def connect(self, origin: Origin) -> Stream:
        """Return a stream to *origin*, encrypted if its scheme says so.

        Raises:
            TimeoutError: The deadline passed.
            DaytonaConnectionError: There is no way, or one that must not be taken.
        """
        reach = partial(self._reach, origin)
        stream = await reach()
        return await self._secure(stream, origin, reach) if origin.scheme == "https" else stream

    async def _reach(self, origin: Origin) -> Stream:
        """Return a plain stream that ends at *origin*."""
        proxy = self._proxies.for_origin(origin) if self._proxies is not None else None
        if proxy is not None:
            return await self._reach_through(proxy, origin)
        try:
            return await self._driver.connect(origin, left())
        except OSError as error:
            _pass_timeout(error)
            raise DaytonaConnectionError(
                f"Cannot connect to {origin.host}:{origin.port}: {error.strerror or error}",
                retryable=True,
                outcome="not_sent",
            ) from error

    async def _reach_through(self, proxy: Proxy, origin: Origin) -> Stream:
        from ._proxy import tunnel  # proxies are not every program's business

        stream = await self._dial_proxy(proxy, origin)
        if proxy.scheme == "https":
            stream = await self._secure(stream, proxy.origin, partial(self._dial_proxy, proxy, origin))
        await tunnel(stream, proxy, origin)
        return stream

    async def _dial_proxy(self, proxy: Proxy, origin: Origin) -> Stream:
        try:
            return await self._driver.connect(proxy.origin, left())
        except OSError as error:
            _pass_timeout(error)
            raise DaytonaProxyError(
                f"Cannot connect to {origin.host}:{origin.port}: its proxy {proxy.address} cannot be reached: "
                f"{error.strerror or error}",
                proxy=proxy.address,
                retryable=True,
                outcome="not_sent",
            ) from error

    async def _secure(self, stream: Stream, origin: Origin, again: Callable[[], Awaitable[Stream]]) -> Stream:
        """Return *stream* encrypted; *again* makes another one like it."""
        from ._tls import CertificateError  # nor is https

        try:
            return await self._encrypted(stream, origin)
        except CertificateError as error:
            raise _untrusted(origin, error.verify_message, await self._issuer(origin, again)) from error
        except OSError as error:
            _pass_timeout(error)
            raise DaytonaConnectionError(
                f"Cannot connect to {origin.host}:{origin.port}: no TLS: {error.strerror or error}",
                retryable=True,
                outcome="not_sent",
            ) from error

    async def _encrypted(self, stream: Stream, origin: Origin) -> Stream:
        from ._tls import TLSStream

        try:
            return await TLSStream.over(stream, self._get_context(), origin.host, left())
        except BaseException:
            stream.close()
            raise

    def _get_context(self) -> ssl.SSLContext:
        """Return the context, made once: reading all authorities takes longer than to connect."""
        from ._tls import default_context

        with self._lock:
            if self._context is None:
                self._context = self._tls() if self._tls is not None else default_context()
            return self._context

    async def _issuer(self, origin: Origin, again: Callable[[], Awaitable[Stream]]) -> str | None:
        """Return who issued the certificate that was refused, None when that cannot be found out."""
        from ._tls import issuer_seen

        # OSError also covers the end of the time: then there is only less to say.
        with suppress(OSError, DaytonaError), Deadline(SECOND_LOOK):
            stream = await again()
            try:
                return await issuer_seen(stream, origin.host, left())
            finally:
                stream.close()
        return None


def _pass_timeout(error: OSError) -> None:
    """Raise *error* if it is the end of the time; the kernel's own ETIMEDOUT is a failure like others."""
    if isinstance(error, TimeoutError) and error.errno is None:
        raise error


def _untrusted(origin: Origin, reason: str, issuer: str | None) -> DaytonaCertificateError:
    seen = f" It was issued by {issuer}." if issuer else ""
    return DaytonaCertificateError(
        f"The certificate of {origin.host}:{origin.port} is not to be trusted: {reason.rstrip('.')}.{seen} If its issuer "
        "is a private authority, pass DaytonaConfig(ca_file=...) with its certificate, or set SSL_CERT_FILE",
        issuer=issuer,
        outcome="not_sent",
    )
