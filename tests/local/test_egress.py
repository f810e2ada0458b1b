"""The way out of a sandbox whose network is limited: what passes, what does not, and what is put into it."""

from __future__ import annotations

import base64
import http.server
import json
import shlex
import socket
import ssl
import sys
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from daytona_plugins.local.egress.certificates import open_authority
from daytona_plugins.local.egress.gate import MOST_CONNECTIONS, Gate
from daytona_plugins.local.egress.head import BadRequestError, parse_head
from daytona_plugins.local.egress.placeholders import Attached, fill_in, fill_in_body, permitted
from daytona_plugins.local.egress.policy import Policy, matches, parse_domains, parse_networks
from daytona_plugins.local.egress.rules import Rules
from daytona_plugins.local.platform.creation import CreateSandbox, new_record
from daytona_plugins.local.platform.views import full
from daytona_plugins.local.runtime.spec import PROXY_PORT, TRUST_FILE, Isolation
from tests.local.ordinary_user import needs_root, run_as_ordinary_user
from tests.local.platform_process import Platform, running_platform
from tests.local.test_escape import Box, Builder, building

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.local.conftest import LoopThread

PROXY = f"http://127.0.0.1:{PROXY_PORT}"


# What may be reached


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "::1", "::", "fe80::1", "fe80::1%eth0", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "2002:7f00:1::", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "224.0.0.1", "ff02::1",
    ],
)  # fmt: skip
def test_the_machine_and_its_metadata_are_never_reached(address: str):
    policies = [
        Policy(),
        Policy(networks=("0.0.0.0/0",)),
        Policy(domains=("here.example",)),
        Policy(networks=("127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "168.0.0.0/8", "224.0.0.0/4")),
    ]
    for policy in policies:
        assert "never reached" in (policy.refusal("here.example", address) or "")


@pytest.mark.parametrize(
    ("policy", "host", "address", "allowed"),
    [
        (Policy(), "a.example", "192.0.2.1", True),
        (Policy(block_all=True), "a.example", "192.0.2.1", False),
        (Policy(block_all=True, networks=("192.0.2.0/24",)), "a.example", "192.0.2.1", False),
        (Policy(networks=("192.0.2.0/24",)), "a.example", "192.0.2.1", True),
        (Policy(networks=("192.0.2.77/24",)), "192.0.2.1", "192.0.2.1", True),
        (Policy(networks=("192.0.2.0/24",)), "a.example", "192.0.3.1", False),
        (Policy(networks=("0.0.0.0/0",)), "a.example", "2001:db8::1", False),
        (Policy(domains=("a.example",)), "A.example.", "192.0.2.1", True),
        (Policy(domains=("a.example",)), "b.a.example", "192.0.2.1", False),
        (Policy(domains=("*.a.example",)), "b.a.example", "192.0.2.1", True),
        (Policy(domains=("*.a.example",)), "a.example", "192.0.2.1", False),
        (Policy(domains=("*.a.example",)), "evila.example", "192.0.2.1", False),
        (Policy(domains=("a.example",)), "192.0.2.1", "192.0.2.1", False),
        (Policy(domains=("a.example",), networks=("192.0.2.0/24",)), "b.example", "192.0.2.1", True),
        (Policy(domains=("a.example",), networks=("192.0.2.0/24",)), "a.example", "198.51.100.1", True),
    ],
)
def test_lists_allow_what_one_of_them_names(policy: Policy, host: str, address: str, allowed: bool):
    assert (policy.refusal(host, address) is None) is allowed
    assert not (allowed and policy.name_refusal(host))


def test_lists_are_read_as_the_protocol_says():
    assert parse_networks(" 10.0.0.0/8, ,192.0.2.1/32") == ("10.0.0.0/8", "192.0.2.1/32")
    assert parse_domains("a.example,*.b.example") == ("a.example", "*.b.example")
    for wrong in ("10.0.0.0", "10.0.0.0/33", "::/0", "10.0.0/8", "a.example", ",".join(["10.0.0.0/8"] * 11)):
        with pytest.raises(ValueError, match=r"."):
            parse_networks(wrong)
    for wrong in (
        "localhost",
        "a.example:80",
        "*.*.example",
        "a..example",
        "a.b1",
        "http://a.example",
        "," * 10,
    ):
        with pytest.raises(ValueError, match=r"."):
            parse_domains(wrong)
    assert matches("x.y.example", ("*.example",))


# What is asked


def test_requests_go_on_as_the_host_expects_them():
    head = parse_head(
        b"GET http://a.example:81/x?y HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\nA: b\r\n\r\n"
    )
    assert head.to_bytes() == b"GET /x?y HTTP/1.1\r\nHost: a.example:81\r\nA: b\r\nConnection: close\r\n\r\n"
    head = parse_head(
        b"GET http://[2001:db8::1] HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert (head.host, head.port) == ("2001:db8::1", 80)
    assert b"Host: [2001:db8::1]\r\nConnection: Upgrade\r\nUpgrade: websocket" in head.to_bytes()
    head = parse_head(b"CONNECT a.example:443 HTTP/1.1\r\n\r\n")
    assert (head.is_tunnel, head.host, head.port) == (True, "a.example", 443)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET https://a.example/ HTTP/1.1\r\n\r\n", b"CONNECT a.example HTTP/1.1\r\n\r\n",
        b"CONNECT a.example:x HTTP/1.1\r\n\r\n", b"GET http:///x HTTP/1.1\r\n\r\n", b"GET http://a/ HTTP/2\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\nA : b\r\n\r\n", b"GET http://a/ HTTP/1.1\r\nA\r\n\r\n", b"\x05\x01\x00\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(data: bytes):
    with pytest.raises(BadRequestError):
        parse_head(data)


# What is put into it

SECRET = Attached(b"dtn_secret_1", b"value", ("api.example",))


def test_values_take_the_place_of_placeholders():
    basic = base64.b64encode(b"user:dtn_secret_1")
    head = parse_head(
        b"POST http://api.example/?key=dtn_secret_1 HTTP/1.1\r\nAuthorization: Basic %b\r\nX-Key: a dtn_secret_1\r\n"
        b"Content-Length: 15\r\nExpect: 100-continue\r\n\r\n" % basic
    )
    filled, body = fill_in_body(fill_in(head, (SECRET,)), b"key=dtn_secret_1"[:15] + b"1", (SECRET,))
    assert filled.target == b"/?key=value"
    assert base64.b64decode(filled.get(b"authorization")[6:]) == b"user:value"
    assert (filled.get(b"x-key"), filled.get(b"content-length"), body) == (b"a value", b"9", b"key=value")
    assert filled.get(b"expect") == b""
    broken = Attached(b"dtn_secret_1", b"a\r\nX-Other: b", ())
    assert fill_in(head, (broken,)).get(b"x-key") == b"a aX-Other: b"


def test_only_permitted_hosts_learn_a_secret():
    anybody = Attached(b"p", b"v", ())
    assert permitted((SECRET, anybody), "api.example") == (SECRET, anybody)
    assert permitted((SECRET, anybody), "api.example.evil.example") == (anybody,)
    assert "value" not in repr(SECRET)


# With real sandboxes and real servers


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        told = {"path": self.path, "headers": dict(self.headers), "body": self.rfile.read(length).decode()}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on every address of this machine."""
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Echo)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def address() -> str:
    """An address of this machine that is not its loopback interface's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("203.0.113.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but that of its loopback interface")
        return str(sock.getsockname()[0])


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    with building() as builder:
        yield builder


class Way:
    """A sandbox and the gate before it; the rules can be changed, names lead where we say."""

    def __init__(
        self, builder: Builder, address: str, directory: Path, upstream: ssl.SSLContext | None = None
    ) -> None:
        self.rules = Rules(Policy())
        self.names = {
            "a.example": [address],
            "b.example": [address],
            "loop.example": ["127.0.0.1", "169.254.169.254"],
        }
        self.authority = open_authority(directory / "authority.pem")
        assert self.authority is not None
        env = dict.fromkeys(("http_proxy", "https_proxy"), PROXY) | {"CURL_CA_BUNDLE": TRUST_FILE}
        name = f"way-{time.monotonic_ns()}"
        self.box: Box = builder.box(name, network="proxy", env=env, trust=self.authority.pem)
        self.gate = Gate(lambda: self.rules, self.authority, resolve=self.resolve, upstream=upstream)
        self._thread: LoopThread = builder._thread
        assert self.box.sandbox.way_out is not None
        self._thread.run(self.gate.open(self.box.sandbox.way_out))

    async def resolve(self, host: str, _port: int) -> list[str]:
        if host.replace(".", "").isdigit():
            return [host]
        if host not in self.names:
            raise socket.gaierror(-2, "Name or service not known")
        return self.names[host]

    def get(self, url: str, *more: str) -> str:
        """Return what curl prints inside; it goes through the proxy because its environment says so."""
        return self.box.run(shlex.join(["curl", "-sS", "-m", "20", *more, url]))

    def limit(self, *secrets: Attached, **policy: Any) -> None:
        """Change the rules, in the thread of the gate as the platform does."""

        async def change() -> None:
            self.rules = Rules(Policy(**policy), secrets)
            self.gate.review()

        self._thread.run(change())

    def close(self) -> None:
        self._thread.run(self.gate.close())
        self.box.stop()


@pytest.fixture(scope="module")
def way(builder: Builder, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with closing(Way(builder, address, tmp_path_factory.mktemp("authority"))) as way:
        yield way


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as port:
        yield port


def test_names_are_resolved_outside_and_judged_by_where_they_lead(way: Way, port: int):
    way.limit()
    assert '"Host": "a.example:' in way.get(f"http://a.example:{port}/")
    assert "never reached" in way.get(f"http://loop.example:{port}/")
    assert "never reached" in way.get(f"http://127.0.0.1:{port}/", "--noproxy", "")
    assert "never reached" in way.get("http://169.254.169.254/latest/meta-data/")
    assert "cannot be resolved" in way.get("http://nowhere.example/")
    assert "curl: (56)" in way.get(f"https://loop.example:{port}/")


def test_lists_hold_and_can_be_changed_while_programs_run(way: Way, address: str, port: int):
    url = f"http://a.example:{port}/"
    way.limit(block_all=True)
    assert "is blocked" in way.get(url)
    way.limit(domains=("a.example",))
    assert '"path": "/"' in way.get(url)
    assert "in no list" in way.get(f"http://b.example:{port}/")
    assert "in no list" in way.get("http://nowhere.example/"), (
        "names that are refused anyway are not looked up"
    )
    assert "in no list" in way.get(f"http://{address}:{port}/")
    way.limit(networks=(f"{address}/32",))
    assert '"path": "/"' in way.get(f"http://b.example:{port}/")
    way.limit(networks=("198.51.100.0/24",))
    assert "in no list" in way.get(url)


HOLD = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"CONNECT " + sys.argv[2].encode() + b" HTTP/1.1\\r\\n\\r\\n")
print(s.recv(100), flush=True)
open("/tmp/held", "w").close()
print(s.recv(100))
"""


def test_a_connection_that_is_forbidden_later_is_cut(way: Way, address: str):
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.settimeout(30)
        way.limit()
        target = f"a.example:{server.getsockname()[1]}"
        program = f"python3 -c {shlex.quote(HOLD)} {PROXY_PORT} {target}"
        way.box.run(f"({program} > /tmp/told 2>&1; touch /tmp/cut) >/dev/null 2>&1 &")
        outside, _ = server.accept()
        with outside:
            outside.settimeout(30)
            way.box.run("until [ -e /tmp/held ]; do sleep 0.01; done")
            way.limit(domains=("a.example",))
            assert way.box.run("cat /tmp/cut 2>&1").startswith("cat:"), "it is allowed still"
            way.limit(networks=("198.51.100.0/24",))
            assert outside.recv(1) == b""
        way.box.run("until [ -e /tmp/cut ]; do sleep 0.01; done")
    assert "200 Connection established" in way.box.run("cat /tmp/told")


CROWD = """
import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
last = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(last.recv(100).splitlines()[0].decode())
"""


def test_one_sandbox_cannot_use_up_the_descriptors_of_the_platform(way: Way, port: int):
    way.limit()
    program = f"python3 -c {shlex.quote(CROWD)} {PROXY_PORT} {MOST_CONNECTIONS}"
    assert way.box.run(program) == "HTTP/1.1 503 Service Unavailable\n"
    deadline = time.monotonic() + 30
    while '"path": "/x"' not in way.get(f"http://a.example:{port}/x"):
        assert time.monotonic() < deadline, "the crowd is gone, and so are its connections"


def test_much_data_passes_in_both_directions(way: Way, port: int):
    way.limit()
    way.box.run("head -c 3000000 /dev/zero | tr '\\0' x > /tmp/big")
    sizes = way.get(
        f"http://a.example:{port}/",
        "-X",
        "POST",
        "--data-binary",
        "@/tmp/big",
        "-o",
        "/tmp/back",
        "-w",
        "%{size_download}",
    )
    assert int(sizes) > 3000000


def test_secrets_are_put_into_what_permitted_hosts_get(way: Way, port: int):
    way.limit(Attached(b"dtn_secret_1", b"value", ("a.example",)))
    arguments = ["-H", "X-Key: dtn_secret_1", "-u", "me:dtn_secret_1", "-d", '{"key": "dtn_secret_1"}']
    told = json.loads(way.get(f"http://a.example:{port}/?q=dtn_secret_1", *arguments))
    assert (told["path"], told["headers"]["X-Key"], told["body"]) == (
        "/?q=value",
        "value",
        '{"key": "value"}',
    )
    assert base64.b64decode(told["headers"]["Authorization"][6:]) == b"me:value"
    told = json.loads(way.get(f"http://b.example:{port}/?q=dtn_secret_1", *arguments))
    assert (told["path"], told["headers"]["X-Key"]) == ("/?q=dtn_secret_1", "dtn_secret_1")


@pytest.fixture
def encrypted(builder: Builder, address: str, tmp_path: Path) -> Iterator[tuple[Way, int]]:
    """A way out, and a server with a certificate of somebody whom the platform trusts."""
    (tmp_path / "else").mkdir()
    somebody = open_authority(tmp_path / "else" / "authority.pem")
    assert somebody is not None
    trusting = ssl.create_default_context(cadata=somebody.pem)
    with (
        serving(somebody.context_for("a.example")) as port,
        closing(Way(builder, address, tmp_path, trusting)) as way,
    ):
        way.box.write("/tmp/somebody.pem", somebody.pem.encode())
        yield way, port


def test_secrets_are_put_into_encrypted_requests_too(encrypted: tuple[Way, int]):
    way, port = encrypted
    url = f"https://a.example:{port}/"
    way.limit(Attached(b"dtn_secret_1", b"value", ("a.example",)))
    told = json.loads(way.get(url, "-H", "Authorization: Bearer dtn_secret_1"))
    assert told["headers"]["Authorization"] == "Bearer value"
    code = (
        "import os, ssl, urllib.request as u; r = u.Request(os.environ['URL'], headers={'X-Key': 'dtn_secret_1'});"
        f" print(u.urlopen(r, context=ssl.create_default_context(cafile='{TRUST_FILE}')).read().decode())"
    )
    assert '"X-Key": "value"' in way.box.run(f"URL={url} python3 -c {shlex.quote(code)}")


def test_without_a_secret_for_the_host_nobody_looks_inside(encrypted: tuple[Way, int]):
    """The program meets the host's own certificate, which it must trust itself."""
    way, port = encrypted
    url = f"https://a.example:{port}/"
    way.limit(Attached(b"dtn_secret_1", b"value", ("b.example",)))
    assert "curl: (60)" in way.get(url)
    told = json.loads(way.get(url, "--cacert", "/tmp/somebody.pem", "-H", "X-Key: dtn_secret_1"))
    assert told["headers"]["X-Key"] == "dtn_secret_1"


def test_a_host_with_a_wrong_certificate_is_told_no_secret(encrypted: tuple[Way, int]):
    way, port = encrypted
    way.limit(Attached(b"dtn_secret_1", b"value", ()))
    assert "cannot be reached" in way.get(f"https://b.example:{port}/", "-H", "X-Key: dtn_secret_1")


def test_the_authority_is_kept_and_its_key_is_private(tmp_path: Path):
    file = tmp_path / "authority.pem"
    first, second = open_authority(file), open_authority(file)
    assert first is not None
    assert second is not None
    assert first.pem == second.pem
    assert "PRIVATE" not in first.pem
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.context_for("a.example") is first.context_for("a.example")


def test_without_the_package_nothing_encrypted_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert open_authority(tmp_path / "authority.pem") is None
    record = msgspec.structs.replace(new_record(CreateSandbox(), 0.0), secrets={"K": "dtn_secret_1"})
    isolation = Isolation(tier="namespace", network="proxy", limits={}, notes=[])
    told = full(record, "", isolation)["isolation"]
    assert isinstance(told, Isolation)
    assert any("plain HTTP only" in note for note in told.notes)


# Through the API


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform() as platform:
        yield platform


def curl(platform: Platform, sandbox: Any, url: str, *more: str) -> str:
    return str(platform.execute(sandbox["id"], shlex.join(["curl", "-sS", "-m", "20", *more, url]))["result"])


def test_the_lists_of_a_sandbox_are_those_of_its_record(platform: Platform, address: str, port: int):
    url = f"http://{address}:{port}/"
    sandbox = platform.create(name="listed", networkAllowList=f"{address}/32")
    assert (sandbox["networkAllowList"], sandbox["isolation"]["network"]) == (f"{address}/32", "proxy")
    assert '"path"' in curl(platform, sandbox, url)

    def change(**settings: object) -> Any:
        answer = platform.api("POST", "/sandbox/listed/network-settings", settings)
        assert answer.status == 200, answer.body
        return answer.json

    changed = change(networkBlockAll=True)
    assert (changed["networkBlockAll"], changed["networkAllowList"]) == (True, None)
    assert changed["isolation"]["network"] == "none"
    assert "is blocked" in curl(platform, sandbox, url)
    changed = change(domainAllowList="a.example")
    assert (changed["networkBlockAll"], changed["domainAllowList"]) == (True, "a.example")
    changed = change(networkAllowList="198.51.100.0/24")
    assert (changed["networkBlockAll"], changed["networkAllowList"]) == (False, "198.51.100.0/24")
    assert "in no list" in curl(platform, sandbox, url)
    change(networkAllowList=f"198.51.100.0/24, {address}/32")
    assert '"path"' in curl(platform, sandbox, url)
    change(networkBlockAll=False, domainAllowList="")
    assert '"path"' in curl(platform, sandbox, url)
    assert "never reached" in curl(platform, sandbox, f"http://127.0.0.1:{port}/", "--noproxy", "")
    platform.api("POST", "/sandbox/listed/stop")
    started = platform.api("POST", "/sandbox/listed/start").json
    assert started["isolation"]["network"] == "host"


def test_the_network_of_the_machine_cannot_be_taken_from_a_running_sandbox(platform: Platform):
    platform.create(name="open")
    answer = platform.api("POST", "/sandbox/open/network-settings", {"domainAllowList": "a.example"})
    assert (answer.status, "stop it first" in answer.json["message"]) == (400, True)
    platform.api("POST", "/sandbox/open/stop")
    answer = platform.api("POST", "/sandbox/open/network-settings", {"domainAllowList": "a.example"})
    assert answer.json["domainAllowList"] == "a.example"
    assert platform.api("POST", "/sandbox/open/start").json["isolation"]["network"] == "proxy"


@pytest.mark.parametrize("body", [{"networkAllowList": "::/0"}, {"domainAllowList": "localhost"}])
def test_lists_that_cannot_be_read_are_refused(platform: Platform, body: dict[str, str]):
    assert platform.api("POST", "/sandbox", body).status == 400
    sandbox = platform.create()
    assert platform.api("POST", f"/sandbox/{sandbox['id']}/network-settings", body).status == 400


def test_a_sandbox_with_a_secret_has_it_put_into_its_requests(platform: Platform, address: str, port: int):
    secret = platform.api("POST", "/secret", {"name": "KEY", "value": "first", "hosts": [address]}).json
    sandbox = platform.create(name="knowing", secrets=[{"API_KEY": "KEY"}])
    command = f'echo $API_KEY; curl -sS -m 20 -H "X-Key: $API_KEY" http://{address}:{port}/'

    def key() -> tuple[str, str]:
        shown, told = platform.execute(sandbox["id"], command)["result"].split("\n", 1)
        return shown, json.loads(told)["headers"]["X-Key"]

    assert key() == (secret["placeholder"], "first")
    platform.api("PATCH", f"/secret/{secret['id']}", {"value": "second"})
    assert key() == (secret["placeholder"], "second")
    platform.api("PATCH", f"/secret/{secret['id']}", {"hosts": ["elsewhere.example"]})
    assert key() == (secret["placeholder"], secret["placeholder"])
    assert (
        "second" not in platform.execute(sandbox["id"], "env; cat /run/daytona/trust.pem | tail -3")["result"]
    )
    trusted = platform.execute(sandbox["id"], "grep -c BEGIN $SSL_CERT_FILE; grep PRIVATE $SSL_CERT_FILE")[
        "result"
    ]
    assert int(trusted) > 1


def test_a_sandbox_that_was_started_without_secrets_says_that_it_needs_a_start(platform: Platform):
    platform.api("POST", "/secret", {"name": "LATE", "value": "v"})
    platform.create(name="late")
    changed = platform.api("PUT", "/sandbox/late/secrets", {"secrets": [{"K": "LATE"}]}).json
    assert any("until the next start" in note for note in changed["isolation"]["notes"])
    platform.api("POST", "/sandbox/late/stop")
    started = platform.api("POST", "/sandbox/late/start").json
    assert started["isolation"]["network"] == "proxy"
    assert not any("until the next start" in note for note in started["isolation"]["notes"])


@needs_root
def test_all_of_this_holds_for_an_ordinary_user():
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
