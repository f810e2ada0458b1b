"""The proxy of one sandbox. Its network has no way out but the socket that this listens on.

The socket was made inside the sandbox's network namespace, and is used out here: whoever connects to it in there is
answered by this process, in the network of the machine. So there is nothing to run inside, nothing to forward, and
nothing there that could be replaced.

A name is resolved once, and the address that was judged is the one that is connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.egress.head import LONGEST_HEAD, BadRequestError, Head, parse_head
from daytona_plugins.local.egress.placeholders import (
    Attached,
    fill_in,
    fill_in_body,
    has_short_body,
    permitted,
)
from daytona_plugins.local.tasks import beside

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from daytona_plugins.local.egress.certificates import Authority
    from daytona_plugins.local.egress.policy import Policy

    Resolve = Callable[[str, int], Awaitable[list[str]]]

logger = logging.getLogger(__name__)

CONNECT_PATIENCE: Final = 30.0
MOST_CONNECTIONS: Final = 256
"""Of one sandbox at a time: each takes two of the descriptors that all sandboxes share."""
PIECE: Final = 64 * 1024


class Rules(NamedTuple):
    """What holds for a sandbox at this moment."""

    policy: Policy
    secrets: tuple[Attached, ...] = ()


class RefusedError(Exception):
    """The sandbox may not reach what it asked for; the text says why."""


class Gate:
    """Lets the programs of one sandbox reach what its rules allow, now."""

    def __init__(
        self,
        rules: Callable[[], Rules],
        authority: Authority | None,
        *,
        resolve: Resolve | None = None,
        upstream: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._authority = authority
        self._resolve = resolve or resolve_name
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], tuple[str, str]] = {}

    async def open(self, listener: socket.socket) -> None:
        """Answer those who connect to *listener* from now on."""
        listener.setblocking(False)
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=LONGEST_HEAD)

    async def close(self) -> None:
        """End every connection; may be called twice."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open))

    def review(self) -> None:
        """Cut the connections that the rules allow no longer."""
        policy = self._rules().policy
        for task, (host, address) in list(self._open.items()):
            if address and policy.refusal(host, address):
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        crowded = len(self._open) >= MOST_CONNECTIONS
        self._open[task] = ("", "")
        try:
            if crowded:
                await _say(
                    writer, "503 Service Unavailable", f"{MOST_CONNECTIONS} connections are open already"
                )
            else:
                await self._answer(reader, writer, task)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            logger.debug("a connection out of a sandbox ended: %s", error)
        except asyncio.CancelledError:  # by `close` and `review`; nobody waits for what would be raised here
            pass
        finally:
            del self._open[task]
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        try:
            head = parse_head(await reader.readuntil(b"\r\n\r\n"))
            address = await self._admit(head.host, head.port)
        except BadRequestError as error:
            return await _say(writer, "400 Bad Request", str(error))
        except RefusedError as error:
            return await _say(writer, "403 Forbidden", str(error))
        except OSError as error:
            return await _say(writer, "502 Bad Gateway", f"the name cannot be resolved: {error}")
        self._open[task] = (head.host, address)
        if head.is_tunnel:
            return await self._tunnel(head, address, reader, writer)
        return await self._pass(head, address, None, reader, writer)

    async def _admit(self, host: str, port: int) -> str:
        """Return the address to connect to."""
        policy = self._rules().policy
        if policy.refuses_name(host):
            raise RefusedError(
                "the network of this sandbox is blocked"
                if policy.block_all
                else f"{host} is in no list of what this sandbox may reach"
            )
        refusals: list[str] = []
        for address in await self._resolve(host, port):
            refusal = policy.refusal(host, address)
            if refusal is None:
                return address
            refusals.append(refusal)
        raise RefusedError(refusals[0] if refusals else f"{host} has no address")

    async def _tunnel(
        self, head: Head, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._authority is None or not permitted(self._rules().secrets, head.host):
            try:
                out = await _connect(address, head.port, None, head.host)
            except OSError as error:
                return await _say(writer, "502 Bad Gateway", f"{head.host} cannot be reached: {error}")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return await _relay(reader, writer, *out)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._authority.context_for(head.host))
        inside = parse_head(await reader.readuntil(b"\r\n\r\n"), inside=(head.host, head.port))
        context = self._upstream or ssl.create_default_context()
        return await self._pass(inside, address, context, reader, writer)

    async def _pass(
        self,
        head: Head,
        address: str,
        context: ssl.SSLContext | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Pass one request on, with the values of secrets in it that the host may know."""
        secrets = permitted(self._rules().secrets, head.host)
        head, body = fill_in(head, secrets), b""
        if secrets and has_short_body(head):
            if head.get(b"expect").lower() == b"100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head, body = fill_in_body(head, await reader.readexactly(head.content_length or 0), secrets)
        try:
            out = await _connect(address, head.port, context, head.host)
        except OSError as error:
            return await _say(writer, "502 Bad Gateway", f"{head.host} cannot be reached: {error}")
        out[1].write(head.to_bytes() + body)
        return await _relay(reader, writer, *out)


async def resolve_name(host: str, port: int) -> list[str]:
    """Return the addresses of a host, which may be one itself."""
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    return [str(sockaddr[0]) for *_, sockaddr in found]


async def _connect(
    address: str, port: int, context: ssl.SSLContext | None, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(CONNECT_PATIENCE):
        return await asyncio.open_connection(
            address, port, ssl=context, server_hostname=host if context else None
        )


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    out_reader: asyncio.StreamReader,
    out_writer: asyncio.StreamWriter,
) -> None:
    """Copy in both directions, until the answers have ended."""
    try:
        async with beside(_copy(reader, out_writer)):
            await _copy(out_reader, writer)
    finally:
        out_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:  # encrypted: whoever asked is gone, and the host has no other way to learn of it
            writer.transport.abort()


async def _say(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"daytona: {text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
