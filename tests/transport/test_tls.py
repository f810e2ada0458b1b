"""https on three drivers: a private authority, its enemies, and the same promises as without."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from daytona.errors import DaytonaConnectionError, DaytonaConnectionTimeoutError
from daytona.protocols.rest import Body, Endpoint
from daytona.protocols.retry import Policy

from .scripted_server import Peer, ScriptedServer, answer
from .worlds import transport_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")

QUICK = Policy(attempts=4, first_delay=0.001, longest_delay=0.002)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a private authority and a certificate of it for 127.0.0.1 and for nobody else."""
    directory = tmp_path_factory.mktemp("authority")
    openssl(
        directory,
        "req",
        "-x509",
        "-days",
        "1",
        *NEW_KEY,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=test authority",
    )
    openssl(directory, "req", *NEW_KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        directory,
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "1", "-extfile", "names", "-out", "server.pem"),
    )
    return directory


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def server_context(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    return context


@pytest.fixture
def trusting(authority: Path) -> partial[ssl.SSLContext]:
    return partial(ssl.create_default_context, cafile=str(authority / "ca.pem"))


async def test_a_private_authority_is_trusted_when_it_is_named(
    face: str, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    with ScriptedServer(partial(Peer.serve, response=answer(b"secret")), context=server_context) as server:
        async with transport_of(face, tls=trusting) as transport:
            for _ in range(5):
                assert (await transport.send(server.api.request("GET", "/x"))).body == b"secret"
        assert server.accepted == 1


async def test_an_unknown_authority_is_a_typed_error_and_not_tried_again(
    face: str, server_context: ssl.SSLContext
) -> None:
    with ScriptedServer(context=server_context) as server:
        async with transport_of(face, policy=QUICK) as transport:
            with pytest.raises(DaytonaConnectionError, match=rf"127\.0\.0\.1:{server.port}") as caught:
                await transport.send(server.api.request("GET", "/x"))
            assert caught.value.outcome == "not_sent"
            assert not caught.value.retryable
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
            assert transport._pool.permits == 0
        assert server.accepted == 1


async def test_a_certificate_for_another_host_is_a_typed_error_that_names_the_host(
    face: str, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    with ScriptedServer(context=server_context) as server:
        async with transport_of(face, tls=trusting, policy=QUICK) as transport:
            elsewhere = Endpoint(f"https://localhost:{server.port}", {})
            with pytest.raises(
                DaytonaConnectionError, match=rf"localhost:{server.port}.*localhost"
            ) as caught:
                await transport.send(elsewhere.request("GET", "/x"))
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        assert server.requests == []


async def test_a_server_without_tls_is_a_typed_error(face: str, trusting: partial[ssl.SSLContext]) -> None:
    def speak_plainly(peer: Peer) -> None:
        peer._receive()
        peer.send(answer(b"plain"))

    with ScriptedServer(speak_plainly) as server:
        async with transport_of(face, tls=trusting, policy=Policy(attempts=1)) as transport:
            endpoint = Endpoint(f"https://127.0.0.1:{server.port}", {})
            with pytest.raises(DaytonaConnectionError, match=rf"127\.0\.0\.1:{server.port}"):
                await transport.send(endpoint.request("GET", "/x"))


async def test_a_handshake_that_stalls_ends_with_the_deadline(
    face: str, trusting: partial[ssl.SSLContext]
) -> None:
    with ScriptedServer(Peer.stall) as server:
        async with transport_of(face, tls=trusting) as transport:
            endpoint = Endpoint(f"https://127.0.0.1:{server.port}", {})
            with transport.deadline(0.05), pytest.raises(DaytonaConnectionTimeoutError) as caught:
                await transport.send(endpoint.request("POST", "/x"))
            assert caught.value.outcome == "not_sent"
            assert transport._pool.permits == 0


async def test_large_bodies_go_both_ways(
    face: str, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    large = bytes(range(256)) * 8192
    with ScriptedServer(partial(Peer.serve, response=answer(large)), context=server_context) as server:
        async with transport_of(face, tls=trusting) as transport:
            for body in (large, Body(halves(large), len(large)), Body(halves(large), None)):
                response = await transport.send(server.api.request("POST", "/x", body=body))
                assert response.body == large
        assert server.accepted == 1
        assert server.requests[0].endswith(large)
        assert server.requests[1].endswith(large)


async def halves(data: bytes) -> AsyncIterator[bytes]:
    yield data[: len(data) // 2]
    yield data[len(data) // 2 :]


async def test_a_goodbye_between_two_calls_is_invisible_below_tls_too(
    face: str, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    def once(peer: Peer) -> None:
        peer.expect()
        peer.send(answer(b"one"))

    with ScriptedServer(once, context=server_context) as server:
        async with transport_of(face, tls=trusting, policy=QUICK) as transport:
            for _ in range(3):
                assert (await transport.send(server.api.request("POST", "/x"))).body == b"one"
        assert server.accepted == 3
