"""One request and its answer, over a stream whose every arrival is written down: no sockets, no pool, no retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from daytona.errors import DaytonaClosedError, DaytonaConnectionError, DaytonaValidationError
from daytona.protocols import retry
from daytona.protocols.rest import Body, Endpoint
from daytona.transport._connections import Connection, Home
from daytona.transport._deadline import Silence
from daytona.transport._faults import AttemptFailed
from daytona.transport.exchange import PROGRESS, StreamedResponse

from .canned_stream import CannedStream
from .scripted_server import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from daytona.protocols.rest import Request
    from daytona.transport._connections import Connections

pytestmark = pytest.mark.faces("blocking")  # nothing is waited for, so there is no difference

API = Endpoint("http://api.test", {})
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


class Lender:
    """Where a connection came from; notes how it comes back."""

    def __init__(self) -> None:
        self.closed = False
        self.returned: list[str] = []

    def keep(self, connection: Connection) -> None:
        self.returned.append("kept")

    def drop(self, connection: Connection) -> None:
        self.returned.append("dropped")

    def release(self, connection: Connection) -> None:
        self.returned.append("released")

    def discard(self, connection: Connection) -> None:
        self.returned.append("discarded")


class Exchange(StreamedResponse):
    """An exchange of *request* over *stream*, and the lender of that."""

    def __init__(self, request: Request, stream: CannedStream, *, used: bool = False) -> None:
        self.lender = Lender()
        connection = Connection(API.origin, stream, Home(None, None), 0, 60.0)
        connection.used = used
        super().__init__(cast("Connections", self.lender), request, connection)


def get(*arrivals: bytes | OSError, **options: Any) -> Exchange:
    return Exchange(API.request("GET", "/x"), CannedStream(*arrivals), **options)


def post(body: bytes | Body, stream: CannedStream) -> Exchange:
    return Exchange(API.request("POST", "/x", body=body), stream)


class Chunks:
    """The source of a body, which knows whether it was closed."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = iter(chunks)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


# -- Reading ------------------------------------------------------------------------------------------------------------


async def test_an_answer_in_one_piece_gives_its_connection_back_at_once() -> None:
    exchange = get(answer(b"hello", b"X-Request-Id: 7"))
    await exchange.start()
    assert exchange.lender.returned == ["kept"]
    assert (exchange.status, exchange.headers["x-request-id"]) == (200, "7")
    assert await exchange.read_all() == b"hello"
    assert await exchange.read() == b""


@pytest.mark.parametrize("cut", range(1, len(answer(b"hello"))))
async def test_an_answer_is_the_same_wherever_it_is_cut(cut: int) -> None:
    whole = answer(b"hello")
    exchange = get(whole[:cut], whole[cut:])
    await exchange.start()
    assert exchange.status == 200
    assert await exchange.read_all() == b"hello"
    assert exchange.lender.returned == ["kept"]


async def test_a_connection_is_held_until_its_answer_is_read() -> None:
    exchange = get(answer(b"x" * 10)[:-8], b"x" * 8)
    await exchange.start()
    while await exchange.read():
        assert exchange.lender.returned == []
    assert exchange.lender.returned == ["kept"]


async def test_an_answer_that_is_given_up_costs_the_connection_once() -> None:
    exchange = get(answer(b"x" * 10)[:-8])
    await exchange.start()
    exchange.abort()
    exchange.abort()
    assert exchange.lender.returned == ["dropped"]


async def test_a_server_that_says_close_is_taken_at_its_word() -> None:
    exchange = get(answer(b"hello", b"Connection: close"))
    await exchange.start()
    assert await exchange.read_all() == b"hello"
    assert exchange.lender.returned == ["dropped"]


async def test_news_before_the_answer_are_not_the_answer() -> None:
    exchange = get(b"HTTP/1.1 103 Early Hints\r\n\r\n", answer(b"hello"))
    await exchange.start()
    assert exchange.status == 200
    assert await exchange.read_all() == b"hello"


async def test_an_answer_that_ends_too_early_is_an_error() -> None:
    exchange = get(answer(b"hello")[:-1])
    await exchange.start()
    with pytest.raises(DaytonaConnectionError, match="no complete answer"):
        await exchange.read_all()
    assert exchange.lender.returned == ["dropped"]


async def test_an_upgraded_connection_is_handed_over_with_what_came_along() -> None:
    request = API.request("GET", "/x", extra=[("Connection", "Upgrade"), ("Upgrade", "websocket")])
    connected = CannedStream(SWITCHED + b"first frame")
    exchange = Exchange(request, connected)
    await exchange.start()
    stream, rest, close = exchange.take_over()
    assert (exchange.status, stream, rest) == (101, connected, b"first frame")
    close()
    assert exchange.lender.returned == ["released", "discarded"]


# -- Sending ------------------------------------------------------------------------------------------------------------


async def test_a_body_in_memory_travels_with_the_head() -> None:
    stream = CannedStream(answer())
    await post(b"body", stream).start()
    assert len(stream.writes) == 1
    assert stream.sent.endswith(b"Content-Length: 4\r\n\r\nbody")


@pytest.mark.parametrize(
    ("length", "wire"),
    [(6, b"Content-Length: 6\r\n\r\nonetwo"), (None, b"chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")],
    ids=["length", "chunked"],
)
async def test_a_body_in_pieces_is_framed_and_its_source_is_closed(length: int | None, wire: bytes) -> None:
    stream, chunks = CannedStream(answer()), Chunks(b"one", b"", b"two")
    await post(Body(chunks, length), stream).start()
    assert stream.sent.endswith(wire)
    assert chunks.closed


@pytest.mark.parametrize(("length", "what", "sent"), [(5, "more", b"one"), (7, "fewer", b"onetwo")])
async def test_a_body_of_another_length_than_announced_is_not_passed_off_as_whole(
    length: int, what: str, sent: bytes
) -> None:
    stream, chunks = CannedStream(answer()), Chunks(b"one", b"two")
    with pytest.raises(DaytonaValidationError, match=rf"have {length} bytes and has {what}") as caught:
        await post(Body(chunks, length), stream).start()
    assert caught.value.outcome == "unknown"
    assert stream.sent.endswith(b"\r\n\r\n" + sent)
    assert chunks.closed


async def test_a_server_that_answers_early_is_not_sent_the_rest() -> None:
    stream, chunks = CannedStream(answer(b"too large", status=b"413 Too Large")), Chunks(b"one", b"two")
    stream.stale = True  # there is something to read before the first piece is sent
    exchange = post(Body(chunks, 6), stream)
    await exchange.start()
    assert (exchange.status, await exchange.read_all()) == (413, b"too large")
    assert stream.sent.endswith(b"\r\n\r\n")
    assert chunks.closed
    assert exchange.lender.returned == ["dropped"]  # half a request is on it


async def test_a_refusal_says_more_than_the_broken_pipe_it_causes() -> None:
    exchange = post(b"body", CannedStream(answer(b"no", status=b"403 Forbidden"), broken=True))
    await exchange.start()
    assert (exchange.status, await exchange.read_all()) == (403, b"no")
    assert exchange.lender.returned == ["dropped"]


async def test_under_a_limit_for_silence_each_piece_has_its_own() -> None:
    stream = CannedStream(answer())
    with Silence(60.0):
        await post(bytes(2 * PROGRESS), stream).start()
    assert max(map(len, stream.writes)) == PROGRESS
    assert stream.sent.endswith(bytes(2 * PROGRESS))


# -- Failing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "fault"), [(False, retry.Fault.BROKEN), (True, retry.Fault.STALE)], ids=["new", "used"]
)
@pytest.mark.parametrize("arrival", [b"", ConnectionResetError()], ids=["end", "reset"])
async def test_no_answer_at_all_is_a_fault_for_the_retry_table(
    arrival: bytes | OSError, used: bool, fault: retry.Fault
) -> None:
    with pytest.raises(AttemptFailed) as caught:
        await get(arrival, used=used).start()
    assert caught.value.fault is fault


async def test_a_request_that_does_not_get_out_and_no_answer_is_a_fault_too() -> None:
    with pytest.raises(AttemptFailed) as caught:
        await Exchange(API.request("POST", "/x"), CannedStream(broken=True), used=True).start()
    assert caught.value.fault is retry.Fault.STALE
    assert isinstance(caught.value.__cause__, BrokenPipeError)


async def test_an_answer_that_has_begun_and_breaks_off_is_final() -> None:
    with pytest.raises(DaytonaConnectionError):
        await get(b"HTTP/1.1 200", ConnectionResetError(), used=True).start()


async def test_an_error_of_a_closed_client_is_its_end() -> None:
    exchange = get(ConnectionResetError())
    exchange.lender.closed = True
    with pytest.raises(DaytonaClosedError, match="while the call was under way") as caught:
        await exchange.start()
    assert (caught.value.method, caught.value.path) == ("GET", "/x")
