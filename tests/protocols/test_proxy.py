"""Which proxy leads where, and what is said to one: rules and bytes, without a socket (R-75)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, strategies as st

from daytona.errors import DaytonaValidationError
from daytona.protocols.pool import Origin
from daytona.protocols.proxy import Proxies, Proxy, ProxyError, check_connected, connect_request, socks5


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128, None)),
        ("proxy:3128", Proxy("http", "proxy", 3128, None)),
        ("https://proxy", Proxy("https", "proxy", 443, None)),
        ("socks5://proxy", Proxy("socks5", "proxy", 1080, None)),
        ("socks5h://me@proxy", Proxy("socks5h", "proxy", 1080, ("me", ""))),
        ("http://me:p%40ss%3A@proxy:1", Proxy("http", "proxy", 1, ("me", "p@ss:"))),
        ("http://[::1]:8080/", Proxy("http", "::1", 8080, None)),
    ],
)
def test_a_url_names_a_proxy(url: str, proxy: Proxy) -> None:
    assert Proxy.parse(url) == proxy


@pytest.mark.parametrize(
    "url",
    [
        "ftp://me:secret@proxy",
        "http://",
        "http://me:secret@proxy:port",
        "socks4://me:secret@proxy",
        "http://[x",
    ],
)
def test_what_is_no_proxy_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DaytonaValidationError) as caught:
        Proxy.parse(url)
    assert "secret" not in str(caught.value)


def test_a_representation_holds_no_password() -> None:
    assert repr(Proxy.parse("http://me:secret@[::1]:8080")) == "Proxy(http://[::1]:8080)"


HTTP, HTTPS = Origin("http", "api.test", 80), Origin("https", "api.test", 443)


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": "a"}, "a", None),
        ({"HTTPS_PROXY": "a"}, None, "a"),
        ({"ALL_PROXY": "a"}, "a", "a"),
        ({"all_proxy": "a", "https_proxy": "b"}, "a", "b"),
        ({"HTTP_PROXY": "a", "http_proxy": "b"}, "b", None),
        ({"HTTP_PROXY": "a", "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "a", "REQUEST_METHOD": "GET"}, "a", None),
        ({"HTTP_PROXY": ""}, None, None),
        ({"ALL_PROXY": "a", "NO_PROXY": "*"}, None, None),
    ],
)
def test_the_environment_is_read_as_everywhere(
    environ: dict[str, str], http: str | None, https: str | None
) -> None:
    proxies = Proxies(None, None, environ)
    found = [proxies.for_origin(origin) for origin in (HTTP, HTTPS)]
    assert [proxy and proxy.host for proxy in found] == [http, https]


def test_an_argument_comes_before_the_environment() -> None:
    proxies = Proxies("http://mine", "other.test", {"ALL_PROXY": "theirs", "NO_PROXY": "*"})
    proxy = proxies.for_origin(HTTPS)
    assert proxy is not None
    assert proxy.host == "mine"


@pytest.mark.parametrize(
    ("rules", "host", "port", "direct"),
    [
        ("", "api.test", 443, False),
        ("*", "api.test", 443, True),
        ("api.test", "api.test", 443, True),
        ("API.Test", "api.TEST.", 443, True),
        ("test", "api.test", 443, True),
        (".test", "api.test", 443, True),
        ("*.test", "api.test", 443, True),
        ("pi.test", "api.test", 443, False),
        ("api.test.example", "api.test", 443, False),
        ("a, api.test ,b", "api.test", 443, True),
        ("api.test:443", "api.test", 443, True),
        ("api.test:8080", "api.test", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "api.test", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("fd00::/8", "fd00::1", 443, True),
        ("fd00::1", "fd00::1", 443, True),
        ("[fd00::1]", "fd00::1", 443, True),
        ("nonsense/99", "api.test", 443, False),
        (":443", "api.test", 443, False),
        ("", "localhost", 80, True),
        ("", "LOCALHOST", 80, True),
        ("", "sandbox.localhost", 80, True),
        ("", "127.9.9.9", 80, True),
        ("", "::1", 80, True),
        ("", "localhost.test", 80, False),
    ],
)
def test_no_proxy_rules(rules: str, host: str, port: int, direct: bool) -> None:
    proxies = Proxies("http://proxy", rules, {})
    assert (proxies.for_origin(Origin("https", host, port)) is None) is direct


def test_a_tunnel_is_asked_for() -> None:
    token = base64.b64encode("me:pä:ss".encode()).decode()
    assert connect_request(Origin("https", "::1", 443), ("me", "pä:ss")) == (
        f"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic {token}\r\n\r\n".encode()
    )
    assert b"Authorization" not in connect_request(HTTPS, None)


@pytest.mark.parametrize(
    ("status", "passing"),
    [(301, False), (403, False), (407, False), (429, True), (502, True), (503, True), (504, True)],
)
def test_a_refusal_says_whether_to_come_back(status: int, passing: bool) -> None:
    check_connected(200, "OK")
    with pytest.raises(ProxyError, match=f"{status} why") as caught:
        check_connected(status, "why")
    assert caught.value.passing is passing
    assert ("password" in str(caught.value)) is (status == 407)


def said(origin: Origin, credentials: tuple[str, str] | None, *replies: bytes) -> list[bytes]:
    """Return what is sent to a SOCKS proxy that replies so."""
    exchange = socks5(origin, credentials)
    sent = [next(exchange)[0]]
    for reply in replies:
        try:
            sent.append(exchange.send(reply)[0])
        except StopIteration:
            return sent
    raise AssertionError("the exchange goes on")


DONE = (b"\5\0\0\1\0", b"\0\0\0\0\0")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("api.test", b"\3\x08api.test"),
        ("10.0.0.1", b"\1\x0a\0\0\1"),
        ("fd00::1", b"\4\xfd" + bytes(14) + b"\1"),
        ("bücher.test", b"\3\x12xn--bcher-kva.test"),
    ],
)
def test_socks_without_a_login(host: str, address: bytes) -> None:
    sent = said(Origin("https", host, 443), None, b"\5\0", *DONE)
    assert sent == [b"\5\1\0", b"\5\1\0" + address + b"\1\xbb", b""]


def test_socks_with_a_login() -> None:
    sent = said(HTTP, ("me", "pä"), b"\5\2", b"\1\0", *DONE)
    assert sent[:2] == [b"\5\2\0\2", b"\1\2me\3p\xc3\xa4"]


def test_socks_with_a_login_that_nobody_wants() -> None:
    assert len(said(HTTP, ("me", "x"), b"\5\0", *DONE)) == 3


def test_the_rest_of_a_reply_is_as_long_as_its_address() -> None:
    for kind, rest in ((b"\1\0", 5), (b"\4\0", 17), (b"\3\x09", 11)):
        exchange = socks5(HTTP, None)
        next(exchange)
        exchange.send(b"\5\0")
        assert exchange.send(b"\5\0\0" + kind) == (b"", rest)


@pytest.mark.parametrize("host", ["", "a" * 64 + ".test", ".".join(["a" * 60] * 5)])
def test_a_name_that_socks_cannot_carry_is_refused(host: str) -> None:
    exchange = socks5(Origin("http", host, 80), None)
    next(exchange)
    with pytest.raises(ProxyError, match="is not the name of a host"):
        exchange.send(b"\5\0")


def test_a_login_that_socks_cannot_carry_is_refused() -> None:
    exchange = socks5(HTTP, ("me", "x" * 256))
    next(exchange)
    with pytest.raises(ProxyError, match="255"):
        exchange.send(b"\5\2")


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([b""], "closed"),
        ([b"\5"], "closed"),
        ([b"\5\2", b""], "password"),
        ([b"\5\0", b"\5\0"], "closed"),
        ([b"\5\0", b"\5\0\0\1\0", b"\0"], "closed"),
    ],
)
def test_a_proxy_that_hangs_up_is_an_error_of_its_own(replies: list[bytes], words: str) -> None:
    with pytest.raises(ProxyError, match=words):
        said(HTTP, ("me", "x"), *replies)


@given(st.data(), st.booleans())
def test_no_reply_breaks_the_exchange(data: st.DataObject, login: bool) -> None:
    exchange = socks5(HTTP, ("me", "x") if login else None)
    _, wanted = next(exchange)
    for _ in range(5):
        reply = data.draw(st.binary(max_size=wanted))
        try:
            _, wanted = exchange.send(reply)
        except (ProxyError, StopIteration):
            return
    raise AssertionError("it never ends")
