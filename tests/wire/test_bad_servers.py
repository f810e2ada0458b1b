"""Servers that are slow, rude or broken: every call ends, with an error that says what is known."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaBadGatewayError,
    DaytonaClosedError,
    DaytonaConfig,
    DaytonaConflictError,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaError,
    DaytonaRateLimitError,
    DaytonaServiceUnavailableError,
    DaytonaTimeoutError,
    FileDownloadRequest,
)
from tests.conftest import open_client
from tests.wire.raw_server import Peer, RawServer, full_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from pathlib import Path

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000\r\n\r\n"


def _sandbox(url: str = "http://127.0.0.1:9") -> bytes:
    return json.dumps({"id": "sb-1", "state": "started", "toolboxProxyUrl": f"{url}/toolbox"}).encode()


@asynccontextmanager
async def _client(face: str, url: str) -> AsyncIterator[Any]:
    async with open_client(face, DaytonaConfig(api_key="k", api_url=url)) as daytona:
        yield daytona


@asynccontextmanager
async def _sandbox_at(face: str, server: RawServer) -> AsyncIterator[Any]:
    """Yield a sandbox whose toolbox is *server*, reached over connections that were never used before."""
    with RawServer(_answers(_sandbox(server.url))) as api:
        async with _client(face, api.url) as daytona:
            yield await daytona.get("sb-1")


@contextmanager
def _soon() -> Generator[None]:
    """Fail when what is inside takes so long that it can only be hanging."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 5


def _answers(body: bytes) -> Callable[[Peer], None]:
    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            peer.answer(body)

    return serve


# -- Slow ---------------------------------------------------------------------------------------------------------


def _silent(peer: Peer) -> None:
    peer.request()
    peer.wait_until_left()


def _stalls_after_the_head(peer: Peer) -> None:
    peer.request()
    peer.send(HEAD)
    peer.wait_until_left()


def _stalls_in_the_head(peer: Peer) -> None:
    peer.request()
    peer.send(HEAD[:30])
    peer.wait_until_left()


def _drips(peer: Peer) -> None:
    peer.request()
    left = threading.Event()
    for byte in itertools.chain(HEAD, itertools.repeat(32)):
        peer.send(bytes([byte]))
        left.wait(0.05)


@pytest.mark.parametrize("serve", [_silent, _stalls_after_the_head, _stalls_in_the_head, _drips])
async def test_a_slow_answer_ends_at_the_timeout(face: str, serve: Callable[[Peer], None]) -> None:
    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon(), pytest.raises(DaytonaConnectionTimeoutError) as caught:
                await daytona.get("x", request_timeout=0.4)
    error = caught.value
    assert isinstance(error, DaytonaTimeoutError)
    assert (error.outcome, error.method, error.path) == ("unknown", "GET", "/sandbox/x")
    assert str(error).startswith("Failed to get sandbox: ")


async def test_nobody_accepting_ends_at_the_timeout_and_nothing_was_sent(face: str) -> None:
    with full_server() as url:
        async with _client(face, url) as daytona:
            with _soon(), pytest.raises(DaytonaConnectionTimeoutError) as caught:
                await daytona.get("x", request_timeout=0.4)
    assert caught.value.outcome == "not_sent"


@pytest.mark.parametrize(
    "call",
    [
        lambda sandbox, path: sandbox.process.exec("true", timeout=0.3),
        lambda sandbox, path: sandbox.process.code_run("1", timeout=0.3),
        lambda sandbox, path: sandbox.fs.upload_file(b"x" * 10_000_000, "f", 0.4),
        lambda sandbox, path: sandbox.fs.upload_file(path, "f", timeout=0.4),
        lambda sandbox, path: sandbox.fs.download_file("f", 1),
        lambda sandbox, path: sandbox.fs.download_file("f", f"{path}2", 0.4),
        lambda sandbox, path: sandbox.fs.download_files([FileDownloadRequest("f")], timeout=0.4),
        lambda sandbox, path: sandbox.fs.list_files("d", request_timeout=0.4),
        lambda sandbox, path: sandbox.fs.create_folder("d", "755", request_timeout=0.4),
        lambda sandbox, path: sandbox.process.list_sessions(0.4),
    ],
    ids=[
        "exec",
        "code_run",
        "upload",
        "upload-path",
        "download",
        "to-path",
        "many",
        "list",
        "folder",
        "sessions",
    ],
)
@pytest.mark.parametrize("serve", [_silent, _stalls_after_the_head], ids=["silent", "stalled"])
async def test_every_timeout_holds(
    face: str, tmp_path: Path, serve: Callable[[Peer], None], call: Callable[..., Any]
) -> None:
    (tmp_path / "f").write_bytes(b"y" * 10_000_000)
    with RawServer(serve) as server:
        async with _sandbox_at(face, server) as sandbox:
            with _soon(), pytest.raises(DaytonaTimeoutError) as caught:
                await call(sandbox, str(tmp_path / "f"))
    assert caught.value.sandbox_id == "sb-1"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("operation", ["start", "stop", "delete", "recover"])
async def test_the_timeout_of_an_operation_covers_its_waiting(face: str, operation: str) -> None:
    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            peer.answer(_sandbox().replace(b"started", b"some_new_state"))

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            sandbox = await daytona.get("sb-1")
            keywords = {"wait": True} if operation == "delete" else {}
            with _soon(), pytest.raises(DaytonaTimeoutError) as caught:
                await getattr(sandbox, operation)(timeout=0.5, **keywords)
    assert caught.value.sandbox_id == "sb-1"


async def test_a_creation_that_does_not_end_names_the_sandbox(face: str) -> None:
    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            peer.answer(_sandbox().replace(b"started", b"creating"))

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon(), pytest.raises(DaytonaTimeoutError, match="sb-1") as caught:
                await daytona.create(timeout=0.5)
    assert caught.value.sandbox_id == "sb-1"
    assert server.requests[0].startswith("POST /sandbox ")


# -- Broken -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"HTTP/1.1 200",
        HEAD,
        HEAD + b'{"id": "sb',
        b"\x16\x03\x01\x02\x00garbage\xff\xfe\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
    ],
    ids=[
        "nothing",
        "half-a-line",
        "no-body",
        "half-a-body",
        "tls",
        "ssh",
        "two-lengths",
        "no-length",
        "bad-chunk",
        "half-a-chunk",
        "endless-head",
    ],
)
async def test_an_answer_that_breaks_off_or_is_none_is_a_connection_error(
    face: str, bytes_sent: bytes
) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(bytes_sent)

    with RawServer(serve) as server:
        async with _sandbox_at(face, server) as sandbox:
            with _soon(), pytest.raises(DaytonaConnectionError) as caught:
                await sandbox.process.exec("rm -rf build")
    error = caught.value
    assert (error.outcome, error.sandbox_id, error.method) == ("unknown", "sb-1", "POST")
    assert error.path == "/toolbox/sb-1/process/execute"
    assert server.requests == ["POST /toolbox/sb-1/process/execute HTTP/1.1"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b'{"name": "no id"}', b'{"id": 5}', b"\xff\xfe", b"[" * 5000],
    ids=["empty", "half", "list", "null", "text", "no-id", "wrong-type", "no-utf8", "deep"],
)
async def test_json_that_is_no_sandbox_is_quoted(face: str, body: bytes) -> None:
    with RawServer(_answers(body)) as server:
        async with _client(face, server.url) as daytona:
            with pytest.raises(DaytonaError, match="Failed to get sandbox: ") as caught:
                await daytona.get("x")
    assert caught.value.status_code == 200
    assert len(str(caught.value)) < 1000


async def test_a_body_that_ends_with_the_connection_is_whole(face: str) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + _sandbox())

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            assert (await daytona.get("x")).id == "sb-1"
            assert (await daytona.get("x")).id == "sb-1"
    assert server.connections == 2


async def test_hints_before_the_answer_are_passed_over(face: str) -> None:
    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            peer.answer(_sandbox())

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            assert (await daytona.get("x")).id == "sb-1"
            assert (await daytona.get("x")).id == "sb-1"
    assert server.connections == 1


async def test_an_answer_in_single_bytes_is_understood(face: str) -> None:
    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
                len(_sandbox()),
                _sandbox(),
            ):
                peer.send(bytes([byte]))

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            assert (await daytona.get("x")).id == "sb-1"
            assert (await daytona.get("x")).id == "sb-1"
    assert server.connections == 1


# -- Transfers ----------------------------------------------------------------------------------------------------

PART = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhello'


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (PART, 1000),
        (PART, len(PART)),
        (PART + b"\r\n--B", 1000),
        (b"", 0),
        (b"no multipart", 12),
        (PART[:20], 500),
    ],
    ids=["broken", "no-end", "half-boundary", "empty", "text", "half-head"],
)
@pytest.mark.parametrize("to_path", [False, True], ids=["memory", "path"])
async def test_a_download_that_breaks_off_is_an_error_and_leaves_no_file(
    face: str, tmp_path: Path, body: bytes, length: int, to_path: bool
) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {length}\r\n\r\n"
        peer.send(head.encode() + body)

    with RawServer(serve) as server:
        async with _sandbox_at(face, server) as sandbox:
            with _soon(), pytest.raises(DaytonaConnectionError, match="Failed to download file: ") as caught:
                await sandbox.fs.download_file("f", str(tmp_path / "f") if to_path else None)
    assert caught.value.sandbox_id == "sb-1"
    assert os.listdir(tmp_path) == []


async def test_a_download_that_is_no_multipart_says_so(face: str) -> None:
    with RawServer(_answers(b'{"what": "is this"}')) as server:
        async with _sandbox_at(face, server) as sandbox:
            with pytest.raises(DaytonaError, match="Failed to download file: "):
                await sandbox.fs.download_file("f")


async def test_a_refused_upload_is_explained_though_its_body_was_not_read(face: str) -> None:
    def serve(peer: Peer) -> None:
        peer._file.readline()
        peer.answer(b'{"message": "too much for me"}', "413 Payload Too Large", "Connection: close\r\n")

    with RawServer(serve) as server:
        async with _sandbox_at(face, server) as sandbox:
            with _soon(), pytest.raises(DaytonaError) as caught:
                await sandbox.fs.upload_file(b"x" * 30_000_000, "f")
    assert "too much for me" in str(caught.value) or isinstance(caught.value, DaytonaConnectionError)


async def test_an_upload_that_says_it_wrote_less_is_an_error(face: str) -> None:
    with RawServer(_answers(b'{"files": [], "errors": []}')) as server:
        async with _sandbox_at(face, server) as sandbox:
            with pytest.raises(DaytonaError, match="0 of 1"):
                await sandbox.fs.upload_file(b"x", "f")


# -- Repeating ----------------------------------------------------------------------------------------------------


async def test_a_command_is_not_sent_again_when_the_connection_breaks(face: str) -> None:
    """The server has read the command, so it may have run: only the caller can decide about a second time."""

    def serve(peer: Peer) -> None:
        peer.request()

    with RawServer(serve) as server:
        async with _sandbox_at(face, server) as sandbox:
            with _soon(), pytest.raises(DaytonaConnectionError) as caught:
                await sandbox.process.exec("echo once")
    assert len(server.requests) == 1
    assert caught.value.outcome == "unknown"


async def test_a_command_is_not_sent_again_after_a_byte_of_its_answer(face: str) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        peer.answer(b'{"exitCode": 0, "result": ""}')
        peer.request()
        peer.send(b"H")

    with RawServer(serve) as server:
        async with _sandbox_at(face, server) as sandbox:
            await sandbox.process.exec("true")
            with _soon(), pytest.raises(DaytonaConnectionError):
                await sandbox.process.exec("echo once")
    assert len(server.requests) == 2


@pytest.mark.parametrize("made", [True, False], ids=["made", "not-made"])
async def test_a_creation_without_an_answer_makes_one_sandbox(face: str, made: bool) -> None:
    """The connection breaks after the request: by its name the client finds out whether the sandbox exists."""
    names: list[str] = []

    def serve(peer: Peer) -> None:
        body = peer.request()
        if peer.last_line.startswith("POST"):
            names.append(json.loads(body)["name"])
            if len(names) > 1:
                peer.answer(_sandbox())
        elif made:
            peer.answer(_sandbox())
        else:
            peer.answer(b'{"message": "there is none"}', "404 Not Found")

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon():
                assert (await daytona.create()).id == "sb-1"
    assert names == [names[0]] * (1 if made else 2)
    assert server.requests[1] == f"GET /sandbox/{names[0]} HTTP/1.1"


@pytest.mark.parametrize("late", [False, True], ids=["lost", "late"])
async def test_a_creation_under_a_name_of_ones_own_is_repeated_when_there_is_none_of_that_name(
    face: str, late: bool
) -> None:
    """R-14: names are unique, so a second request cannot make a second sandbox, even if the first one arrives late."""

    def serve(peer: Peer) -> None:
        peer.request()
        posts = sum(line.startswith("POST") for line in server.requests)
        if peer.last_line.startswith("GET") and posts == 1:
            peer.answer(b'{"message": "there is none"}', "404 Not Found")
        elif peer.last_line.startswith("GET"):
            peer.answer(_sandbox())
        elif posts == 2 and late:
            peer.answer(b'{"message": "there is one"}', "409 Conflict")
        elif posts == 2:
            peer.answer(_sandbox())

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            params = CreateSandboxFromSnapshotParams(name="mine")
            if not late:
                assert (await daytona.create(params)).id == "sb-1"
            else:
                with pytest.raises(DaytonaConflictError, match=r"get\('sb-1'\)") as caught:
                    await daytona.create(params)
                assert (caught.value.outcome, caught.value.sandbox_id) == ("unknown", "sb-1")
    assert [line.split()[0] for line in server.requests] == [
        "POST",
        "GET",
        "POST",
        *(["GET"] if late else []),
    ]


async def test_a_sandbox_of_ones_own_name_that_may_be_anybodys_is_not_taken(face: str) -> None:
    """R-14: the outcome is unknown, and the error carries the name and the id."""

    def serve(peer: Peer) -> None:
        peer.request()
        if peer.last_line.startswith("GET"):
            peer.answer(_sandbox())

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon(), pytest.raises(DaytonaConnectionError, match=r"get\('sb-1'\)") as caught:
                await daytona.create(CreateSandboxFromSnapshotParams(name="mine"))
    error = caught.value
    assert (error.outcome, error.retryable, error.sandbox_id) == ("unknown", False, "sb-1")
    assert [line.split()[0] for line in server.requests] == ["POST", "GET"]


@pytest.mark.parametrize("how", ["lost", "conflict"])
@pytest.mark.parametrize("ours", [True, False])
async def test_a_client_with_an_owner_knows_its_own_creation(face: str, how: str, ours: bool) -> None:
    """R-14: by a label that is different for each call, so that nothing is left for the caller to decide."""
    made: list[dict[str, str]] = []

    def serve(peer: Peer) -> None:
        body = peer.request()
        if peer.last_line.startswith("POST"):
            made.append(json.loads(body)["labels"])
            if how == "conflict":
                peer.answer(b'{"message": "there is one"}', "409 Conflict")
        else:
            labels = made[0] if ours else {**made[0], "daytona-owner-creation": "another"}
            peer.answer(json.dumps({**json.loads(_sandbox()), "labels": labels}).encode())

    with RawServer(serve) as server:
        config = DaytonaConfig(api_url=server.url, api_key="k", owner="me")
        async with open_client(face, config) as daytona:
            params = CreateSandboxFromSnapshotParams(name="mine")
            if ours:
                assert (await daytona.create(params)).id == "sb-1"
            else:
                with pytest.raises(DaytonaConflictError if how == "conflict" else DaytonaConnectionError):
                    await daytona.create(params)
    assert [line.split()[0] for line in server.requests] == ["POST", "GET"]


async def test_a_question_is_asked_again(face: str) -> None:
    def serve(peer: Peer) -> None:
        peer.request()
        if peer.number > 1:
            peer.answer(_sandbox())

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon():
                assert (await daytona.get("x")).id == "sb-1"
    assert len(server.requests) == 3


@pytest.mark.parametrize("call", ["get", "exec", "delete"])
async def test_a_connection_closed_while_idle_is_replaced_unnoticed(face: str, call: str) -> None:
    closed = threading.Semaphore(0)

    def serve(peer: Peer) -> None:
        peer.request()
        peer.answer(
            _sandbox(server.url) if b"execute" not in server.requests[-1].encode() else b'{"exitCode": 0}'
        )
        peer.close()
        closed.release()

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            sandbox = await daytona.get("sb-1")
            for _ in range(3):
                closed.acquire()
                if call == "exec":
                    assert (await sandbox.process.exec("true")).exit_code == 0
                else:
                    await (daytona.get("x") if call == "get" else sandbox.delete())
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("502 Bad Gateway", DaytonaBadGatewayError),
        ("503 Service Unavailable", DaytonaServiceUnavailableError),
    ],
)
async def test_an_unavailable_server_is_asked_again_only_where_that_is_safe(
    face: str, status: str, kind: type[DaytonaError]
) -> None:
    """R-15."""

    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            peer.answer(b"", status)

    with RawServer(serve) as server:
        async with _sandbox_at(face, server) as sandbox:
            with _soon(), pytest.raises(kind, match=status) as caught:
                await sandbox.process.exec("true")
            assert len(server.requests) == 1
            with _soon(), pytest.raises(kind):
                await sandbox.fs.get_file_info("f")
            assert len(server.requests) == 5
    assert caught.value.retryable


async def test_a_gateway_that_recovers_is_not_noticed(face: str) -> None:
    def serve(peer: Peer) -> None:
        for status in ("502 Bad Gateway", "504 Gateway Timeout", "200 OK"):
            peer.request()
            peer.answer(_sandbox(), status)

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon():
                assert (await daytona.get("x")).id == "sb-1"


@pytest.mark.parametrize("field", ["Retry-After: 0", "Retry-After-sandbox-create: 0"])
async def test_too_many_requests_wait_and_come_back_whatever_the_method(face: str, field: str) -> None:
    def serve(peer: Peer) -> None:
        for _ in range(2):
            peer.request()
            peer.answer(b'{"message": "slow down"}', "429 Too Many Requests", f"{field}\r\n")
        peer.request()
        peer.answer(_sandbox())

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon():
                assert (await daytona.create()).id == "sb-1"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "field", ["Retry-After: 50", "retry-after-anonymous: 3\r\nRetry-After-Authenticated: 50"]
)
async def test_a_wait_longer_than_the_time_left_is_not_begun(face: str, field: str) -> None:
    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            peer.answer(b'{"message": "slow down"}', "429 Too Many Requests", f"{field}\r\n")

    with RawServer(serve) as server:
        async with _client(face, server.url) as daytona:
            with _soon(), pytest.raises(DaytonaRateLimitError, match="slow down") as caught:
                await daytona.create(timeout=2)
    assert len(server.requests) == 1
    assert caught.value.retryable
    assert "50" in caught.value.headers.values()


def test_closing_the_client_from_another_thread_ends_what_is_under_way() -> None:
    arrived = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        arrived.set()
        peer.wait_until_left()

    with RawServer(serve) as server:
        client = Daytona(DaytonaConfig(api_key="k", api_url=server.url))

        def close() -> None:
            arrived.wait()
            client.close()

        closer = threading.Thread(target=close)
        closer.start()
        with _soon(), pytest.raises(DaytonaClosedError):
            client.get("x")
        closer.join()
