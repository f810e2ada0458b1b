"""Everything a client does, through real proxies: HTTP and SOCKS ones that want a password, plain and inside TLS (R-75)."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from daytona import (
    DaytonaCertificateError,
    DaytonaConfig,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaProxyError,
    DaytonaValidationError,
    PtySize,
    SessionExecuteRequest,
)
from daytona.protocols.proxy import Proxies
from daytona.protocols.rest import Endpoint
from daytona.protocols.retry import Policy
from daytona.testing import FaultyRelay
from tests.conftest import open_client

from .certificates import AUTHORITY
from .real_proxy import HOST, RealProxy, running_proxy
from .scripted_server import Peer, ScriptedServer, answer
from .worlds import transport_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform

QUICK = Policy(attempts=3, first_delay=0.001, longest_delay=0.002)
PROXIES = ("http", "https", "socks5", "socks5h")
CONTENT = bytes(range(256)) * 4096


class Company(NamedTuple):
    """A network that is left through a proxy only: nobody here knows `HOST` but the proxy."""

    proxy: RealProxy
    http_url: str
    https_url: str
    key: str
    ca_file: Path
    sandbox_id: str

    def config(self, scheme: str, proxy: str | None, **options: Any) -> DaytonaConfig:
        """Return a configuration for the platform at `HOST`."""
        url = self.https_url if scheme == "https" else self.http_url
        return DaytonaConfig(self.key, url, proxy=proxy, ca_file=self.ca_file, **options)


@pytest.fixture(scope="session")
def company(platform: Platform, authority: Path) -> Iterator[Company]:
    url, key = platform.endpoint.api_url, platform.endpoint.api_key
    made = platform.create(name=f"proxied-{uuid.uuid4().hex[:8]}", autoStopInterval=0)
    with FaultyRelay(url) as http, FaultyRelay(url) as https:
        http_port, https_port = (urlsplit(relay.url).port or 0 for relay in (http, https))
        with running_proxy(authority, https_port) as proxy:
            http.public_url = f"http://{HOST}:{http_port}"
            https.public_url = f"https://{HOST}:{proxy.https_port}"
            path = urlsplit(url).path
            http_url, https_url = f"{http.public_url}{path}", f"{https.public_url}{path}"
            yield Company(proxy, http_url, https_url, key, authority / "ca.pem", made["id"])


Connect = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture(params=["http", "https"])
def to_scheme(request: pytest.FixtureRequest) -> str:
    """How the platform is spoken to."""
    return str(request.param)


@pytest.fixture(params=PROXIES)
def through(face: str, request: pytest.FixtureRequest, company: Company, to_scheme: str) -> Connect:
    """Return a function that opens a client behind a proxy."""
    return partial(open_client, face, company.config(to_scheme, company.proxy.url(request.param)))


async def test_calls_files_and_streams_go_through_the_proxy(
    through: Connect, company: Company, tmp_path: Path
) -> None:
    before = len(company.proxy.tunnels())
    async with through() as daytona:
        sandbox = await daytona.get(company.sandbox_id)
        assert (await sandbox.process.exec("echo here")).result == "here\n"
        await transfer(sandbox.fs, tmp_path / "copy")
        assert await followed(sandbox.process) == b"streamed\n"
        assert b"typed 6\r\n" in await typed(sandbox.process)
    tunnels = company.proxy.tunnels()[before:]
    assert len(tunnels) >= 2  # a stream takes the connection that it began on with it
    assert {tunnel.rpartition(":")[0] for tunnel in tunnels} == {HOST}


async def transfer(files: Any, copy: Path) -> None:
    name = f"{uuid.uuid4().hex}.bin"
    await files.upload_file(CONTENT, name)
    assert await files.download_file(name) == CONTENT
    await files.download_file(name, str(copy))
    assert copy.read_bytes() == CONTENT  # noqa: ASYNC240


async def followed(process: Any) -> bytes:
    session = uuid.uuid4().hex
    await process.create_session(session)
    request = SessionExecuteRequest(command="echo streamed", run_async=True)
    command = await process.execute_session_command(session, request)
    events = process.stream_session_command_logs(session, command.cmd_id)
    return b"".join([event.data async for event in events])


async def typed(process: Any) -> bytes:
    terminal = await process.create_pty_session(uuid.uuid4().hex, pty_size=PtySize(rows=10, cols=40))
    await terminal.send_input("echo typed $((2*3)); exit\n")
    return b"".join([chunk async for chunk in terminal])


async def test_without_the_proxy_there_is_no_way(face: str, company: Company) -> None:
    async with open_client(face, company.config("http", None)) as daytona:
        with pytest.raises(DaytonaConnectionError, match=HOST):
            await daytona.get(company.sandbox_id, request_timeout=30)


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_wrong_password_says_so(face: str, company: Company, proxy: str) -> None:
    url = company.proxy.url(proxy, "someone:wrong@")
    async with open_client(face, company.config("http", url)) as daytona:
        with pytest.raises(DaytonaProxyError) as caught:
            await daytona.get(company.sandbox_id)
    error = caught.value
    assert error.proxy == f"{url.partition(':')[0]}://{url.rpartition('@')[2]}"
    assert str(error.proxy) in str(error)
    assert "check the user name and the password" in str(error)
    assert "wrong" not in str(error)
    assert error.outcome == "not_sent"


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_missing_password_says_so(face: str, company: Company, proxy: str) -> None:
    async with open_client(face, company.config("http", company.proxy.url(proxy, ""))) as daytona:
        with pytest.raises(DaytonaProxyError, match=r"the user name and the password|closed the connection"):
            await daytona.get(company.sandbox_id)


async def test_a_certificate_behind_a_proxy_is_explained_too(face: str, company: Company) -> None:
    config = DaytonaConfig(company.key, company.https_url, proxy=company.proxy.url("http"))
    async with open_client(face, config) as daytona:
        with pytest.raises(DaytonaCertificateError, match=f"certificate of {HOST}") as caught:
            await daytona.get(company.sandbox_id)
    assert caught.value.issuer == AUTHORITY


async def test_a_proxys_own_certificate_is_explained_as_its_own(face: str, company: Company) -> None:
    config = DaytonaConfig(company.key, company.http_url, proxy=company.proxy.url("https"))
    async with open_client(face, config) as daytona:
        with pytest.raises(
            DaytonaCertificateError, match=f"certificate of 127.0.0.1:{company.proxy.tls_port}"
        ) as caught:
            await daytona.get(company.sandbox_id)
    assert caught.value.issuer == AUTHORITY


# -- Where it comes from ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "to_scheme"),
    [
        ("HTTP_PROXY", "http"),
        ("http_proxy", "http"),
        ("HTTPS_PROXY", "https"),
        ("ALL_PROXY", "http"),
        ("all_proxy", "https"),
    ],
)
async def test_the_environment_names_a_proxy(
    face: str, company: Company, monkeypatch: pytest.MonkeyPatch, variable: str, to_scheme: str
) -> None:
    monkeypatch.setenv(variable, company.proxy.url("http"))
    async with open_client(face, company.config(to_scheme, None)) as daytona:
        sandbox = await daytona.get(company.sandbox_id)
        assert (await sandbox.process.exec("echo here")).result == "here\n"


async def test_no_proxy_leads_past_it(face: str, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.com, .test")
    monkeypatch.setenv("HTTP_PROXY", company.proxy.url("http"))
    before = len(company.proxy.tunnels())
    async with open_client(face, company.config("http", None)) as daytona:
        with pytest.raises(DaytonaConnectionError, match=f"Cannot connect to {HOST}"):
            await daytona.get(company.sandbox_id, request_timeout=30)
    assert len(company.proxy.tunnels()) == before


async def test_this_machine_is_reached_directly(face: str, platform: Platform, company: Company) -> None:
    config = DaytonaConfig(platform.endpoint.api_key, platform.endpoint.api_url, proxy="http://127.0.0.1:9")
    async with open_client(face, config) as daytona:
        assert (await daytona.get(company.sandbox_id)).id == company.sandbox_id


def test_an_option_that_is_no_proxy_is_refused_at_once() -> None:
    from daytona import Daytona

    with pytest.raises(DaytonaValidationError, match="ftp://proxy is not an http, https or socks5 proxy"):
        Daytona(DaytonaConfig("k", "http://example.test/api", proxy="ftp://me:secret@proxy"))


# -- Proxies that are none --------------------------------------------------------------------------------------------


def proxied(url: str) -> Proxies:
    """Return what leads everything through *url*."""
    return Proxies(url, "", {})


async def ask(face: str, proxies: Proxies, policy: Policy = QUICK, **options: Any) -> None:
    """Ask something of a server behind *proxies*."""
    async with transport_of(face, proxies=proxies, policy=policy, **options) as transport:
        with transport.deadline(5.0):
            await transport.send(Endpoint("http://api.test:80", {}).request("POST", "/x"))


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_down_is_named(face: str, unused_port: int, scheme: str) -> None:
    url = f"{scheme}://me:secret@127.0.0.1:{unused_port}"
    with pytest.raises(DaytonaProxyError) as caught:
        await ask(face, proxied(url))
    error = caught.value
    assert (
        f"Cannot connect to api.test:80: its proxy {scheme}://127.0.0.1:{unused_port} cannot be reached"
        in str(error)
    )
    assert "secret" not in str(error)
    assert (error.retryable, error.outcome, error.path) == (True, "not_sent", "/x")


PAGE = b"<html><body>Please log in</body></html>"


@pytest.mark.parametrize(
    ("reply", "words", "attempts"),
    [
        (answer(PAGE, b"Content-Type: text/html", status=b"403 Forbidden"), "403 Forbidden", 1),
        (answer(PAGE, b"Content-Type: text/html"), "is it a proxy", 1),
        (PAGE, "not the beginning of an HTTP", 1),
        (answer(PAGE, status=b"407 Proxy Authentication Required"), r"407.*check the user name", 1),
        (answer(PAGE, status=b"503 Service Unavailable"), "503 Service Unavailable", 3),
        (b"", "closed the connection", 3),
    ],
)
async def test_an_answer_that_is_no_tunnel_is_an_error_of_the_proxy(
    face: str, reply: bytes, words: str, attempts: int
) -> None:
    """Tried again, before anything was sent, only where another attempt can go differently."""

    def refuse(peer: Peer) -> None:
        peer.expect()
        peer.send(reply)

    with ScriptedServer(refuse) as server:
        with pytest.raises(DaytonaProxyError, match=words) as caught:
            await ask(face, proxied(f"http://127.0.0.1:{server.port}"))
        assert server.accepted == attempts
        assert all(request.startswith(b"CONNECT api.test:80 ") for request in server.requests)
    assert caught.value.retryable == (attempts > 1)


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not speak SOCKS 5"),
        ([b"\5\xff"], "none of our ways to log in"),
        ([b"\5\2", b"\1\1"], "does not accept the user name and the password"),
        ([b"\5\0", b"\5\2\0\1\0\0\0\0\0\0"], "not allowed by its rules"),
        ([b"\5\0", b"\5\5\0\1\0\0\0\0\0\0"], "connection refused"),
        ([b"\5\0", b""], "closed the connection"),
    ],
)
async def test_a_socks_proxy_that_refuses_says_why(face: str, replies: list[bytes], words: str) -> None:
    def refuse(peer: Peer) -> None:
        for reply in replies:
            peer._receive()
            peer.send(reply)

    with ScriptedServer(refuse) as server, pytest.raises(DaytonaProxyError, match=words):
        await ask(face, proxied(f"socks5://me:secret@127.0.0.1:{server.port}"))


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_a_proxy_that_stalls_ends_with_the_deadline(face: str, scheme: str) -> None:
    with ScriptedServer(Peer.stall) as server:
        proxies = proxied(f"{scheme}://127.0.0.1:{server.port}")
        async with transport_of(face, proxies=proxies, tls=ssl.create_default_context) as transport:
            with transport.deadline(0.1), pytest.raises(DaytonaConnectionTimeoutError) as caught:
                await transport.send(Endpoint("http://api.test:80", {}).request("POST", "/x"))
            assert transport._connections._home.pool.permits == 0
    assert caught.value.outcome == "not_sent"


async def test_a_proxy_that_drips_does_not_extend_the_deadline(face: str) -> None:
    dripped: list[int] = []

    def drip(peer: Peer) -> None:
        peer.expect()
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50:
            peer.send(bytes([byte]))
            dripped.append(byte)
            if peer._server.over.wait(0.03):
                return

    with ScriptedServer(drip) as server:
        async with transport_of(face, proxies=proxied(f"http://127.0.0.1:{server.port}")) as transport:
            with transport.deadline(0.3), pytest.raises(DaytonaConnectionTimeoutError):
                await transport.send(Endpoint("http://api.test:80", {}).request("POST", "/x"))
            assert len(dripped) < 300
