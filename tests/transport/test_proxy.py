"""Tunnels through proxies that answer what is written down here, piece by piece."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from daytona import DaytonaProxyError
from daytona.protocols.pool import Origin
from daytona.protocols.proxy import Proxy
from daytona.transport._proxy import tunnel
from daytona.transport._step import step

from .canned_stream import CannedStream

if TYPE_CHECKING:
    from daytona.transport._driver import Stream

HERE = Origin("https", "host", 443)
HTTP = Proxy.parse("http://proxy:3128")
SOCKS = Proxy.parse("socks5://proxy")
ASKED = b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
GREETING, REQUEST = b"\5\1\0", b"\5\1\0\3\4host\1\xbb"
WELCOME, GRANTED = b"\5\0", b"\5\0\0\1\x7f\0\0\1\0\x50"


def through(proxy: Proxy, *arrivals: bytes | BaseException, broken: bool = False) -> CannedStream:
    """Return a stream that has become a tunnel."""
    stream = CannedStream(*arrivals, broken=broken)
    step(tunnel(cast("Stream", stream), proxy, HERE))
    return stream


def refused(stream: CannedStream, proxy: Proxy) -> DaytonaProxyError:
    """Return why there is no tunnel; the stream is closed then."""
    with pytest.raises(DaytonaProxyError) as caught:
        step(tunnel(cast("Stream", stream), proxy, HERE))
    assert stream.closed
    assert (caught.value.proxy, caught.value.outcome) == (proxy.address, "not_sent")
    assert f"The proxy {proxy.address} did not let us through to host:443: " in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "arrivals",
    [
        [CONNECTED],
        [bytes([byte]) for byte in CONNECTED],
        [b"HTTP/1.1 100 Wait\r\n\r\n" + CONNECTED],
        [b"HTTP/1.1 100 Wait\r\n\r\n", CONNECTED],
    ],
    ids=["at once", "in bytes", "after a while", "after a pause"],
)
def test_an_http_proxy_is_asked_once_and_its_answer_is_read_to_its_end(arrivals: list[bytes]) -> None:
    stream = through(HTTP, *arrivals)
    assert (stream.sent, stream.closed) == (ASKED, False)
    assert step(stream.read(1)) == b""  # nothing of it was left


@pytest.mark.parametrize("size", [1, 2, 99])
def test_a_socks_proxy_is_asked_step_by_step(size: int) -> None:
    pieces = [
        part[i : i + size] for part in (WELCOME, GRANTED[:5], GRANTED[5:]) for i in range(0, len(part), size)
    ]
    stream = through(SOCKS, *pieces)
    assert (stream.writes, stream.closed) == ([GREETING, REQUEST], False)
    assert step(stream.read(1)) == b""


class Trickle(CannedStream):
    """A stream that delivers a byte, then as much as is asked for, and so on."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data
        self._little = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._little = not self._little
        size = 1 if self._little else max_bytes
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def test_what_a_server_says_through_a_socks_proxy_is_left_for_its_reader() -> None:
    stream = Trickle(WELCOME + GRANTED + b"hello")
    step(tunnel(cast("Stream", stream), SOCKS, HERE))
    assert stream.data == b"hello"


@pytest.mark.parametrize(
    ("arrivals", "reason", "retryable"),
    [
        ([], "it closed the connection", True),
        ([CONNECTED[:20]], "it closed the connection", True),
        ([b"HTTP/1.1 403 No\r\n\r\n"], "403 No", False),
        ([b"HTTP/1.1 503 Later\r\n\r\n"], "503 Later", True),
        ([b"SSH-2.0-x\r\n"], "is not the beginning of an HTTP/1.1 response", False),
        ([CONNECTED + b"more"], "it sent something before we did", False),
        ([ConnectionResetError("reset")], "reset", True),
    ],
)
def test_an_http_proxy_that_refuses_is_named(
    arrivals: list[bytes | BaseException], reason: str, retryable: bool
) -> None:
    error = refused(CannedStream(*arrivals), HTTP)
    assert reason in str(error)
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("arrivals", "reason", "retryable"),
    [
        ([WELCOME[:1]], "it closed the connection", True),
        ([WELCOME, GRANTED[:5], GRANTED[5:9]], "it closed the connection", True),
        ([WELCOME, b"\5\2\0\1\0"], "not allowed by its rules", False),
    ],
)
def test_a_socks_proxy_that_refuses_is_named(arrivals: list[bytes], reason: str, retryable: bool) -> None:
    error = refused(CannedStream(*arrivals), SOCKS)
    assert reason in str(error)
    assert error.retryable is retryable


def test_a_proxy_that_has_gone_may_be_back() -> None:
    assert refused(CannedStream(broken=True), HTTP).retryable is True


@pytest.mark.parametrize("proxy", [HTTP, SOCKS], ids=["http", "socks5"])
@pytest.mark.parametrize("end", [TimeoutError(), asyncio.CancelledError(), KeyboardInterrupt()], ids=repr)
def test_whoever_gives_up_is_not_told_of_the_proxy(proxy: Proxy, end: BaseException) -> None:
    stream = CannedStream(end)
    with pytest.raises(type(end)):
        step(tunnel(cast("Stream", stream), proxy, HERE))
    assert stream.closed
