"""Getting through a proxy: a plain stream in, a stream that ends at the destination out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..protocols import http1
from ..protocols.proxy import ProxyError, connect_request, socks5

if TYPE_CHECKING:
    from ..protocols.pool import Origin
    from ..protocols.proxy import Proxy
    from ._interface import Stream

__all__ = ["tunnel"]


async def tunnel(stream: Stream, proxy: Proxy, origin: Origin, timeout: float | None) -> None:
    """Make *stream*, which leads to *proxy*, lead to *origin*; it is closed when that fails.

    Raises:
        OSError: The proxy refused, or did not speak its protocol.
    """
    try:
        await (_socks if proxy.is_socks else _connect)(stream, proxy, origin, timeout)
    except (ProxyError, http1.ProtocolError) as error:
        stream.close()
        raise OSError(f"the proxy {proxy.host}:{proxy.port} did not let us through: {error}") from error
    except BaseException:
        stream.close()
        raise


async def _connect(stream: Stream, proxy: Proxy, origin: Origin, timeout: float | None) -> None:
    await stream.write(connect_request(origin, proxy.credentials), timeout)
    reader = http1.ResponseReader("CONNECT")
    while True:
        for event in reader.receive(await stream.read(4096, timeout)):
            if isinstance(event, http1.Head):
                if not 200 <= event.status < 300:
                    raise ProxyError(f"{event.status} {event.reason}")
                if reader.rest:
                    raise ProxyError("it sent something before we did")
                return


async def _socks(stream: Stream, proxy: Proxy, origin: Origin, timeout: float | None) -> None:
    exchange = socks5(origin, proxy.credentials)
    data, wanted = next(exchange)
    while True:
        if data:
            await stream.write(data, timeout)
        reply = b""
        while len(reply) < wanted:
            piece = await stream.read(wanted - len(reply), timeout)
            if not piece:
                raise ProxyError("it closed the connection")
            reply += piece
        try:
            data, wanted = exchange.send(reply)
        except StopIteration:
            return
