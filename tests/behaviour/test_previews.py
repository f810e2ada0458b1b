"""Ports of a sandbox, seen from outside: a real web server and a WebSocket echo inside, and every way to be let in."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import socket
import struct
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from daytona import DaytonaError
from tests.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.local.platform_process import Platform

# Answers what it was asked, and echoes over WebSockets; the standard library is all it has.
SERVER = """
import base64, hashlib, http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.echo()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = {"method": self.command, "target": self.path, "body": body.decode(),
                "headers": [[name.lower(), value] for name, value in self.headers.items()]}
        content = json.dumps(said).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = answer

    def echo(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            size = head[1] & 127
            mask, data = self.rfile.read(4), self.rfile.read(size)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
            self.wfile.write(bytes([head[0], size]) + data)
            self.wfile.flush()

    def log_message(self, *details):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("listening", flush=True)
server.serve_forever()
"""


class Site:
    """A sandbox in which a web server runs."""

    def __init__(self, platform: Platform, sandbox_id: str, port: int) -> None:
        self.platform = platform
        self.id = sandbox_id
        self.port = port
        self.address = urlsplit(platform.endpoint.api_url).netloc
        self.host = f"{port}-{sandbox_id}.localhost:{self.address.partition(':')[2]}"

    def serve(self) -> None:
        """Start the server, and return when it answers."""
        program = base64.b64encode(SERVER.encode()).decode()
        command = f"echo {program} | base64 -d > /tmp/server.py && (setsid python3 /tmp/server.py {self.port} >/tmp/log 2>&1 &)"
        self.platform.execute(self.id, command)
        deadline = time.monotonic() + 20
        while "listening" not in self.platform.execute(self.id, "cat /tmp/log")["result"]:
            assert time.monotonic() < deadline, "the server inside does not start"

    @property
    def token(self) -> str:
        return str(
            self.platform.api("GET", f"/sandbox/{self.id}/ports/{self.port}/preview-url").json["token"]
        )

    def ask(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        host: str | None = None,
        body: str | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request to a preview, as a browser would: by the name of the host."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, target, body, {"Host": host or self.host, **sent})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())


@pytest.fixture(scope="module")
def site(platform: Platform) -> Iterator[Site]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    created = platform.create(name=f"site-{uuid.uuid4().hex[:8]}", autoStopInterval=0)
    made = Site(platform, created["id"], port)
    made.serve()
    yield made
    platform.api("DELETE", f"/sandbox/{made.id}")


def _headers(answer: Answer) -> dict[str, str]:
    return dict(answer.json["headers"])


# -- The client's side ------------------------------------------------------------------------------------------------


async def test_a_preview_link_opens_the_port(connect: Callable[[], Any], site: Site) -> None:
    async with connect() as daytona:
        sandbox = await daytona.get(site.id)
        link = await sandbox.get_preview_link(site.port)
        host = urlsplit(link.url).netloc
        assert site.ask("/x", host=host, x_daytona_preview_token=link.token).json["target"] == "/x"


async def test_a_signed_preview_opens_by_itself_until_it_is_expired(
    connect: Callable[[], Any], site: Site
) -> None:
    async with connect() as daytona:
        sandbox = await daytona.get(site.id)
        link = await sandbox.create_signed_preview_url(site.port, 600)
        host = urlsplit(link.url).netloc
        assert (link.port, site.ask(host=host).status) == (site.port, 200)
        other_port = host.replace(f"{site.port}-", f"{site.port + 1}-", 1)
        assert site.ask(host=other_port).status == 401
        await sandbox.expire_signed_preview_url(site.port, link.token)
        assert site.ask(host=host).status == 401
        await sandbox.expire_signed_preview_url(site.port, link.token)


async def test_what_cannot_be_a_preview_is_refused(connect: Callable[[], Any], site: Site) -> None:
    async with connect() as daytona:
        sandbox = await daytona.get(site.id)
        for port in (0, 65536):
            with pytest.raises(DaytonaError, match="Failed to get preview link: ") as caught:
                await sandbox.get_preview_link(port)
            assert caught.value.status_code == 400
        for seconds in (0, 86401):
            with pytest.raises(DaytonaError, match="Failed to create signed preview url: "):
                await sandbox.create_signed_preview_url(3000, seconds)


# -- Being let in -----------------------------------------------------------------------------------------------------


def test_nobody_is_let_in_without_credentials(site: Site) -> None:
    assert site.ask().status == 401
    assert site.ask(x_daytona_preview_token="wrong").status == 401
    assert site.ask("/?DAYTONA_SANDBOX_AUTH_KEY=wrong").status == 401
    assert site.ask(authorization="Bearer wrong").status == 401
    assert site.ask(cookie=f"daytona-sandbox-auth-{site.id}=9999999999.wrong").status == 401


def test_a_stranger_cannot_tell_which_sandboxes_there_are(site: Site) -> None:
    nowhere = site.host.replace(site.id, str(uuid.uuid4()))
    assert site.ask(host=nowhere).status == 401
    key = f"Bearer {site.platform.endpoint.api_key}"
    assert site.ask(host=nowhere, authorization=key).status == 404


def test_the_key_opens_and_stays_outside(site: Site) -> None:
    answer = site.ask(authorization=f"Bearer {site.platform.endpoint.api_key}")
    assert answer.status == 200
    assert "authorization" not in _headers(answer)


def test_a_programs_own_credentials_reach_it(site: Site) -> None:
    answer = site.ask(authorization="Bearer mine", x_daytona_preview_token=site.token)
    assert _headers(answer)["authorization"] == "Bearer mine"
    assert "x-daytona-preview-token" not in _headers(answer)


def test_a_token_in_the_query_is_taken_out_and_remembered(site: Site) -> None:
    answer = site.ask(f"/a%2Fb?x=%20+1&DAYTONA_SANDBOX_AUTH_KEY={site.token}&y")
    assert answer.json["target"] == "/a%2Fb?x=%20+1&y"
    own = next(line for line in answer.headers.get_all("Set-Cookie", []) if line.startswith("daytona-"))
    pair = own.partition(";")[0]
    again = site.ask(cookie=f"theirs=1; {pair}")
    assert again.status == 200
    assert _headers(again)["cookie"] == "theirs=1"
    elsewhere = site.host.replace(f"{site.port}-", f"{site.port + 1}-", 1)
    assert site.ask(host=elsewhere, cookie=pair).status == 401


def test_a_public_sandbox_is_open_but_for_its_own_ports(site: Site) -> None:
    site.platform.api("POST", f"/sandbox/{site.id}/public/true")
    try:
        assert site.ask().status == 200
        for port in (22222, 2280, 33333):
            assert site.ask(host=site.host.replace(f"{site.port}-", f"{port}-", 1)).status == 401
    finally:
        site.platform.api("POST", f"/sandbox/{site.id}/public/false")
    assert site.ask().status == 401


def test_the_toolbox_is_a_port_too(site: Site) -> None:
    toolbox = site.host.replace(f"{site.port}-", "2280-", 1)
    answer = site.ask("/version", host=toolbox, x_daytona_preview_token=site.token)
    assert "version" in answer.json


def test_a_restart_ends_tokens_and_cookies(platform: Platform) -> None:
    created = platform.create()
    own = Site(platform, created["id"], 3999)
    old = own.token
    assert own.ask(x_daytona_preview_token=old).status == 502
    platform.api("POST", f"/sandbox/{own.id}/stop")
    assert own.ask(x_daytona_preview_token=own.token).status == 400
    platform.api("POST", f"/sandbox/{own.id}/start")
    assert own.ask(x_daytona_preview_token=old).status == 401
    platform.api("DELETE", f"/sandbox/{own.id}")


# -- Passing through --------------------------------------------------------------------------------------------------


def test_a_request_arrives_as_it_was_sent(site: Site) -> None:
    answer = site.ask("/p?q=1", method="POST", body="content", x_daytona_preview_token=site.token, x_own="v")
    said, headers = answer.json, _headers(answer)
    assert (said["method"], said["target"], said["body"]) == ("POST", "/p?q=1", "content")
    assert (headers["host"], headers["x-own"]) == (f"localhost:{site.port}", "v")
    assert headers["x-forwarded-host"] == site.host
    assert headers["x-forwarded-for"]
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_failures_of_the_program_are_its_own(site: Site) -> None:
    assert site.ask("/missing", x_daytona_preview_token=site.token).status == 404
    head = site.ask("/", method="HEAD", x_daytona_preview_token=site.token)
    assert (head.status, head.body) == (200, b"")


def test_a_port_without_a_program_is_a_bad_gateway(site: Site, unused_port: int) -> None:
    host = site.host.replace(f"{site.port}-", f"{unused_port}-", 1)
    answer = site.ask(host=host, x_daytona_preview_token=site.token)
    assert (answer.status, answer.body) == (502, b"")


def test_the_toolbox_shows_ports_by_path(site: Site) -> None:
    base = f"/toolbox/{site.id}/proxy"
    assert site.platform.call("GET", f"{base}/{site.port}/a%2Fb?c=d").json["target"] == "/a%2Fb?c=d"
    redirect = site.platform.call("GET", f"{base}/{site.port}")
    assert (redirect.status, redirect.headers["Location"]) == (301, f"{base}/{site.port}/")
    assert site.platform.call("GET", f"{base}/x/").status == 400


def test_a_websocket_passes(site: Site) -> None:
    host, _, port = site.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /echo HTTP/1.1",
            f"Host: {site.host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"X-Daytona-Preview-Token: {site.token}",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        stream = connection.makefile("rb")
        assert stream.readline().split()[1] == b"101"
        headers = dict(
            line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n")
        )
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        assert headers["sec-websocket-accept"] == base64.b64encode(digest).decode().lower()
        for text in (b"hello", b"again"):
            connection.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
            first, size = struct.unpack("BB", stream.read(2))
            assert (first, stream.read(size)) == (0x81, text)


def test_errors_of_previews_are_told_as_json(site: Site) -> None:
    answer = site.ask()
    assert json.loads(answer.body)["statusCode"] == 401
