"""The name server of one sandbox: it knows the names that the sandbox may know, and remembers what it has told."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final, cast

from daytona_plugins.local.egress.dns import (
    LONGEST,
    BadQuestionError,
    Code,
    Question,
    answer,
    parse_question,
)
from daytona_plugins.local.tasks import cancel

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.egress.connection import Connection
    from daytona_plugins.local.egress.lookup import Resolve
    from daytona_plugins.local.egress.names import ToldNames
    from daytona_plugins.local.egress.rules import Rules

MOST_QUESTIONS: Final = 64
"""Of one sandbox at a time; what more it asks is lost, as datagrams are."""
LOOKUPS: Final = 4
"""Of one sandbox at a time: all sandboxes share those of the machine."""
MOST_ADDRESSES: Final = 16
_NO_SUCH_NAME: Final = (socket.EAI_NONAME, socket.EAI_NODATA)


class Resolver:
    """Answers questions about names as the policy wants it, now."""

    def __init__(
        self,
        rules: Callable[[], Rules],
        told: ToldNames,
        resolve: Resolve,
        *,
        on_told: Callable[[list[str]], None],
    ) -> None:
        self._rules = rules
        self._told = told
        self._resolve = resolve
        self._on_told = on_told
        self._lookups = asyncio.Semaphore(LOOKUPS)

    async def answer(self, data: bytes, room: int | None = None) -> bytes | None:
        """Return the answer to a message; None when nothing is to be said.

        Args:
            room: The most bytes, if not what the question says.
        """
        try:
            question = parse_question(data)
        except BadQuestionError as error:
            return error.reply
        if not question.is_for_host:
            return answer(question, Code.NOT_IMPLEMENTED, room=room)
        code, addresses, why = await self._find(question)
        return answer(question, code, addresses, why=why, room=room)

    async def serve_stream(self, connection: Connection) -> None:
        """Answer one question after the other."""
        while True:
            (length,) = struct.unpack(">H", await connection.reader.readexactly(2))
            told = await self.answer(await connection.reader.readexactly(length), LONGEST)
            if told is None:
                return
            connection.writer.write(struct.pack(">H", len(told)) + told)
            await connection.writer.drain()

    async def _find(self, question: Question) -> tuple[Code, list[str], str]:
        """Return how it went, what was found, and why nothing was that might be there."""
        name, rules = question.name, self._rules()
        if not name:
            return Code.NO_SUCH_NAME, [], ""
        if link := rules.link_named(name):
            return Code.FOUND, [link.address], ""
        if refusal := rules.policy.name_refusal(name):
            return Code.NO_SUCH_NAME, [], refusal
        try:
            async with self._lookups:
                found = await self._resolve(name, 0)
        except OSError as error:
            return (Code.NO_SUCH_NAME if error.errno in _NO_SUCH_NAME else Code.FAILED), [], ""
        return self._judge(name, found)

    def _judge(self, name: str, found: list[str]) -> tuple[Code, list[str], str]:
        """Tell of no address that may not be reached: the policy of this moment decides."""
        policy = self._rules().policy
        refusals = {address: policy.refusal(name, address) for address in dict.fromkeys(found)}
        allowed = [address for address, refusal in refusals.items() if refusal is None]
        if not allowed:
            return Code.NO_SUCH_NAME, [], next(iter(refusals.values()), "") or ""
        addresses = [address for address in allowed if ":" not in address][:MOST_ADDRESSES]
        self._told.tell(name, addresses)
        self._on_told(addresses)
        return Code.FOUND, addresses, ""


class Datagrams(asyncio.DatagramProtocol):
    """Asks the resolver what comes as datagrams."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, resolver: Resolver, questions: socket.socket) -> Datagrams:
        """Answer what comes to *questions* from now on."""
        questions.setblocking(False)
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(lambda: cls(resolver), sock=questions)
        return protocol

    async def close(self) -> None:
        """Answer nothing more; may be called twice."""
        assert self._transport is not None
        self._transport.close()
        await cancel(*self._open)
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # By its class only from Python 3.12 on.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._open) < MOST_QUESTIONS:
            task = asyncio.ensure_future(self._answer(data, addr))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _answer(self, data: bytes, asker: tuple[str, int]) -> None:
        assert self._transport is not None
        if told := await self._resolver.answer(data):
            self._transport.sendto(told, asker)
