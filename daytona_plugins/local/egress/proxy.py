"""The proxy of one sandbox, for the programs that know of it: it reads what they ask for, and puts secrets into it.

A name is resolved once, and the address that was judged is the one that is connected to.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from daytona_plugins.local.egress.connection import Connection, Streams, connect, relay
from daytona_plugins.local.egress.head import BadRequestError, Head, parse_head
from daytona_plugins.local.egress.names import Destination
from daytona_plugins.local.egress.placeholders import fill_in, fill_in_body, has_short_body, permitted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from daytona_plugins.local.egress.certificates import Authority
    from daytona_plugins.local.egress.lookup import Resolve
    from daytona_plugins.local.egress.rules import Rules


class RefusedError(Exception):
    """The sandbox may not reach what it asked for; the text says why."""


class Proxy:
    """Passes on what the programs of one sandbox ask it for, as far as its rules allow it."""

    def __init__(
        self,
        rules: Callable[[], Rules],
        authority: Authority | None,
        resolve: Resolve,
        upstream: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._authority = authority
        self._resolve = resolve
        self._upstream = upstream

    async def answer(self, connection: Connection) -> None:
        """Carry out what one connection asks for."""
        reader, writer = connection.streams
        try:
            head = parse_head(await reader.readuntil(b"\r\n\r\n"))
            address = await self._admit(head.host, head.port)
        except BadRequestError as error:
            return await _say(writer, "400 Bad Request", str(error))
        except RefusedError as error:
            return await _say(writer, "403 Forbidden", str(error))
        except OSError as error:
            return await _say(writer, "502 Bad Gateway", f"the name cannot be resolved: {error}")
        connection.destination = Destination(address, (head.host,))
        if head.is_tunnel:
            return await self._tunnel(head, address, connection.streams)
        return await self._pass(head, address, None, connection.streams)

    async def turn_away(self, connection: Connection) -> None:
        """Answer one too many."""
        await _say(connection.writer, "503 Service Unavailable", "too many connections are open already")

    async def _admit(self, host: str, port: int) -> str:
        """Return the address to connect to."""
        rules = self._rules()
        if link := rules.link_named(host):
            return link.address
        if refusal := rules.policy.name_refusal(host):
            raise RefusedError(refusal)
        found = await self._resolve(host, port)
        policy, refusals = self._rules().policy, list[str]()  # it may have changed meanwhile
        for address in found:
            refusal = policy.refusal(host, address)
            if refusal is None:
                return address
            refusals.append(refusal)
        raise RefusedError(refusals[0] if refusals else f"{host} has no address")

    async def _tunnel(self, head: Head, address: str, inner: Streams) -> None:
        reader, writer = inner
        if self._authority is None or not permitted(self._rules().secrets, head.host):
            try:
                out = await self._connect(head, address)
            except OSError as error:
                return await _say(writer, "502 Bad Gateway", f"{head.host} cannot be reached: {error}")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return await relay(inner, out)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(self._authority.context_for(head.host))
        inside = parse_head(await reader.readuntil(b"\r\n\r\n"), inside=(head.host, head.port))
        context = self._upstream or ssl.create_default_context()
        return await self._pass(inside, address, context, inner)

    async def _connect(self, head: Head, address: str, context: ssl.SSLContext | None = None) -> Streams:
        return await connect(address, head.port, self._rules().link_at(address), context, head.host)

    async def _pass(self, head: Head, address: str, context: ssl.SSLContext | None, inner: Streams) -> None:
        """Pass one request on, with the values of secrets in it that the host may know."""
        reader, writer = inner
        secrets = permitted(self._rules().secrets, head.host)
        head, body = fill_in(head, secrets), b""
        if secrets and has_short_body(head):
            if head.get(b"expect").lower() == b"100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head, body = fill_in_body(head, await reader.readexactly(head.content_length or 0), secrets)
        try:
            out = await self._connect(head, address, context)
        except OSError as error:
            return await _say(writer, "502 Bad Gateway", f"{head.host} cannot be reached: {error}")
        out.writer.write(head.to_bytes() + body)
        return await relay(inner, out)


async def _say(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"daytona: {text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
