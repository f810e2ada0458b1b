"""The lists hold for every program: connections that know nothing of a proxy are led out, judged, and take part in changes."""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import threading
from contextlib import closing, contextmanager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local import diagnosis
from daytona_plugins.local.diagnosis import diagnose
from daytona_plugins.local.egress import openings
from daytona_plugins.local.egress.gate import MOST_CONNECTIONS
from daytona_plugins.local.egress.names import MOST_ADDRESSES, MOST_NAMES, Destination, ToldNames
from daytona_plugins.local.egress.openings import MOST_HOSTS
from daytona_plugins.local.egress.policy import Policy
from daytona_plugins.local.runtime import zygote_process
from daytona_plugins.local.runtime.netlink import transact
from daytona_plugins.local.runtime.nftables import batch, no_rules
from daytona_plugins.local.runtime.redirection import explain, narrow, widen
from daytona_plugins.local.runtime.spec import OWN_ADDRESS, RESOLVER_ADDRESS
from tests.local.ordinary_user import needs_root, run_as_ordinary_user
from tests.local.platform_process import Platform, running_platform
from tests.local.redirecting import need_redirection
from tests.local.test_egress import Way, address, port
from tests.local.test_escape import Builder, building
from tests.local.test_runtime import PATCHED_BOOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.paths import Paths

__all__ = ["address", "port"]  # fixtures

EVERYWHERE = ("0.0.0.0/0",)


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    with building() as builder:
        yield builder


@pytest.fixture(scope="module")
def way(builder: Builder, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with closing(Way(builder, address, tmp_path_factory.mktemp("authority"))) as way:
        need_redirection(way.box.sandbox.isolation.notes)
        yield way


def directly(way: Way, url: str) -> str:
    """Return what a program without a proxy gets."""
    return way.get(url, "--noproxy", "*")


def was_refused(told: str) -> bool:
    """Return whether curl has not even been connected."""
    return "curl: (7)" in told


TALK = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as s:
        s.sendall(sys.argv[3].encode())
        s.shutdown(socket.SHUT_WR)
        print(b"".join(iter(lambda: s.recv(65536), b"")).decode())
except OSError as error:
    print(type(error).__name__)
"""


def talk(way: Way, host: str, port: int, said: str = "hello") -> str:
    """Return what comes back over a plain socket, or the name of the error."""
    return way.box.run(shlex.join(["python3", "-c", TALK, host, str(port), said])).rstrip("\n")


@contextmanager
def echoing() -> Iterator[int]:
    """Serve one connection after the other on every address: all that it says comes back when it has ended."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        thread = threading.Thread(target=_echo, args=(server,))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RD)
            thread.join()


def _echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            heard = b"".join(iter(lambda sock=connection: sock.recv(65536), b""))
            connection.sendall(heard)


def test_a_program_without_a_proxy_reaches_what_is_allowed(way: Way, address: str, port: int) -> None:
    way.limit(networks=(f"{address}/32",))
    assert '"path": "/x"' in directly(way, f"http://{address}:{port}/x")
    assert '"Host": "a.example:' in directly(way, f"http://a.example:{port}/")
    with echoing() as other:
        assert talk(way, address, other) == "hello"
        way.limit(networks=("198.51.100.0/24",))
        assert talk(way, address, other) == "ConnectionRefusedError"
    assert was_refused(directly(way, f"http://{address}:{port}/x"))


def test_a_name_opens_the_addresses_that_it_leads_to(way: Way, address: str, port: int) -> None:
    way.limit(domains=("b.example",))
    assert was_refused(directly(way, f"http://{address}:{port}/")), "nobody has told the name yet"
    assert "curl: (6)" in directly(way, f"http://a.example:{port}/")
    assert '"path": "/"' in directly(way, f"http://b.example:{port}/")
    assert '"path": "/"' in directly(way, f"http://{address}:{port}/")
    way.limit(domains=("c.example",))
    assert was_refused(directly(way, f"http://{address}:{port}/"))


def test_nothing_but_that_gets_out(way: Way, address: str, port: int) -> None:
    for policy in ({"networks": ("198.51.100.0/24",)}, {"domains": ("c.example",)}, {"block_all": True}):
        way.limit(**policy)
        assert way.box.attempt(network="none", address=address, port=port, file=__file__) == {}
    assert way.box.run("tail -n +3 /proc/net/dev | cut -d: -f1").split() == ["lo"]


def test_no_list_opens_the_machine_or_its_metadata(way: Way, port: int) -> None:
    way.limit(networks=EVERYWHERE)
    assert talk(way, "169.254.169.254", 80) == "ConnectionRefusedError"
    assert talk(way, "0.0.0.0", port) == "ConnectionRefusedError", "it is the sandbox itself"
    assert talk(way, "127.0.0.1", port) == "ConnectionRefusedError"
    assert talk(way, OWN_ADDRESS, port) == "ConnectionRefusedError"
    assert way.box.run("getent hosts loop.example || echo none") == "none\n", "a name may lead here"


def test_what_a_sandbox_serves_itself_is_not_led_out(way: Way) -> None:
    way.limit(block_all=True)
    way.box.run("(cd /tmp; python3 -m http.server 8123 >/dev/null 2>&1 &)")
    for host in ("127.0.0.1", "localhost", OWN_ADDRESS):
        fetch = f"until curl -fsS --noproxy '*' http://{host}:8123/ 2>/dev/null; do sleep 0.05; done"
        assert "Directory listing" in way.box.run(fetch, timeout=30)


def test_when_everything_is_blocked_nobody_believes_to_be_connected(
    way: Way, address: str, port: int
) -> None:
    way.limit(block_all=True)
    assert "curl: (7)" in directly(way, f"http://{address}:{port}/")
    way.limit(block_all=True)
    assert "curl: (6)" in directly(way, f"http://a.example:{port}/")
    way.limit()
    assert '"path": "/"' in directly(way, f"http://a.example:{port}/")


def test_where_the_kernel_cannot_be_told_the_gate_judges_all_the_same(
    way: Way, address: str, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    way.limit()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    with monkeypatch.context() as patched:
        patched.setattr(openings, "narrow", refuse)
        way.limit(networks=("198.51.100.0/24",))
    assert talk(way, address, port) == "ConnectionResetError"
    assert "the network of a sandbox could not be changed: [Errno 2]" in caplog.text
    way.limit()
    assert '"path": "/"' in directly(way, f"http://{address}:{port}/")


def test_a_closed_port_resets(way: Way, address: str) -> None:
    way.limit()
    with socket.create_server((address, 0)) as server:
        closed = server.getsockname()[1]
    assert talk(way, address, closed) == "ConnectionResetError"


def test_much_is_said_before_an_answer_and_all_of_it_arrives(way: Way, address: str) -> None:
    way.limit()
    code = TALK.replace("sys.argv[3].encode()", "b'x' * 3_000_000").replace(".decode())", ".count(b'x'))")
    with echoing() as other:
        assert way.box.run(shlex.join(["python3", "-c", code, address, str(other)])) == "3000000\n"


LISTEN_ON = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as s:
    assert s.recv(1) == b"", "the other side has said all"
    s.sendall(b"x" * 300_000)
"""


def test_who_has_said_all_may_still_listen(way: Way, address: str) -> None:
    way.limit()
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.settimeout(30)
        program = shlex.join(["python3", "-c", LISTEN_ON, address, str(server.getsockname()[1])])
        way.box.run(f"({program} >/dev/null 2>&1 &)")
        outside, _ = server.accept()
        with outside:
            outside.settimeout(30)
            outside.shutdown(socket.SHUT_WR)
            assert sum(map(len, iter(lambda: outside.recv(65536), b""))) == 300_000


def test_a_connection_that_is_forbidden_later_is_cut(way: Way, address: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.settimeout(30)
        way.limit(networks=EVERYWHERE)
        program = shlex.join(["python3", "-c", LISTEN_ON, address, str(server.getsockname()[1])])
        way.box.run(f"({program} >/dev/null 2>&1 &)")
        outside, _ = server.accept()
        with outside:
            outside.settimeout(30)
            way.limit(networks=("198.51.100.0/24",))
            assert has_ended(outside)


def has_ended(outside: socket.socket) -> bool:
    """Return whether nothing comes any more; a connection that was cut as it began is not reset, but ended."""
    try:
        return outside.recv(1) == b""
    except ConnectionResetError:
        return True


CROWD = """
import socket, sys
crowd = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) for _ in range(int(sys.argv[3]) + 1)]
try:
    print(crowd[-1].recv(1))
except ConnectionResetError:
    print("one too many")
"""


def test_one_sandbox_cannot_use_up_the_descriptors_of_the_platform(way: Way, address: str) -> None:
    way.limit()
    with socket.create_server((address, 0), backlog=MOST_CONNECTIONS) as server:
        program = ["python3", "-c", CROWD, address, str(server.getsockname()[1]), str(MOST_CONNECTIONS)]
        assert way.box.run(shlex.join(program)) == "one too many\n"


ASK = """
import socket, struct, sys
labels = b"".join(bytes([len(label)]) + label.encode() for label in sys.argv[2].split("."))
question = struct.pack(">6H", 7, 256, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, 1, 1)
if sys.argv[1] == "stream":
    with socket.create_connection(("192.0.0.1", 53), timeout=20) as s:
        for _ in range(2):
            s.sendall(struct.pack(">H", len(question)) + question)
            (length,) = struct.unpack(">H", s.recv(2, socket.MSG_WAITALL))
            answer = s.recv(length, socket.MSG_WAITALL)
else:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        s.sendto(b"nonsense", ("192.0.0.1", 53))
        s.sendto(question, ("192.0.0.1", 53))
        answer, sender = s.recvfrom(512)
        assert sender == ("192.0.0.1", 53), sender
print(answer[3] & 15, *answer[-4:])
"""


@pytest.mark.parametrize("kind", ["datagram", "stream"])
def test_the_name_server_is_where_programs_look_for_it(way: Way, address: str, kind: str) -> None:
    way.limit(domains=("a.example",))
    assert way.box.run("cat /etc/resolv.conf") == f"nameserver {RESOLVER_ADDRESS}\n"
    ask = ["python3", "-c", ASK, kind]
    assert way.box.run(shlex.join([*ask, "a.example"])) == f"0 {address.replace('.', ' ')}\n"
    assert way.box.run(shlex.join([*ask, "b.example"])).startswith("3 ")


def test_a_port_like_the_name_servers_can_be_served_inside(way: Way) -> None:
    code = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('0.0.0.0', 53)); print('bound')"
    assert way.box.run(shlex.join(["python3", "-c", code])) == "bound\n"


# What was told


def test_a_destination_is_judged_by_every_name_it_was_told_under() -> None:
    told = ToldNames()
    told.tell("a.example", ["192.0.2.1", "192.0.2.2"])
    told.tell("b.example", ["192.0.2.1"])
    assert told.destination("192.0.2.1") == Destination("192.0.2.1", ("a.example", "b.example"))
    assert told.destination("192.0.2.3") == Destination("192.0.2.3", ())
    assert told.destination("192.0.2.1").refusal(Policy(domains=("a.example",))) is None
    assert "b.example" in (told.destination("192.0.2.1").refusal(Policy(domains=("c.example",))) or "")
    assert "192.0.2.3" in (told.destination("192.0.2.3").refusal(Policy(domains=("a.example",))) or "")


def test_a_name_that_leads_to_the_machine_does_not_open_it() -> None:
    told = ToldNames()
    told.tell("a.example", ["127.0.0.1"])
    assert "never reached" in (told.destination("127.0.0.1").refusal(Policy(domains=("a.example",))) or "")


def test_what_was_told_long_ago_is_forgotten() -> None:
    told = ToldNames()
    for number in range(MOST_NAMES + 1):
        told.tell(f"{number}.example", ["192.0.2.1"])
    assert told.destination("192.0.2.1").names == tuple(f"{n}.example" for n in range(1, MOST_NAMES + 1))
    told.tell("a.example", [f"10.0.{n // 256}.{n % 256}" for n in range(MOST_ADDRESSES)])
    assert told.destination("192.0.2.1").names == ()
    assert told.destination("10.0.0.0").names == ("a.example",)


# What the kernel is told


def test_thousands_of_addresses_fit_into_the_kernel(way: Way) -> None:
    hosts = [str(IPv4Address("10.0.0.0") + number) for number in range(MOST_HOSTS)]
    kernel = way.box.sandbox.way_out.rules if way.box.sandbox.way_out else None
    assert kernel is not None
    narrow(kernel, [], hosts)
    widen(kernel, hosts[:10])
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            transact(kernel, batch(no_rules("absent", "lead"), no_rules("absent", "keep")))
    widen(kernel, ["192.0.2.1"])
    way.limit()


# Where the kernel does not redirect

REFUSED = "from daytona_plugins.local.runtime import netlink; netlink.transact = refuse"


def test_where_the_kernel_redirects_nothing_the_proxy_is_the_one_way_out_and_that_is_told(
    address: str, port: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote_process, "BOOT", PATCHED_BOOT.format(patch=REFUSED))
    with building() as builder, closing(Way(builder, address, tmp_path_factory.mktemp("authority"))) as way:
        way.limit()
        assert '"path": "/x"' in way.get(f"http://a.example:{port}/x")
        assert "curl: (7)" in directly(way, f"http://{address}:{port}/x")
        assert "curl: (6)" in directly(way, f"http://a.example:{port}/x")
        assert way.box.attempt(network="none", address=address, port=port, file=__file__) == {}
        way.limit(block_all=True)
        notes = [note for note in way.box.sandbox.isolation.notes if "Only programs that use a proxy" in note]
    assert len(notes) == 1
    assert "Operation not permitted" in notes[0]
    assert "outside of containers" in notes[0]


def test_what_helps_depends_on_what_was_refused() -> None:
    for number in (errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EINVAL):
        assert "modprobe" in explain(OSError(number, os.strerror(number)))
    assert "outside of containers" in explain(PermissionError(errno.EPERM, "Operation not permitted"))
    assert "Input/output error" in explain(OSError("nothing is known about it"))


def test_the_doctor_and_the_sandboxes_say_the_same(builder: Builder, paths: Paths) -> None:
    box = builder.box("told", network="proxy")
    assert box.sandbox.way_out is not None
    box.sandbox.way_out.close()
    alone = any("Only programs that use a proxy" in note for note in box.sandbox.isolation.notes)
    told = "\n".join(diagnose(paths))
    assert ("the lists hold for every program" in told) != alone
    assert ("only programs that use a proxy" in told) == alone


def test_the_doctor_says_what_helps(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = explain(OSError(errno.ENOENT, ""))
    monkeypatch.setattr(diagnosis, "try_redirection", lambda: missing)
    assert f"only programs that use a proxy reach anything\n  more: {missing}" in "\n".join(diagnose(paths))


# Through the API


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform() as platform:
        yield platform


def test_a_change_of_the_lists_holds_for_every_program(platform: Platform, address: str, port: int) -> None:
    sandbox = platform.create(name="listed", networkAllowList=f"{address}/32")
    need_redirection(sandbox["isolation"]["notes"])

    def fetched() -> str:
        command = f"curl -sS -m 20 --noproxy '*' http://{address}:{port}/x 2>&1"
        return str(platform.execute(sandbox["id"], command)["result"])

    def change(**settings: object) -> None:
        assert platform.api("POST", "/sandbox/listed/network-settings", settings).status == 200

    assert json.loads(fetched())["path"] == "/x"
    change(networkAllowList="198.51.100.0/24")
    assert was_refused(fetched())
    change(networkBlockAll=True)
    assert "curl: (7)" in fetched()
    change(networkAllowList=f"{address}/32")
    assert json.loads(fetched())["path"] == "/x"


@needs_root
def test_all_of_this_holds_for_an_ordinary_user() -> None:
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
