"""https on three drivers: a private authority, its enemies, and the same promises as without."""

from __future__ import annotations

import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from daytona import DaytonaConfig
from daytona.errors import (
    DaytonaCertificateError,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaValidationError,
)
from daytona.network import tls_context
from daytona.protocols.rest import Body, Endpoint
from daytona.protocols.retry import Policy

from .certificates import AUTHORITY
from .scripted_server import Peer, ScriptedServer, answer
from .worlds import together, transport_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from daytona.transport.exchange import StreamedResponse

QUICK = Policy(attempts=4, first_delay=0.001, longest_delay=0.002)


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
            with pytest.raises(DaytonaCertificateError, match=rf"127\.0\.0\.1:{server.port}") as caught:
                await transport.send(server.api.request("GET", "/x"))
            assert caught.value.outcome == "not_sent"
            assert not caught.value.retryable
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
            assert transport._connections._home.pool.permits == 0
        assert server.accepted == 2  # the second time only to see who issued the certificate
        assert server.requests == []


async def test_a_certificate_that_is_not_trusted_is_explained(
    face: str, server_context: ssl.SSLContext
) -> None:
    """R-76: the host, the reason, the issuer that was seen, and the option to set."""
    with ScriptedServer(context=server_context) as server:
        async with transport_of(face) as transport:
            with pytest.raises(DaytonaCertificateError) as caught:
                await transport.send(server.api.request("POST", "/x?secret=1"))
    error = caught.value
    assert str(error) == (
        f"The certificate of 127.0.0.1:{server.port} is not to be trusted: unable to get local issuer certificate. It was "
        f"issued by {AUTHORITY}. If its issuer is a private authority, pass DaytonaConfig(ca_file=...) with its "
        "certificate, or set SSL_CERT_FILE"
    )
    assert error.issuer == AUTHORITY
    assert (error.method, error.path) == ("POST", "/x")


async def test_an_issuer_that_cannot_be_seen_does_not_hide_the_failure(
    face: str, server_context: ssl.SSLContext
) -> None:
    def shake_hands(peer: Peer) -> None:
        secured = server_context.wrap_socket(peer._socket, server_side=True, do_handshake_on_connect=False)
        peer._socket = secured
        secured.do_handshake()

    with ScriptedServer(shake_hands, Peer.close) as server:
        async with transport_of(face) as transport:
            with pytest.raises(DaytonaCertificateError, match="is not to be trusted: unable") as caught:
                await transport.send(Endpoint(f"https://127.0.0.1:{server.port}", {}).request("GET", "/x"))
    assert caught.value.issuer is None


async def test_a_certificate_of_ours_is_shown_when_it_is_asked_for(
    face: str, authority: Path, server_context: ssl.SSLContext
) -> None:
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(authority / "ca.pem")
    config = DaytonaConfig(api_key="k", ca_file=authority / "ca.pem", client_cert=authority / "client.pem")
    with ScriptedServer(partial(Peer.serve, response=answer(b"known")), context=server_context) as server:
        async with transport_of(face, tls=partial(tls_context, config)) as transport:
            assert (await transport.send(server.api.request("GET", "/x"))).body == b"known"


async def test_a_server_that_misses_a_certificate_of_ours_is_understood(
    face: str, authority: Path, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(authority / "ca.pem")

    def refuse(peer: Peer) -> None:
        # Below `ssl`, so that the alert is not overtaken by the end of the connection.
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        machine = server_context.wrap_bio(incoming, outgoing, server_side=True)
        while data := peer._receive():
            incoming.write(data)
            try:
                machine.do_handshake()
            except ssl.SSLWantReadError:
                peer.send(outgoing.read())
            except ssl.SSLError:
                peer.send(outgoing.read())
                peer.drain()
                return

    with ScriptedServer(refuse) as server:
        async with transport_of(face, tls=trusting, policy=QUICK) as transport:
            endpoint = Endpoint(f"https://127.0.0.1:{server.port}", {})
            with pytest.raises(DaytonaConnectionError, match=r"wants a certificate of ours.*client_cert="):
                await transport.send(endpoint.request("POST", "/x"))


@pytest.mark.parametrize("option", ["ca_file", "client_cert"])
async def test_a_file_of_certificates_that_is_none_is_named(face: str, option: str, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    for _ in range(2):
        config = DaytonaConfig(api_key="k", api_url="https://127.0.0.1:9/api", **{option: nothing})  # type: ignore[arg-type]
        with ScriptedServer(Peer.stall) as server:
            async with transport_of(face, tls=partial(tls_context, config)) as transport:
                with pytest.raises(DaytonaValidationError, match=rf"{option}='.*nothing\.pem'"):
                    await transport.send(
                        Endpoint(f"https://127.0.0.1:{server.port}", {}).request("GET", "/x")
                    )
        nothing.write_text("no certificate")


async def test_a_handshake_in_drops_does_not_extend_the_deadline(
    face: str, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    whole = threading.Event()

    def drip(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        machine = server_context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(peer._receive())
        with pytest.raises(ssl.SSLWantReadError):
            machine.do_handshake()
        for byte in outgoing.read():
            peer.send(bytes([byte]))
            if peer._server.over.wait(0.03):
                return
        whole.set()

    with ScriptedServer(drip) as server:
        async with transport_of(face, tls=trusting) as transport:
            endpoint = Endpoint(f"https://127.0.0.1:{server.port}", {})
            with transport.deadline(0.3), pytest.raises(DaytonaConnectionTimeoutError):
                await transport.send(endpoint.request("POST", "/x"))
            assert not whole.is_set()


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


async def test_the_context_is_made_once_however_many_connect_at_once(
    face: str, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    made: list[ssl.SSLContext] = []

    def make() -> ssl.SSLContext:
        made.append(trusting())
        return made[-1]

    with ScriptedServer(context=server_context) as server:
        async with transport_of(face, tls=make) as transport:
            calls = [partial(transport.send, server.api.request("GET", "/x"))] * 16
            assert [response.status for response in await together(face, *calls)] == [200] * 16
    assert len(made) == 1


async def test_a_server_without_tls_is_a_typed_error(face: str, trusting: partial[ssl.SSLContext]) -> None:
    def speak_plainly(peer: Peer) -> None:
        peer._receive()
        peer.send(answer(b"plain"))

    with ScriptedServer(speak_plainly) as server:
        async with transport_of(face, tls=trusting, policy=Policy(attempts=1)) as transport:
            endpoint = Endpoint(f"https://127.0.0.1:{server.port}", {})
            with pytest.raises(DaytonaConnectionError, match=rf"127\.0\.0\.1:{server.port}"):
                await transport.send(endpoint.request("GET", "/x"))


async def test_http_2_is_not_spoken_even_where_it_is_offered(face: str, authority: Path) -> None:
    """R-7: one call to a connection; a sandbox's traffic is many connections anyway."""
    offering = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offering.load_cert_chain(authority / "server.pem", authority / "server.key")
    offering.set_alpn_protocols(["h2", "http/1.1"])
    chosen: list[str | None] = []

    def serve(peer: Peer) -> None:
        assert isinstance(peer._socket, ssl.SSLSocket)
        chosen.append(peer._socket.selected_alpn_protocol())
        peer.serve()

    config = DaytonaConfig(api_key="k", ca_file=authority / "ca.pem")
    with ScriptedServer(serve, context=offering) as server:
        async with transport_of(face, tls=partial(tls_context, config)) as transport:
            assert (await transport.send(server.api.request("GET", "/x"))).status == 200
    assert chosen == ["http/1.1"]


async def test_a_handshake_that_stalls_ends_with_the_deadline(
    face: str, trusting: partial[ssl.SSLContext]
) -> None:
    with ScriptedServer(Peer.stall) as server:
        async with transport_of(face, tls=trusting) as transport:
            endpoint = Endpoint(f"https://127.0.0.1:{server.port}", {})
            with transport.deadline(0.05), pytest.raises(DaytonaConnectionTimeoutError) as caught:
                await transport.send(endpoint.request("POST", "/x"))
            assert caught.value.outcome == "not_sent"
            assert transport._connections._home.pool.permits == 0


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


async def read_into(received: list[bytes], response: StreamedResponse) -> None:
    while piece := await response.read():
        received.append(piece)


def secured_by_hand(
    peer: Peer, act: Callable[[], object], incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> None:
    """Do *act* of a TLS machine, moving its bytes until it is done."""
    while True:
        try:
            act()
        except ssl.SSLWantReadError:
            peer.send(outgoing.read())
            incoming.write(peer._receive())
        else:
            peer.send(outgoing.read())
            return


async def halves(data: bytes) -> AsyncIterator[bytes]:
    yield data[: len(data) // 2]
    yield data[len(data) // 2 :]


async def test_what_arrives_before_a_broken_record_is_read_and_then_the_record_is_the_error(
    face: str, server_context: ssl.SSLContext, trusting: partial[ssl.SSLContext]
) -> None:
    sound = bytes(range(256)) * 80  # a full record, which makes the client look for more, and another one
    alerts: list[bytes] = []

    def break_a_record(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        machine = server_context.wrap_bio(incoming, outgoing, server_side=True)
        secured_by_hand(peer, machine.do_handshake, incoming, outgoing)
        secured_by_hand(peer, lambda: machine.read(65536), incoming, outgoing)
        machine.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(sound)))
        peer.send(outgoing.read())
        machine.write(sound)
        whole = outgoing.read()
        machine.write(b"forged")
        broken = bytearray(outgoing.read())
        broken[-1] ^= 1
        peer.send(whole + broken)
        alerts.append(peer._receive())

    with ScriptedServer(break_a_record) as server:
        async with transport_of(face, tls=trusting) as transport:
            endpoint = Endpoint(f"https://127.0.0.1:{server.port}", {})
            response = await transport.stream(endpoint.request("GET", "/x"))
            received: list[bytes] = []
            with pytest.raises(DaytonaConnectionError, match="no complete answer") as caught:
                await read_into(received, response)
    assert b"".join(received) == sound
    assert isinstance(caught.value.__cause__, ssl.SSLError)
    # OpenSSL 3.5 has another word for it.
    assert caught.value.__cause__.reason in ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "RECORD_LAYER_FAILURE")
    assert alerts[0], "the server was not told"


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
