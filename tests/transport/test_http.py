"""The transport over real sockets: reuse, retries, deadlines, closing, and servers that misbehave."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from daytona.errors import (
    DaytonaClosedError,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaError,
    DaytonaTimeoutError,
    DaytonaValidationError,
)
from daytona.protocols.rest import Body, Request, Response
from daytona.protocols.retry import Policy
from daytona.service import step
from daytona.transport._deadline import left
from daytona.transport.blocking import BlockingDriver
from daytona.transport.http import HTTPTransport

from .scripted_server import NO_BODY, Peer, ScriptedServer, answer
from .worlds import driver_of, happened, together, transport_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

QUICK = Policy(attempts=4, first_delay=0.001, longest_delay=0.002)
REPEATABLE = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]
METHODS = [*REPEATABLE, "POST", "PATCH"]


def request(server: ScriptedServer, method: str = "GET", path: str = "/x", **parts: Any) -> Request:
    return server.api.request(method, path, **parts)


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


# -- Exchanges and reuse --------------------------------------------------------------------------------------------


async def test_calls_one_after_another_share_a_connection(face: str) -> None:
    with ScriptedServer(partial(Peer.serve, response=answer(b"hello"))) as server:
        async with transport_of(face) as transport:
            for _ in range(20):
                response = await transport.send(request(server))
                assert (response.status, response.body) == (200, b"hello")
        assert server.accepted == 1
        assert len(server.requests) == 20


@pytest.mark.parametrize(
    "response",
    [
        answer(b"x", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["close", "http-1.0", "too-much"],
)
async def test_a_connection_that_is_used_up_is_not_used_again(face: str, response: bytes) -> None:
    with ScriptedServer(partial(Peer.serve, response=response)) as server:
        async with transport_of(face) as transport:
            for _ in range(3):
                assert (await transport.send(request(server))).body == b"x"
        assert server.accepted == 3


async def test_an_answer_until_close_is_whole(face: str) -> None:
    def until_close(peer: Peer) -> None:
        peer.expect()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nall ")
        peer.send(b"of it")

    with ScriptedServer(until_close) as server:
        async with transport_of(face) as transport:
            assert (await transport.send(request(server))).body == b"all of it"


async def test_a_request_arrives_as_it_was_meant(face: str) -> None:
    with ScriptedServer() as server:
        async with transport_of(face) as transport:
            await transport.send(request(server, "POST", "/a", body=Body(pieces(b"one", b"", b"two"), None)))
            await transport.send(request(server, "POST", "/b", body=Body(pieces(b"one", b"", b"two"), 6)))
            await transport.send(request(server, "PUT", "/c", body=b"bytes"))
        bodies = [text.partition(b"\r\n\r\n")[2] for text in server.requests]
        assert bodies == [b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", b"onetwo", b"bytes"]


async def test_many_tiny_chunks_are_not_a_reason_to_be_slow(face: str) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 30_000 + b"0\r\n\r\n"
    with ScriptedServer(partial(Peer.serve, response=chunks)) as server:
        async with transport_of(face) as transport:
            assert (await transport.send(request(server))).body == b"x" * 30_000


async def test_a_request_that_cannot_be_sent_costs_nothing(face: str) -> None:
    with ScriptedServer() as server:
        async with transport_of(face) as transport:
            with pytest.raises(DaytonaValidationError):
                await transport.send(request(server, path="/not quoted"))
            assert (transport._connections._home.pool.permits, transport._connections._home.active) == (
                0,
                set(),
            )


# -- What the network does to us ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_goodbye_between_two_calls_is_invisible(face: str, method: str, reset: bool) -> None:
    """R-3: for every method, on a connection that was used before."""
    gone = threading.Event()

    def once(peer: Peer) -> None:
        peer.expect()
        peer.send(NO_BODY)
        (peer.reset if reset else peer.close)()
        gone.set()

    with ScriptedServer(once, Peer.serve) as server:
        async with transport_of(face, policy=QUICK) as transport:
            assert (await transport.send(request(server, "GET"))).status == 200
            await happened(face, gone)
            assert (await transport.send(request(server, method))).status == 200
        assert server.accepted == 2
        assert len(server.requests) == 2


@pytest.mark.parametrize("method", REPEATABLE)
async def test_a_goodbye_that_crosses_our_request_is_invisible(face: str, method: str) -> None:
    """The server closes when it sees the second request: no byte of an answer, on a connection used before."""

    def once(peer: Peer) -> None:
        peer.expect()
        peer.send(NO_BODY)
        peer.expect()

    with ScriptedServer(once, Peer.serve) as server:
        async with transport_of(face, policy=QUICK) as transport:
            await transport.send(request(server, "GET"))
            assert (await transport.send(request(server, method, json={"a": 1}))).status == 200
        assert server.accepted == 2


@pytest.mark.parametrize("method", METHODS)
async def test_a_new_connection_that_breaks_is_tried_again_only_where_that_is_harmless(
    face: str, method: str
) -> None:
    with ScriptedServer(lambda peer: (peer.expect(), None)[1], Peer.serve) as server:
        async with transport_of(face, policy=QUICK) as transport:
            if method in ("POST", "PATCH"):
                with pytest.raises(DaytonaConnectionError) as caught:
                    await transport.send(request(server, method))
                assert (caught.value.outcome, caught.value.method) == ("unknown", method)
                assert server.accepted == 1
            else:
                assert (await transport.send(request(server, method))).status == 200
                assert server.accepted == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "beginning", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"], ids=len
)
async def test_an_answer_that_has_begun_is_never_asked_for_again(
    face: str, method: str, beginning: bytes
) -> None:
    """R-3, R-16: not after a single byte of it."""

    def break_off(peer: Peer) -> None:
        peer.expect()
        peer.send(NO_BODY)
        peer.expect()
        peer.send(beginning)

    with ScriptedServer(break_off, Peer.serve) as server:
        async with transport_of(face, policy=QUICK) as transport:
            await transport.send(request(server))
            with pytest.raises(DaytonaConnectionError, match="no complete answer"):
                await transport.send(request(server, method))
        assert server.accepted == 1


async def test_what_is_no_http_is_a_typed_error(face: str) -> None:
    def speak_smtp(peer: Peer) -> None:
        peer.send(b"220 mail.example ESMTP\r\n")
        peer.drain()

    with ScriptedServer(speak_smtp) as server:
        async with transport_of(face, policy=QUICK) as transport:
            with pytest.raises(DaytonaConnectionError, match="220 mail"):
                await transport.send(request(server, "POST"))


@pytest.mark.parametrize("status", [b"502 Bad Gateway", b"503 Unavailable", b"504 Timeout"])
async def test_a_gateway_is_asked_again(face: str, status: bytes) -> None:
    def second_time(peer: Peer) -> None:
        peer.expect()
        peer.send(answer(b"", status=status))
        peer.serve(answer(b"fine"))

    with ScriptedServer(second_time) as server:
        async with transport_of(face, policy=QUICK) as transport:
            assert (await transport.send(request(server))).body == b"fine"
            assert server.accepted == 1


async def test_a_gateway_that_stays_down_is_the_answer(face: str) -> None:
    with ScriptedServer(partial(Peer.serve, response=answer(status=b"503 No"))) as server:
        async with transport_of(face, policy=QUICK) as transport:
            assert (await transport.send(request(server))).status == 503
        assert len(server.requests) == QUICK.attempts


async def test_a_command_is_not_sent_twice_because_of_a_gateway(face: str) -> None:
    with ScriptedServer(partial(Peer.serve, response=answer(status=b"504 No"))) as server:
        async with transport_of(face, policy=QUICK) as transport:
            assert (await transport.send(request(server, "POST"))).status == 504
        assert len(server.requests) == 1


async def test_no_connection_at_all_is_a_typed_error_that_was_not_sent(face: str) -> None:
    with ScriptedServer() as server:
        pass
    async with transport_of(face, policy=QUICK) as transport:
        with pytest.raises(DaytonaConnectionError, match=f"127.0.0.1:{server.port}") as caught:
            await transport.send(request(server, "POST"))
    assert caught.value.outcome == "not_sent"
    assert caught.value.__cause__ is not None


# -- Uploads ------------------------------------------------------------------------------------------------------


class CannotRead(Exception):
    """What a body raises."""


@pytest.mark.parametrize("error", [CannotRead("no"), PermissionError(13, "no"), TimeoutError("no")], ids=repr)
async def test_a_body_that_raises_is_the_callers_error_and_costs_the_connection(
    face: str, error: Exception
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"beginning"
        raise error

    with ScriptedServer() as server:
        async with transport_of(face, policy=QUICK) as transport:
            with transport.deadline(5.0), pytest.raises(type(error), match="no") as caught:
                await transport.send(request(server, "POST", body=Body(broken(), None)))
            assert caught.value is error
            assert transport._connections._home.pool.permits == 0
            assert (await transport.send(request(server))).status == 200
        assert server.accepted == 2


@pytest.mark.parametrize("chunks", [(b"abc",), (b"abc", b"defg"), (b"abcdefg",), ()], ids=len)
async def test_a_body_of_another_length_than_promised_is_never_half_sent_for_a_whole(
    face: str, chunks: tuple[bytes, ...]
) -> None:
    """A file that grows or shrinks while it is sent must not become part of the next request."""
    with ScriptedServer() as server:
        async with transport_of(face, policy=QUICK) as transport:
            with transport.deadline(5.0), pytest.raises(DaytonaError, match="5 bytes"):
                await transport.send(request(server, "POST", body=Body(pieces(*chunks), 5)))
            assert (await transport.send(request(server))).status == 200
        assert server.accepted == 2


@pytest.mark.parametrize("length", [1 << 26, None], ids=["length", "chunked"])
async def test_a_refusal_before_the_upload_is_read_is_the_answer(face: str, length: int | None) -> None:
    def refuse(peer: Peer) -> None:
        peer.expect_head()
        peer.send(answer(b"too large", b"Connection: close", status=b"413 Too Large"))
        peer.close()

    with ScriptedServer(refuse, Peer.serve) as server:
        async with transport_of(face, policy=QUICK) as transport:
            with transport.deadline(10.0):
                body = Body(pieces(*[b"x" * (1 << 16)] * (1 << 10)), length)
                response = await transport.send(request(server, "POST", body=body))
            assert (response.status, response.body) == (413, b"too large")
            assert (await transport.send(request(server))).status == 200


async def test_a_connection_with_half_an_upload_on_it_is_not_used_again(face: str) -> None:
    def refuse_and_stop_reading(peer: Peer) -> None:
        peer.expect_head()
        peer.send(answer(b"too large", status=b"413 Too Large"))
        peer.stall()

    with ScriptedServer(refuse_and_stop_reading, Peer.serve) as server:
        async with transport_of(face, policy=QUICK) as transport:
            with transport.deadline(10.0):
                answered = driver_of(face)

                async def slow() -> AsyncIterator[bytes]:
                    for _ in range(1000):
                        yield b"x" * 1000
                        await answered.sleep(0.002)

                response = await transport.send(request(server, "POST", body=Body(slow(), 1 << 30)))
                assert response.status == 413
            assert (await transport.send(request(server))).status == 200
        assert server.accepted == 2


# -- Streams ------------------------------------------------------------------------------------------------------


async def test_a_stream_that_is_given_up_gives_its_permit_back(face: str) -> None:
    def endless(peer: Peer) -> None:
        peer.expect()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmore\r\n")
        peer.drain()

    with ScriptedServer(endless, endless, Peer.serve) as server:
        async with transport_of(face, limit=1) as transport:
            for _ in range(2):
                stream = await transport.stream(request(server))
                assert await stream.read() == b"more"
                stream.abort()
                stream.abort()
            assert (await transport.send(request(server))).status == 200
        assert server.accepted == 3


async def test_a_stream_that_was_read_to_its_end_keeps_its_connection(face: str) -> None:
    with ScriptedServer(partial(Peer.serve, response=answer(b"all"))) as server:
        async with transport_of(face, limit=1) as transport:
            for _ in range(3):
                stream = await transport.stream(request(server))
                assert await stream.read_all() == b"all"
                assert await stream.read() == b""
                stream.abort()
        assert server.accepted == 1


async def test_a_stream_that_breaks_off_is_a_typed_error(face: str) -> None:
    def break_off(peer: Peer) -> None:
        peer.expect()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    with ScriptedServer(break_off) as server:
        async with transport_of(face, policy=QUICK) as transport:
            stream = await transport.stream(request(server))
            assert await stream.read() == b"abc"
            with pytest.raises(DaytonaConnectionError, match="no complete answer"):
                await stream.read()
            assert transport._connections._home.pool.permits == 0


# -- Limits -------------------------------------------------------------------------------------------------------


async def test_no_more_calls_than_the_limit_are_under_way(face: str) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def count(peer: Peer) -> None:
        while peer.expect():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            peer._server.over.wait(0.005)
            with lock:
                now[0] -= 1
            peer.send(NO_BODY)

    with ScriptedServer(count) as server:
        async with transport_of(face, limit=5) as transport:
            send = partial(transport.send, request(server))
            results = await together(face, *[send] * 50)
            assert [getattr(result, "status", result) for result in results] == [200] * 50
            assert (transport._connections._home.pool.permits, transport._connections._home.pool.waiting) == (
                0,
                0,
            )
        assert most[0] <= 5
        assert server.accepted <= 5


async def test_waiting_for_a_connection_ends_with_the_deadline(face: str) -> None:
    with ScriptedServer(partial(Peer.serve, response=b"HTTP/1.1 200 OK\r\n\r\nx")) as server:
        async with transport_of(face, limit=1) as transport:
            stream = await transport.stream(request(server))
            with transport.deadline(0.02), pytest.raises(DaytonaConnectionTimeoutError) as caught:
                await transport.send(request(server))
            assert caught.value.outcome == "not_sent"
            stream.abort()
            assert transport._connections._home.pool.waiting == transport._connections._home.pool.permits == 0


@pytest.mark.faces("blocking")
async def test_one_blocking_client_serves_sixteen_threads(face: str) -> None:
    with ScriptedServer(partial(Peer.serve, response=answer(b"mine"))) as server:
        async with transport_of(face, limit=4) as transport:

            async def call() -> list[bytes]:
                return [(await transport.send(request(server))).body for _ in range(25)]

            assert await together(face, *[call] * 16) == [[b"mine"] * 25] * 16
            assert transport._connections._home.pool.permits == 0
        assert server.accepted <= 4
        assert len(server.requests) == 400


# -- Deadlines ----------------------------------------------------------------------------------------------------


async def test_a_server_that_says_nothing_is_a_timeout_whose_outcome_is_unknown(face: str) -> None:
    with ScriptedServer(Peer.stall) as server:
        async with transport_of(face) as transport:
            with transport.deadline(0.05), pytest.raises(DaytonaConnectionTimeoutError) as caught:
                await transport.send(request(server, "POST"))
            assert caught.value.outcome == "unknown"
            assert isinstance(caught.value, DaytonaTimeoutError)
            assert transport._connections._home.pool.permits == 0


async def test_drops_of_an_answer_do_not_extend_the_deadline(face: str) -> None:
    """R-8: nor one for each read."""

    def drip(peer: Peer) -> None:
        peer.expect()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not peer._server.over.wait(0.005):
            peer.send(b"x")

    with ScriptedServer(drip) as server:
        async with transport_of(face) as transport:
            with transport.deadline(0.1), pytest.raises(DaytonaConnectionTimeoutError):
                await transport.send(request(server))
        assert server.accepted == 1


async def test_all_attempts_share_one_deadline(face: str) -> None:
    """R-8: one deadline for a call, not one for each attempt."""
    with ScriptedServer(partial(Peer.serve, response=answer(status=b"503 No"))) as server:
        patient = Policy(attempts=10**6, first_delay=0.001, longest_delay=0.005)
        async with transport_of(face, policy=patient) as transport:
            with transport.deadline(0.2), contextlib.suppress(DaytonaTimeoutError):
                assert (await transport.send(request(server))).status == 503
        assert 1 < len(server.requests) < 10_000


async def test_a_wait_that_would_outlast_the_deadline_is_not_begun(face: str) -> None:
    refused = answer(b"slow down", b"Retry-After: 30", status=b"429 Too Many")
    with ScriptedServer(partial(Peer.serve, response=refused)) as server:
        async with transport_of(face) as transport:
            with transport.deadline(5.0):
                assert (await transport.send(request(server))).status == 429
        assert len(server.requests) == 1


async def test_a_sleep_is_cut_at_the_deadline(face: str) -> None:
    async with transport_of(face) as transport:
        with transport.deadline(0.02), pytest.raises(DaytonaTimeoutError):
            await transport.sleep(60)


async def test_an_inner_deadline_cannot_extend_an_outer_one(face: str) -> None:
    async with transport_of(face) as transport:
        with transport.deadline(0.02), transport.deadline(60), pytest.raises(DaytonaTimeoutError):
            await transport.sleep(30)


async def test_no_deadline_is_written_none_or_nought(face: str) -> None:
    """R-12: one meaning everywhere."""
    async with transport_of(face) as transport:
        for timeout in (None, 0, 0.0):
            with transport.deadline(timeout):
                assert left() is None


async def test_a_deadline_uses_no_signal_no_timer_and_no_thread(face: str) -> None:
    """R-8: what the program has set up for itself stays."""

    def ours(number: int, frame: object) -> None:
        raise AssertionError("nobody has waited for so long")

    before = signal.signal(signal.SIGALRM, ours)
    signal.setitimer(signal.ITIMER_REAL, 10_000)
    try:
        with ScriptedServer(Peer.stall) as server:
            async with transport_of(face) as transport:
                threads = {thread for thread in threading.enumerate() if thread not in server._threads}
                with transport.deadline(0.05), pytest.raises(DaytonaConnectionTimeoutError):
                    await transport.send(request(server))
                assert set(threading.enumerate()) - {*server._threads} == threads
        assert signal.getsignal(signal.SIGALRM) is ours
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 9_000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def test_a_deadline_is_over_when_its_block_is(face: str) -> None:
    async with transport_of(face) as transport:
        with transport.deadline(0.001), pytest.raises(DaytonaTimeoutError):
            await transport.sleep(1)
        await transport.sleep(0)


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), -0.001])
def test_a_timeout_that_is_none_is_refused(timeout: float) -> None:
    """R-12: what is no number of seconds has no meaning."""
    with pytest.raises(DaytonaValidationError, match="timeout"):
        HTTPTransport(BlockingDriver()).deadline(timeout)


# -- Closing ------------------------------------------------------------------------------------------------------


def stages() -> dict[str, Callable[[threading.Event], Callable[[Peer], None]]]:
    """Return where a call can be when its client is closed: scripts that say when it is there."""

    def after(*sent: bytes) -> Callable[[threading.Event], Callable[[Peer], None]]:
        def make(there: threading.Event) -> Callable[[Peer], None]:
            def script(peer: Peer) -> None:
                peer.expect_head()
                for data in sent:
                    peer.send(data)
                there.set()
                peer.stall()

            return script

        return make

    return {
        "before the head": after(),
        "inside the head": after(b"HTTP/1.1 200 OK\r\nConte"),
        "inside the body": after(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    }


@pytest.mark.parametrize("stage", list(stages()))
async def test_close_ends_calls_under_way_with_one_typed_error(face: str, stage: str) -> None:
    """R-5: wherever the call is."""
    there = threading.Event()
    with ScriptedServer(stages()[stage](there)) as server:
        async with transport_of(face, policy=QUICK) as transport:

            async def close() -> None:
                await happened(face, there)
                await transport.close()
                await transport.close()

            call_result, close_result = await together(face, partial(transport.send, request(server)), close)
            assert isinstance(call_result, DaytonaClosedError)
            assert close_result is None
            assert transport._connections._home.active == set()
        assert server.accepted == 1


async def test_close_ends_an_upload_under_way(face: str) -> None:
    there = threading.Event()
    with ScriptedServer(stages()["before the head"](there)) as server:
        async with transport_of(face, policy=QUICK) as transport:
            body = Body(pieces(*[b"x" * (1 << 20)] * 64), 64 << 20)

            async def close() -> None:
                await happened(face, there)
                await transport.close()

            call_result, _ = await together(
                face, partial(transport.send, request(server, "POST", body=body)), close
            )
            assert isinstance(call_result, DaytonaClosedError)


async def test_close_ends_calls_that_wait_for_a_connection(face: str) -> None:
    there = threading.Event()
    with ScriptedServer(stages()["before the head"](there)) as server:
        async with transport_of(face, limit=1) as transport:

            async def close() -> None:
                await happened(face, there)
                await until(face, lambda: transport._connections._home.pool.waiting == 3)
                await transport.close()

            send = partial(transport.send, request(server))
            *results, _ = await together(face, send, send, send, send, close)
            assert [type(result) for result in results] == [DaytonaClosedError] * 4


async def test_close_ends_a_pause_between_two_attempts(face: str) -> None:
    asked = threading.Event()

    def refuse(peer: Peer) -> None:
        peer.expect()
        peer.send(answer(b"", b"Retry-After: 30", status=b"503 No"))
        asked.set()
        peer.drain()

    with ScriptedServer(refuse) as server:
        async with transport_of(face) as transport:

            async def close() -> None:
                await happened(face, asked)
                await until(face, lambda: transport._connections._home.pool.idle == 1)
                await transport.close()

            call_result, _ = await together(face, partial(transport.send, request(server)), close)
            assert isinstance(call_result, DaytonaClosedError)


async def until(face: str, holds: Callable[[], bool]) -> None:
    """Wait for a state of our own side."""
    for _ in range(2000):
        if holds():
            return
        await driver_of(face).sleep(0.002)
    raise AssertionError("it never came to that")


async def test_a_client_that_was_closed_while_it_dialled_sends_nothing(face: str) -> None:
    with ScriptedServer() as server:
        async with transport_of(face) as transport:
            connect = transport._driver.connect

            async def closed_meanwhile(*args: Any) -> Any:
                stream = await connect(*args)
                await transport.close()
                return stream

            transport._driver.connect = closed_meanwhile  # type: ignore[method-assign]  # the moment is hard to hit
            with pytest.raises(DaytonaClosedError):
                await transport.send(request(server))
        assert server.requests == []


async def test_a_closed_client_says_so(face: str) -> None:
    with ScriptedServer() as server:
        async with transport_of(face) as transport:
            await transport.close()
            with pytest.raises(DaytonaClosedError):
                await transport.send(request(server))
        assert server.accepted == 0


async def test_a_hundred_clients_leave_no_descriptor(face: str) -> None:
    """R-4."""
    with ScriptedServer() as server:
        async with transport_of(face) as transport:
            await transport.send(request(server))
        before = descriptors()
        for _ in range(1000 if os.environ.get("LONG_TESTS") else 100):
            async with transport_of(face) as transport:
                await transport.send(request(server))
        await until(face, lambda: descriptors() <= before + 1)  # the server's end goes in its own time


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_client_that_is_forgotten_warns_once_and_names_its_line(face: str) -> None:
    """R-4."""
    with ScriptedServer() as server:
        transport = HTTPTransport(driver_of(face), made_at="program.py:7")
        await transport.send(request(server))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del transport
            gc.collect()
    texts = [str(warning.message) for warning in caught if warning.category is ResourceWarning]
    assert texts == ["the client made at program.py:7 was not closed"]


async def test_a_client_that_never_connected_may_be_forgotten(face: str) -> None:
    HTTPTransport(driver_of(face))
    gc.collect()


# -- Other worlds -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_connects_anew_and_leaves_its_parent_alone(tmp_path: Path) -> None:
    with ScriptedServer(partial(Peer.serve, response=answer(b"mine"))) as server:
        transport = HTTPTransport(BlockingDriver())
        step(transport.send(request(server)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads: the server's
            child = os.fork()
        if child == 0:
            status = 1
            try:
                response: Response = step(transport.send(request(server)))
                step(transport.close())
                status = 0 if response.body == b"mine" else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert server.accepted == 2
        assert step(transport.send(request(server))).body == b"mine"
        assert server.accepted == 2, "the child has closed its parent's connection"
        step(transport.close())
