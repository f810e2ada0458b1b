"""Links between sandboxes that have networks of their own: they reach each other, and nothing more than before."""

from __future__ import annotations

import asyncio
import shlex
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.egress.links import MOST_LINKS, Link, LinkAddresses
from daytona_plugins.local.egress.names import Destination
from daytona_plugins.local.egress.policy import Policy
from daytona_plugins.local.egress.rules import Rules
from daytona_plugins.local.platform.linked_ports import connect_inside
from daytona_plugins.local.runtime.spec import GATE_PORT, PROXY_PORT
from tests.local.ordinary_user import needs_root, run_as_ordinary_user
from tests.local.platform_process import Platform, running_platform, short_directory
from tests.local.redirecting import need_redirection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daytona_plugins.local.egress.connection import Streams

PORT = 8123
SERVE = f"echo hello > said; (python3 -m http.server {PORT} --bind 127.0.0.1 >/dev/null 2>&1 &)"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform() as platform:
        yield platform


@pytest.fixture(scope="module")
def pair(platform: Platform) -> tuple[Any, Any]:
    """Two linked sandboxes that may reach nobody else, and both serve a file."""
    owner = platform.create(name="owner", networkBlockAll=True)
    need_redirection(owner["isolation"]["notes"])
    follower = follow(platform, "follower", networkBlockAll=True)
    for one in (owner, follower):
        platform.execute(one["id"], SERVE)
    return owner, follower


def follow(platform: Platform, name: str, **more: object) -> Any:
    return platform.create(name=name, linkedSandbox="owner", autoDeleteInterval=0, **more)


def fetch(platform: Platform, sandbox: Any, host: str, *more: str, port: int = PORT) -> str:
    """Return what curl prints, once somebody answers."""
    url = f"http://{host}:{port}/said"
    command = f"{shlex.join(['curl', '-sSf', '-m', '20', *more])} -H X-Key:$KEY {url}"
    wait = f"for i in $(seq 50); do {command} 2>/dev/null && exit; sleep 0.1; done; {command}"
    return str(platform.execute(sandbox["id"], wait)["result"])


def once(platform: Platform, sandbox: Any, host: str, *more: str, port: int = PORT) -> str:
    """Return what curl prints."""
    command = shlex.join(["curl", "-sS", "-m", "20", *more, f"http://{host}:{port}/said"])
    return str(platform.execute(sandbox["id"], command)["result"])


DIRECTLY = ("--noproxy", "*")


@pytest.mark.parametrize("way", [DIRECTLY, ()], ids=["directly", "through the proxy"])
def test_linked_sandboxes_reach_each_other_whatever_their_lists_say(
    platform: Platform, pair: tuple[Any, Any], way: tuple[str, ...]
) -> None:
    owner, follower = pair
    assert fetch(platform, follower, "owner", *way) == "hello\n"
    assert fetch(platform, owner, "Follower", *way) == "hello\n"
    assert "said" not in once(platform, owner, "192.0.2.1", *way)


def test_a_link_leads_to_the_sandbox_and_not_to_the_machine(
    platform: Platform, pair: tuple[Any, Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        told = once(platform, pair[1], "owner", *DIRECTLY, port=port)
    assert "curl: (7)" in told or "curl: (56)" in told
    assert "502 Bad Gateway" in once(platform, pair[1], "owner", "-i", port=port)


def test_what_may_leave_one_sandbox_does_not_leave_another_by_it(
    platform: Platform, pair: tuple[Any, Any]
) -> None:
    for port in (PROXY_PORT, GATE_PORT):
        told = once(platform, pair[1], "owner", *DIRECTLY, port=port)
        assert "curl: (7)" in told or "curl: (56)" in told
        assert "way out" in once(platform, pair[1], "owner", port=port)


def test_a_stranger_reaches_neither(platform: Platform, pair: tuple[Any, Any]) -> None:
    stranger = platform.create(networkAllowList="0.0.0.0/0")
    links = platform.execute(pair[1]["id"], "getent ahostsv4 owner")["result"].split()[0]
    assert "curl: (6)" in once(platform, stranger, "owner", *DIRECTLY)
    told = once(platform, stranger, links, *DIRECTLY)
    assert "curl: (7)" in told or "curl: (56)" in told
    assert "never reached" in once(platform, stranger, links)


def test_a_name_is_there_as_long_as_its_sandbox(platform: Platform, pair: tuple[Any, Any]) -> None:
    third = follow(platform, "third", domainAllowList="a.example")
    look = "getent hosts third || echo none"
    assert platform.execute(pair[0]["id"], look)["result"] != "none\n"
    assert platform.execute(pair[1]["id"], look)["result"] != "none\n"
    assert fetch(platform, third, "follower") == "hello\n"
    assert platform.api("DELETE", f"/sandbox/{third['id']}").status == 200
    gone = "for i in $(seq 100); do getent hosts third || exit 7; sleep 0.1; done"
    assert platform.execute(pair[0]["id"], gone)["exitCode"] == 7


def test_secrets_and_links_go_together(platform: Platform, pair: tuple[Any, Any]) -> None:
    secret = platform.api("POST", "/secret", {"name": "KEY", "value": "first", "hosts": ["owner"]}).json
    knowing = follow(platform, "knowing", secrets=[{"KEY": "KEY"}])
    read = f"python3 -c {shlex.quote(SHOW_HEADERS)}"
    platform.execute(pair[0]["id"], f"({read} >/dev/null 2>&1 &)")
    assert fetch(platform, knowing, "owner", port=PORT + 1) == "first\n"
    assert platform.execute(knowing["id"], "echo $KEY")["result"] == f"{secret['placeholder']}\n"


SHOW_HEADERS = f"""
import http.server
class Show(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["x-key"].encode() + bytes([10]))
http.server.HTTPServer(("127.0.0.1", {PORT + 1}), Show).serve_forever()
"""


def test_a_network_of_ones_own_is_had_by_all_or_by_none(platform: Platform, pair: tuple[Any, Any]) -> None:
    body = {"linkedSandbox": "owner", "autoDeleteInterval": 0}
    refused = platform.api("POST", "/sandbox", body)
    assert (refused.status, "0.0.0.0/0" in refused.json["message"]) == (501, True)
    path = f"/sandbox/{pair[1]['id']}/network-settings"
    assert platform.api("POST", path, {"networkBlockAll": False}).status == 501
    assert platform.api("POST", path, {"networkAllowList": "198.51.100.0/24"}).status == 200
    assert fetch(platform, pair[1], "owner") == "hello\n"


def test_a_sandbox_on_the_machines_network_is_not_linked_by_limits_that_begin_later(
    platform: Platform, pair: tuple[Any, Any]
) -> None:
    """Its ports are those of the machine until it starts again."""
    del pair
    platform.api("POST", "/secret", {"name": "LATE", "value": "v"})
    platform.create(name="late")
    assert platform.api("PUT", "/sandbox/late/secrets", {"secrets": [{"K": "LATE"}]}).status == 200
    body = {"linkedSandbox": "late", "autoDeleteInterval": 0}
    assert platform.api("POST", "/sandbox", body | {"networkBlockAll": True}).status == 501
    assert platform.api("POST", "/sandbox", body).status == 501


# Addresses and rules


def test_an_address_stays_with_its_sandbox() -> None:
    addresses = LinkAddresses()
    first = dict(addresses.of(["a", "b"]))
    assert len(set(first.values())) == 2
    second = dict(addresses.of(["c", "b"]))
    assert second["b"] == first["b"]
    assert second["c"] not in first.values(), "what was told of an address may be remembered for a while"
    assert addresses.of([]) == {}


def test_there_are_only_so_many_addresses() -> None:
    addresses = LinkAddresses()
    everybody = [str(number) for number in range(MOST_LINKS + 5)]
    assert len(set(addresses.of(everybody).values())) == len(addresses.of(everybody)) == MOST_LINKS
    assert "new" in addresses.of(["new", *everybody[1:MOST_LINKS]]), "the one that has become free"


async def _nowhere(_port: int) -> Streams:
    raise ConnectionRefusedError


def test_links_hold_beside_the_policy() -> None:
    link = Link("Owner", "192.0.0.11", _nowhere)
    blocked = Rules(Policy(block_all=True), links=(link,))
    assert blocked.refusal(Destination("192.0.0.11", ())) is None
    assert blocked.refusal(Destination("192.0.2.1", ())) is not None
    assert (blocked.link_named("owner."), blocked.link_named("other")) == (link, None)
    assert Rules(Policy()).refusal(Destination("192.0.0.11", ("gone",))) is not None


@contextmanager
def agent_that_says(answer: bytes) -> Iterator[Path]:
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as server:
        path = directory / "agent"
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            thread.join()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Swit", b"HTTP/1.1 502 Bad Gateway\r\n\r\n"])
def test_an_agent_that_does_not_open_a_port_is_an_error_of_the_connection(answer: bytes) -> None:
    with agent_that_says(answer) as path, pytest.raises(ConnectionError):
        asyncio.run(connect_inside(path, PORT))
    with pytest.raises(FileNotFoundError):
        asyncio.run(connect_inside(path, PORT))


@needs_root
def test_all_of_this_holds_for_an_ordinary_user() -> None:
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
