"""What the transport relies on: the same of a stream, whichever driver made it."""

from __future__ import annotations

import socket
import threading

import pytest

from daytona.protocols.pool import Origin

from .scripted_server import Peer, ScriptedServer
from .worlds import driver_of, happened, together

MUCH = b"x" * (32 << 20)  # more than the buffers of two sockets hold


def origin(server: ScriptedServer) -> Origin:
    return Origin("http", "127.0.0.1", server.port)


async def test_bytes_arrive_as_they_were_sent(face: str) -> None:
    def echo(peer: Peer) -> None:
        peer.send(peer._receive())

    with ScriptedServer(echo) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        await stream.write(b"hello", 5.0)
        received = b""
        while piece := await stream.read(2, 5.0):
            assert len(piece) <= 2
            received += piece
        assert received == b"hello"
        assert await stream.read(2, 5.0) == b""
        stream.close()


async def test_more_than_the_buffers_hold_is_sent_and_read(face: str) -> None:
    sizes: list[int] = []
    done = threading.Event()

    def count(peer: Peer) -> None:
        size = 0
        while size < len(MUCH):
            size += len(peer._socket.recv(1 << 20))
        sizes.append(size)
        peer.send(MUCH)
        done.set()

    with ScriptedServer(count) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        await stream.write(MUCH, 10.0)
        size = 0
        while piece := await stream.read(1 << 20, 10.0):
            size += len(piece)
        assert sizes == [len(MUCH)] == [size]
        stream.close()


async def test_a_read_that_takes_too_long_is_a_timeout(face: str) -> None:
    with ScriptedServer(Peer.stall) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        with pytest.raises(TimeoutError):
            await stream.read(10, 0.02)
        stream.close()


async def test_each_read_has_a_limit_of_its_own(face: str) -> None:
    def answer_twice_and_stall(peer: Peer) -> None:
        peer.send(peer._receive())
        peer.send(peer._receive())
        peer.stall()

    with ScriptedServer(answer_twice_and_stall) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        await stream.write(b"first", 5.0)
        assert await stream.read(10, 0.05) == b"first"

        async def read() -> bytes:
            return await stream.read(10, 10.0)

        async def write_when_the_first_limit_is_over() -> None:
            await driver_of(face).sleep(0.1)  # twice as long as that limit
            await stream.write(b"second", 5.0)

        assert (await together(face, read, write_when_the_first_limit_is_over))[0] == b"second"
        with pytest.raises(TimeoutError):
            await stream.read(10, 0.02)
        stream.close()


@pytest.mark.faces("asyncio", "trio")
async def test_other_tasks_get_their_turn_while_much_arrives(face: str) -> None:
    def send_much(peer: Peer) -> None:
        peer.send(MUCH)

    with ScriptedServer(send_much) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        turns, turns_between_reads, over = 0, list[int](), False

        async def read() -> None:
            nonlocal over
            while await stream.read(1 << 20, 10.0):
                turns_between_reads.append(turns)
            over = True

        async def take_turns() -> None:
            nonlocal turns
            while not over:
                turns += 1
                await driver_of(face).sleep(0)

        await together(face, read, take_turns)
        assert max(turns_between_reads.count(turn) for turn in turns_between_reads) <= 10
        stream.close()


async def test_a_write_that_takes_too_long_is_a_timeout(face: str) -> None:
    with ScriptedServer(Peer.stall) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        with pytest.raises(TimeoutError):
            await stream.write(MUCH, 0.02)
        stream.close()


async def test_what_can_be_sent_without_waiting_is_what_the_buffers_hold(face: str) -> None:
    size = 64 * 1024 * 1024
    with ScriptedServer(Peer.stall) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        assert stream.try_write(b"hello") == 5
        assert stream.try_write(bytes(size)) < size
        stream.close()


async def test_a_reset_is_an_os_error(face: str) -> None:
    def read_and_reset(peer: Peer) -> None:
        peer._receive()
        peer.reset()

    with ScriptedServer(read_and_reset) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        await stream.write(b"x", 5.0)
        with pytest.raises(OSError, match=r"reset|Broken"):
            await stream.read(10, 5.0)
        stream.close()


async def test_a_closed_port_is_an_os_error(face: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OSError):  # noqa: PT011 - each world words it in its own way
        await driver_of(face).connect(Origin("http", "127.0.0.1", port), 5.0)


async def test_a_name_without_an_address_is_an_os_error(face: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - each world words it in its own way
        await driver_of(face).connect(Origin("http", "no-such-host.invalid", 80), 5.0)


async def test_an_idle_stream_is_fresh_until_the_server_says_goodbye(face: str) -> None:
    asked, closed = threading.Event(), threading.Event()

    def close_when_told(peer: Peer) -> None:
        asked.wait(10)
        peer.close()
        closed.set()

    with ScriptedServer(close_when_told) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        assert not stream.is_stale()
        asked.set()
        await happened(face, closed)
        await becomes_stale(face, stream)
        stream.close()


async def test_bytes_that_nobody_asked_for_make_a_stream_stale(face: str) -> None:
    def speak(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        peer.stall()

    with ScriptedServer(speak) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        await becomes_stale(face, stream)
        stream.close()


async def becomes_stale(face: str, stream: object) -> None:
    """Wait until what the server's kernel has sent reached ours."""
    for _ in range(1000):
        if stream.is_stale():  # type: ignore[attr-defined]
            return
        await driver_of(face).sleep(0.005)
    raise AssertionError("the stream stayed fresh")


async def test_close_ends_a_read_under_way(face: str) -> None:
    connected = threading.Event()

    def wait(peer: Peer) -> None:
        connected.set()
        peer.drain()

    with ScriptedServer(wait) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)

        async def read() -> bytes:
            return await stream.read(10, 10.0)

        async def close() -> None:
            await happened(face, connected)
            stream.close()

        read_result, _ = await together(face, read, close)
        assert read_result == b"" or (
            isinstance(read_result, OSError) and not isinstance(read_result, TimeoutError)
        )


async def test_close_ends_a_write_under_way(face: str) -> None:
    begun = threading.Event()

    def read_a_little(peer: Peer) -> None:
        peer._receive()
        begun.set()
        peer.stall()

    with ScriptedServer(read_a_little) as server:
        stream = await driver_of(face).connect(origin(server), 5.0)

        async def write() -> None:
            await stream.write(MUCH, 10.0)

        async def close() -> None:
            await happened(face, begun)
            stream.close()

        write_result, _ = await together(face, write, close)
        assert isinstance(write_result, OSError)
        assert not isinstance(write_result, TimeoutError)


async def test_a_stream_may_be_closed_twice_and_is_useless_then(face: str) -> None:
    with ScriptedServer() as server:
        stream = await driver_of(face).connect(origin(server), 5.0)
        stream.close()
        stream.close()
        assert stream.is_stale()
        with pytest.raises(OSError):  # noqa: PT011 - each world words it in its own way
            await stream.write(b"x", 1.0)


async def test_a_gate_lets_through_whoever_comes_after_it_opened(face: str) -> None:
    gate = driver_of(face).gate()
    gate.open()
    await gate.wait(5.0)


async def test_a_gate_that_stays_shut_is_a_timeout(face: str) -> None:
    with pytest.raises(TimeoutError):
        await driver_of(face).gate().wait(0.02)


async def test_a_gate_opens_for_whoever_waits(face: str) -> None:
    driver = driver_of(face)
    gate = driver.gate()

    async def wait() -> str:
        await gate.wait(10.0)
        return "through"

    async def open_it() -> None:
        await driver.sleep(0)
        gate.open()

    assert await together(face, wait, open_it) == ["through", None]
