"""The HTTP server against raw sockets: what it answers, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from daytona_plugins.local.web import (
    HTTPError,
    Request,
    Response,
    Router,
    Server,
    Stream,
    Upgrade,
    json_response,
    serve,
)

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(request: Request) -> Response:
    return Response(body=await request.body())


async def describe(request: Request) -> Response:
    return json_response(
        {"params": request.params, "query": request.query.all("q"), "method": request.method}
    )


async def count(_request: Request) -> Response:
    async def numbers() -> AsyncIterator[bytes]:
        for number in (b"one", b"two"):
            yield number

    return Response(body=numbers())


async def fail(_request: Request) -> Response:
    raise ValueError("a bug")


async def small(request: Request) -> Response:
    return Response(body=await request.body(limit=3))


async def ignore(_request: Request) -> Response:
    return Response(204)


async def broken_stream(_request: Request) -> Response:
    async def numbers() -> AsyncIterator[bytes]:
        yield b"one"
        raise ConnectionError("the file went away")

    return Response(body=numbers())


async def upgrade(_request: Request) -> Response:
    async def shout(stream: Stream) -> None:
        while data := await stream.receive():
            await stream.send(data.upper())

    return Upgrade([("Upgrade", "shout"), ("Connection", "Upgrade")], shout)


def application() -> Router:
    router = Router()
    router.add("POST", "/echo", echo)
    router.add("GET", "/items/{name}/{tail*}", describe)
    router.add("GET", "/items/{name}", describe)
    router.add("*", "/any", describe)
    router.add("GET", "/count", count)
    router.add("GET", "/fail", fail)
    router.add("GET", "/broken", broken_stream)
    router.add("POST", "/small", small)
    router.add("POST", "/ignore", ignore)
    router.add("GET", "/upgrade", upgrade)
    return router


def talk(client: Client) -> None:
    """Run *client* against a fresh server on loopback."""

    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        server: Server = await serve(sock, application())
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        try:
            async with asyncio.timeout(20):
                await client(reader, writer)
        finally:
            writer.close()
            await server.close()

    asyncio.run(main())


def exchange(*sent: bytes) -> bytes:
    """Send bytes, close our half, and return everything the server says."""
    received = b""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        for data in sent:
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        received = await reader.read()

    talk(client)
    return received


def get(target: str, *extra: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *extra, "", ""]).encode()


def post(target: str, body: bytes, *extra: str) -> bytes:
    head = [f"POST {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *extra, "", ""]
    return "\r\n".join(head).encode() + body


def test_a_body_comes_back_with_its_length():
    answer = exchange(post("/echo", b"hello"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"content-length: 5" in answer.lower()
    assert answer.endswith(b"\r\n\r\nhello")


def test_pipelined_requests_are_answered_in_order():
    answer = exchange(post("/echo", b"first") + post("/echo", b"second"))
    assert answer.index(b"first") < answer.index(b"second")


def test_a_chunked_body_is_joined():
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert exchange(head, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").endswith(b"\r\n\r\nabcde")


def test_an_iterator_is_sent_chunk_by_chunk():
    answer = exchange(get("/count"))
    assert b"transfer-encoding: chunked" in answer.lower()
    assert b"3\r\none\r\n3\r\ntwo\r\n0\r\n" in answer


def test_a_stream_that_fails_is_left_without_an_end():
    answer = exchange(get("/broken"))
    assert b"3\r\none\r\n" in answer
    assert not answer.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "params"),
    [
        ("/items/a%2Fb", b'"params":{"name":"a/b"}'),
        ("/items/a/x%20y/z?q=1&q=2", b'"params":{"tail":"x%20y/z","name":"a"},"query":["1","2"]'),
        ("/items/a/", b'"params":{"tail":"","name":"a"}'),
        ("/any?q=a%20b", b'"query":["a b"],"method":"GET"'),
    ],
)
def test_patterns_match_segments(target: str, params: bytes):
    assert params in exchange(get(target))


@pytest.mark.parametrize("target", ["/nope", "/items", "/items//x", "/echo", "//count"])
def test_other_paths_and_methods_are_not_found(target: str):
    assert b" 404 " in exchange(get(target)).splitlines()[0]


def test_a_failing_handler_answers_500_and_keeps_the_connection():
    answer = exchange(get("/fail") + get("/count"))
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"a bug" not in answer
    assert b"two" in answer


def test_a_limit_stops_a_long_body():
    assert exchange(post("/small", b"abcd")).startswith(b"HTTP/1.1 413")


def test_a_short_body_nobody_read_does_not_end_the_connection():
    assert b"two" in exchange(post("/ignore", b"x" * 1000) + get("/count"))


def test_an_unread_long_body_still_gets_its_answer():
    answer = exchange(post("/ignore", b"x" * 8_000_000))
    assert answer.startswith(b"HTTP/1.1 204")


def test_a_head_without_end_is_refused():
    assert exchange(b"GET /count HTTP/1.1\r\n" + b"X: y\r\n" * 20_000).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "shape",
    [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
        "Content-Length: +3",
        "Content-Length : 3",
        "Host: other\r\nContent-Length: 3",
    ],
)
def test_ambiguous_lengths_are_refused(shape: str):
    answer = exchange(f"POST /echo HTTP/1.1\r\nHost: x\r\n{shape}\r\n\r\nabc".encode() + get("/count"))
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()


def test_chunks_in_http_1_0_are_refused():
    answer = exchange(b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"\x00" * 100_000]
)
def test_what_is_not_http_is_refused(garbage: bytes):
    assert exchange(garbage).startswith(b"HTTP/1.1 4")


def test_a_broken_chunk_is_the_clients_fault():
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert exchange(head, b"zz\r\nabc\r\n").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "half", [b"", b"GET /count HT", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"]
)
def test_half_a_request_and_a_close_end_the_connection(half: bytes):
    assert exchange(half).count(b"HTTP/1.1 200") == 0


def test_the_server_asks_for_a_body_that_waits():
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            post("/echo", b"", "Expect: 100-continue").replace(b"Content-Length: 0", b"Content-Length: 2")
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"ok")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")

    talk(client)


def test_a_refusal_of_a_body_that_waits_ends_the_connection_and_says_so():
    waiting = post("/nowhere", b"", "Expect: 100-continue").replace(
        b"Content-Length: 0", b"Content-Length: 2"
    )
    head = exchange(waiting).partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert head[0] == b"HTTP/1.1 404 Not Found"
    assert b"Connection: close" in head


def test_an_upgraded_connection_keeps_the_bytes_that_came_early():
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(get("/upgrade", "Upgrade: shout", "Connection: Upgrade") + b"early ")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        assert await reader.readexactly(6) == b"EARLY "
        writer.write(b"late")
        assert await reader.readexactly(4) == b"LATE"

    talk(client)


def test_a_handler_runs_on_when_its_client_goes_away():
    async def main() -> None:
        finished = asyncio.Event()
        started = asyncio.Event()

        async def slow(request: Request) -> Response:
            started.set()
            await request.disconnected()
            finished.set()
            return Response()

        sock = socket.create_server(("127.0.0.1", 0))
        server = await serve(sock, slow)
        _reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(get("/"))
        await started.wait()
        writer.close()
        async with asyncio.timeout(20):
            await finished.wait()
        await server.close()
        await server.close()

    asyncio.run(main())


def test_an_error_goes_through_the_envelope():
    def envelope(request: Request | None, error: HTTPError) -> Response:
        return json_response({"code": error.code, "path": request.path if request else None}, error.status)

    async def main() -> bytes:
        sock = socket.create_server(("127.0.0.1", 0))
        server = await serve(sock, application(), envelope=envelope)
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(get("/nope", "Connection: close"))
        answer = await reader.read()
        writer.close()
        await server.close()
        return answer

    assert asyncio.run(main()).endswith(b'{"code":"NOT_FOUND","path":"/nope"}')
