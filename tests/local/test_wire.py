"""The bytes of a connection: who waits for whom, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.wire import READ_SIZE, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Pair = tuple[Wire, asyncio.StreamReader, asyncio.StreamWriter]


def connected(
    scenario: Callable[[Wire, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    """Run *scenario* with a wire and what is at its other end."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        _, wire = await asyncio.get_running_loop().create_connection(Wire, sock=ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        try:
            async with asyncio.timeout(20):
                await scenario(wire, reader, writer)
        finally:
            wire.close()
            writer.close()

    asyncio.run(run())


def test_what_arrives_is_read_once_and_in_order() -> None:
    async def scenario(wire: Wire, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert wire.is_quiet
        writer.write(b"one")
        received = await wire.read()
        reading = asyncio.ensure_future(wire.read())
        await asyncio.sleep(0)
        writer.write(b"two")
        assert (received, await reading) == (b"one", b"two")
        writer.write(b"last")
        writer.write_eof()
        assert await wire.read() == b"last"
        assert await wire.read() == await wire.read() == b""
        assert not wire.is_quiet

    connected(scenario)


def test_after_the_peers_end_the_other_direction_stays_open() -> None:
    async def scenario(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        assert await wire.read() == b""
        wire.write(b"still ", b"here")
        await wire.drain()
        wire.write_eof()
        assert await reader.read() == b"still here"

    connected(scenario)


def test_who_sends_waits_for_who_reads_in_both_directions() -> None:
    async def scenario(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        much = bytes(8 * READ_SIZE)

        async def send() -> None:
            wire.write(much)
            await wire.drain()

        writer.write(much)
        sending = [asyncio.ensure_future(writer.drain()), asyncio.ensure_future(send())]
        done, _ = await asyncio.wait(sending, timeout=0.1)
        assert not done
        received = 0
        while received < len(much):
            piece = await wire.read()
            assert len(piece) <= 3 * READ_SIZE
            received += len(piece)
        assert len(await reader.readexactly(len(much))) == received
        await asyncio.gather(*sending)

    connected(scenario)


def test_everybody_who_waits_to_write_goes_on() -> None:
    async def scenario(wire: Wire, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        wire.write(bytes(8 * READ_SIZE))
        writing = [asyncio.ensure_future(wire.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in writing)
        writing.pop().cancel()
        await reader.readexactly(8 * READ_SIZE)
        await asyncio.gather(*writing)

    connected(scenario)


def test_a_limit_ends_the_connection_unless_it_is_taken_away() -> None:
    async def scenario(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.limit(0.01)
        wire.limit(None)
        await asyncio.sleep(0.02)  # the timer of the limit is earlier than ours
        writer.write(b"in time")
        assert await wire.read() == b"in time"
        wire.limit(60)
        wire.limit(0.01)
        assert await wire.read() == b""
        assert await reader.read() == b""
        wire.write(b"for nobody")
        with pytest.raises(ConnectionError):
            await wire.drain()

    connected(scenario)


def test_a_connection_that_breaks_is_no_end() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            _, wire = await asyncio.get_running_loop().create_connection(Wire, *listener.getsockname())
            theirs, _ = listener.accept()
            reading = asyncio.ensure_future(wire.read())
            await asyncio.sleep(0)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()  # resets
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(reading, 20)
            with pytest.raises(ConnectionError):
                await wire.read()

    asyncio.run(run())
