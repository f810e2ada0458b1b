"""Getting through a proxy: a plain stream in, a stream that ends at the destination out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DaytonaProxyError
from ..protocols import http1
from ..protocols.proxy import ProxyError, check_connected, connect_request, socks5
from ._deadline import left

if TYPE_CHECKING:
    from ..protocols.pool import Origin
    from ..protocols.proxy import Proxy
    from ._driver import Stream

__all__ = ["tunnel"]


async def tunnel(stream: Stream, proxy: Proxy, origin: Origin) -> None:
    """Make *stream*, which leads to *proxy*, lead to *origin*; it is closed when that fails.

    Raises:
        TimeoutError: The deadline passed.
        DaytonaProxyError: The proxy refused, or did not speak its protocol.
    """
    try:
        await (_socks if proxy.is_socks else _connect)(stream, proxy, origin)
    except (ProxyError, http1.ProtocolError, OSError) as error:
        stream.close()
        if isinstance(error, TimeoutError):
            raise
        passing = error.passing if isinstance(error, ProxyError) else isinstance(error, OSError)
        raise DaytonaProxyError(
            f"The proxy {proxy.address} did not let us through to {origin.host}:{origin.port}: {error}",
            proxy=proxy.address,
            retryable=passing,
            outcome="not_sent",
        ) from error
    except BaseException:
        stream.close()
        raise


async def _connect(stream: Stream, proxy: Proxy, origin: Origin) -> None:
    await stream.write(connect_request(origin, proxy.credentials), left())
    reader = http1.ResponseReader("CONNECT")
    while True:
        piece = await stream.read(4096, left())
        if not piece:
            raise ProxyError("it closed the connection", passing=True)
        for event in reader.receive(piece):
            if isinstance(event, http1.Head):
                check_connected(event.status, event.reason)
                if reader.rest:
                    raise ProxyError("it sent something before we did: is it a proxy?")
                return


async def _socks(stream: Stream, proxy: Proxy, origin: Origin) -> None:
    exchange = socks5(origin, proxy.credentials)
    data, wanted = next(exchange)
    while True:
        if data:
            await stream.write(data, left())
        reply = b""
        while len(reply) < wanted and (piece := await stream.read(wanted - len(reply), left())):
            reply += piece
        try:
            data, wanted = exchange.send(reply)
        except StopIteration:
            return
