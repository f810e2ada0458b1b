"""The way to the agents, over agents that do what a test says."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from daytona_plugins.local import web
from daytona_plugins.local.platform import why_ended
from daytona_plugins.local.platform.api import Application
from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.serving import listen
from daytona_plugins.local.platform.site import Site
from daytona_plugins.local.runtime.spec import Limits
from tests.local.fake_driver import FakeDriver, fake_sandboxes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes

KEY = "dtn_test"
AUTHORIZED = f"Authorization: Bearer {KEY}\r\n"


class World(NamedTuple):
    """A platform with one sandbox, and a connection to it."""

    sandboxes: Sandboxes
    driver: FakeDriver
    record: Record
    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(
        self, target: str, *, method: str = "GET", lines: str = AUTHORIZED, body: bytes = b""
    ) -> bytes:
        """Send one request on a connection of its own and return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{lines}{length}\r\n"
        writer.write(head.encode("latin-1") + body)
        answer = await reader.read()
        writer.close()
        return answer

    @property
    def base(self) -> str:
        return f"/toolbox/{self.record.id}"


@asynccontextmanager
async def world(app: web.Handler) -> AsyncGenerator[World]:
    async with fake_sandboxes(app) as (sandboxes, driver):
        record = await sandboxes.create(new_record(CreateSandbox(), 0.0))
        sock = listen()
        port = sock.getsockname()[1]
        application = Application(Site(port, KEY, "1"), sandboxes)
        server = await web.serve(sock, application, envelope=application.envelope)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield World(sandboxes, driver, record, port, reader, writer)
        finally:
            writer.close()
            await server.close()


def through(app: web.Handler, scenario: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), world(app) as here:
            await scenario(here)

    asyncio.run(run())


async def echo_head(request: web.Request) -> web.Response:
    """Answer with what arrived."""
    lines = [f"{name}={value}" for name, value in request.headers.items()]
    return web.text_response("\n".join([f"{request.method} {request.raw_target}", *lines]))


async def echo_body(request: web.Request) -> web.Response:
    """Send the body back while it is still arriving."""
    return web.Response(200, [], request.chunks())


def test_path_query_and_encoding_arrive_as_they_were_sent() -> None:
    async def scenario(here: World) -> None:
        answer = await here.ask(f"{here.base}/files/a%2Fb?path=%20x%2By&empty=")
        assert b"GET /files/a%2Fb?path=%20x%2By&empty=\n" in answer

    through(echo_head, scenario)


def test_the_key_stays_with_the_platform() -> None:
    async def scenario(here: World) -> None:
        answer = await here.ask(f"{here.base}/x", lines=AUTHORIZED + "X-Own: kept\r\n")
        assert KEY.encode() not in answer
        assert b"x-own=kept" in answer
        assert b"x-forwarded-host=here" in answer

    through(echo_head, scenario)


def test_a_preview_token_opens_its_own_sandbox_and_is_taken_out() -> None:
    async def scenario(here: World) -> None:
        token = here.record.auth_token
        by_header = await here.ask(f"{here.base}/x", lines=f"X-Daytona-Preview-Token: {token}\r\n")
        by_query = await here.ask(f"{here.base}/x?a=1&DAYTONA_SANDBOX_AUTH_KEY={token}", lines="")
        for answer in (by_header, by_query):
            assert answer.startswith(b"HTTP/1.1 200")
            assert token.encode() not in answer
        assert b"GET /x?a=1\n" in by_query
        assert (await here.ask(f"{here.base}/x", lines="X-Daytona-Preview-Token: wrong\r\n")).startswith(
            b"HTTP/1.1 401"
        )

    through(echo_head, scenario)


@pytest.mark.parametrize(("path", "status"), [("/toolbox/nobody/x", 404), ("/toolbox/nobody", 404)])
def test_an_unknown_sandbox_is_404(path: str, status: int) -> None:
    async def scenario(here: World) -> None:
        assert (await here.ask(path)).startswith(f"HTTP/1.1 {status}".encode())

    through(echo_head, scenario)


def test_a_stopped_sandbox_is_400_from_the_proxy() -> None:
    async def scenario(here: World) -> None:
        await here.sandboxes.stop(here.record)
        answer = await here.ask(f"{here.base}/x")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"source":"DAYTONA_PROXY"' in answer

    through(echo_head, scenario)


def test_a_failed_sandbox_says_why_and_what_helps() -> None:
    async def scenario(here: World) -> None:
        failed = asyncio.Event()
        here.sandboxes.store.changes.listen(lambda _before, _now: failed.set())
        await here.driver.sandboxes[here.record.id].die(1)
        await failed.wait()
        answer = await here.ask(f"{here.base}/x")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"has failed (the sandbox ended with status 1); recover it" in answer

    through(echo_head, scenario)


async def stop(here: World) -> None:
    await here.sandboxes.stop(here.record)


async def delete(here: World) -> None:
    await here.sandboxes.delete(here.record)


async def crash(here: World) -> None:
    await here.driver.sandboxes[here.record.id].die(1)


async def kill(here: World) -> None:
    await here.driver.sandboxes[here.record.id].die(-9)


async def use_more_than_allowed(here: World) -> None:
    fake = here.driver.sandboxes[here.record.id]
    fake.pid, fake.watched = os.getpid(), Limits(memory=2**20)
    await here.sandboxes.tick()
    assert fake.graces == [0]


@pytest.mark.parametrize(
    ("end", "reason", "state"),
    [
        (stop, "it was stopped", "stopped"),
        (delete, "it was deleted", None),
        (crash, "its first process ended with status 1", "error"),
        (kill, "its first process was killed by signal 9", "stopped"),
        (use_more_than_allowed, "and its limit is 0.000976562 GiB; recover it, then resize it", "error"),
    ],
)
def test_a_sandbox_that_ends_before_it_has_answered_is_410_and_says_why(
    end: Callable[[World], Awaitable[None]],
    reason: str,
    state: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(why_ended, "PATIENCE", 600)  # nobody waits for that
    asked = asyncio.Event()

    async def never_answer(_request: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario(here: World) -> None:
        asking = asyncio.ensure_future(here.ask(f"{here.base}/x"))
        await asked.wait()
        await end(here)
        answer = await asking
        now = here.sandboxes.look_up(here.record.id)
        assert (now and now.state) == state  # whoever is told can act on it
        assert answer.startswith(b"HTTP/1.1 410")
        body = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert (body["code"], body["source"]) == ("SANDBOX_ENDED", "DAYTONA_PROXY")
        assert body["message"].startswith(f"gone: sandbox {here.record.id} ended before this was done: ")
        assert reason in body["message"]

    through(never_answer, scenario)


def test_an_agent_that_cannot_be_reached_is_502_without_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why_ended, "PATIENCE", 0)

    async def scenario(here: World) -> None:
        here.driver.sandboxes[here.record.id].socket_path.unlink()
        answer = await here.ask(f"{here.base}/x")
        assert answer.startswith(b"HTTP/1.1 502")
        assert answer.endswith(b"\r\n\r\n")

    through(echo_head, scenario)


def test_bodies_flow_both_ways_at_the_same_time() -> None:
    async def scenario(here: World) -> None:
        head = f"POST {here.base}/x HTTP/1.1\r\nHost: a\r\n{AUTHORIZED}Transfer-Encoding: chunked\r\n\r\n"
        here.writer.write(head.encode())
        for piece in (b"first", b"second"):
            here.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await here.reader.readuntil(piece)  # it came back before the request ended
        here.writer.write(b"0\r\n\r\n")
        await here.reader.readuntil(b"0\r\n\r\n")

    through(echo_body, scenario)


def test_large_bodies_arrive_whole() -> None:
    async def scenario(here: World) -> None:
        body = bytes(range(256)) * 40_000
        _, _, chunks = (await here.ask(f"{here.base}/x", method="POST", body=body)).partition(b"\r\n\r\n")
        assert _joined(chunks) == body

    through(echo_body, scenario)


def test_an_early_refusal_reaches_a_client_that_is_still_sending() -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.text_response("enough", 413)

    async def scenario(here: World) -> None:
        head = f"POST {here.base}/x HTTP/1.1\r\nHost: a\r\n{AUTHORIZED}Content-Length: 100000000\r\n\r\n"
        here.writer.write(head.encode() + b"x" * 1000)
        assert (await here.reader.readline()).startswith(b"HTTP/1.1 413")

    through(refuse, scenario)


def test_a_body_that_is_no_http_is_the_clients_fault() -> None:
    async def wait_for_all(request: web.Request) -> web.Response:
        return web.text_response(str(len(await request.body())))

    async def scenario(here: World) -> None:
        head = f"POST {here.base}/x HTTP/1.1\r\nHost: a\r\n{AUTHORIZED}Transfer-Encoding: chunked\r\n\r\n"
        here.writer.write(head.encode() + b"2\r\nok\r\nzz\r\n")
        assert (await here.reader.readline()).startswith(b"HTTP/1.1 400")

    through(wait_for_all, scenario)


def test_connections_to_the_agent_are_used_again() -> None:
    peers: list[object] = []

    async def count(request: web.Request) -> web.Response:
        peers.append(request._exchange._wire)  # pyright: ignore[reportPrivateUsage]  # one a connection
        return web.text_response("ok")

    async def scenario(here: World) -> None:
        for _ in range(5):
            await here.ask(f"{here.base}/x")
        assert len(set(map(id, peers))) == 1

    through(count, scenario)


def test_what_an_agent_says_unasked_is_no_answer_to_the_next_request() -> None:
    async def answer_and_more(request: web.Request) -> web.Response:
        asyncio.get_running_loop().call_soon(
            request._exchange._wire.write,  # pyright: ignore[reportPrivateUsage]
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse",
        )
        return web.text_response("true")

    async def scenario(here: World) -> None:
        for _ in range(3):
            assert (await here.ask(f"{here.base}/x")).endswith(b"true")

    through(answer_and_more, scenario)


@pytest.mark.parametrize("end", [stop, crash])
def test_connections_to_the_agent_end_with_the_sandbox(end: Callable[[World], Awaitable[None]]) -> None:
    async def scenario(here: World) -> None:
        await here.ask("/api/health")
        before = len(os.listdir("/proc/self/fd"))
        await here.ask(f"{here.base}/x")
        await end(here)
        while here.sandboxes.running(here.record.id):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
        await here.ask("/api/health")  # a turn of the loop, in which they close
        assert len(os.listdir("/proc/self/fd")) < before  # where the agent listened has gone too

    through(echo_head, scenario)


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionAbortedError

    async def break_off(_request: web.Request) -> web.Response:
        return web.Response(200, [], broken())

    async def scenario(here: World) -> None:
        answer = await here.ask(f"{here.base}/x")
        assert b"some" in answer
        assert not answer.endswith(b"0\r\n\r\n")

    through(break_off, scenario)


def test_after_an_upgrade_bytes_flow_until_one_side_ends() -> None:
    async def shout(stream: web.Stream) -> None:
        await stream.send(b"welcome;")
        while data := await stream.receive():
            await stream.send(data.upper())
            if b"bye" in data:
                return

    async def upgrade(request: web.Request) -> web.Response:
        assert request.headers.get("upgrade") == "websocket"
        return web.Upgrade([("Connection", "Upgrade"), ("Upgrade", "websocket"), ("X-Agent", "here")], shout)

    async def scenario(here: World) -> None:
        head = f"GET {here.base}/ws HTTP/1.1\r\nHost: a\r\n{AUTHORIZED}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        here.writer.write(head.encode() + b"early;")
        answer = (await here.reader.readuntil(b"\r\n\r\n")).lower()
        assert answer.startswith(b"http/1.1 101")
        assert b"x-agent: here" in answer
        await here.reader.readuntil(b"EARLY;")
        here.writer.write(b"bye")
        assert await here.reader.read() == b"BYE"

    through(upgrade, scenario)


def test_a_head_request_has_no_body_and_leaves_the_connection_usable() -> None:
    async def scenario(here: World) -> None:
        for _ in range(2):
            head = f"HEAD {here.base}/x HTTP/1.1\r\nHost: a\r\n{AUTHORIZED}\r\n"
            here.writer.write(head.encode())
            answer = await here.reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")

    through(echo_head, scenario)


def test_a_request_is_activity_unless_it_says_otherwise() -> None:
    async def scenario(here: World) -> None:
        touched: list[str] = []
        here.sandboxes.activity.touch = touched.append  # type: ignore[method-assign]  # to see the calls
        await here.ask(f"{here.base}/x", lines=AUTHORIZED + "X-Daytona-Skip-Last-Activity-Update: true\r\n")
        assert touched == []
        await here.ask(f"{here.base}/x")
        assert touched == [here.record.id]

    through(echo_head, scenario)


def _joined(chunks: bytes) -> bytes:
    """Return the content of a chunked body."""
    content = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        content += chunks[: int(size, 16)]
        chunks = chunks[int(size, 16) + 2 :]
    return content
