"""What a sandbox promises, tried from the inside: nothing in the table of `escape_attempts` gets out."""

from __future__ import annotations

import json
import os
import shlex
import socket
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.runtime import zygote_process
from daytona_plugins.local.runtime.idmaps import SHIFTED_TO
from daytona_plugins.local.runtime.runner import Runner, RunningSandbox, SandboxSpec
from tests.local import escape_attempts
from tests.local.conftest import Agent, LoopThread, temporary_paths
from tests.local.ordinary_user import needs_root, run_as_ordinary_user
from tests.local.test_runtime import PATCHED_BOOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.paths import Paths

SCRIPT = Path(escape_attempts.__file__)


class Box(Agent):
    """A sandbox to get out of."""

    def __init__(self, thread: LoopThread, sandbox: RunningSandbox) -> None:
        super().__init__(sandbox.socket_path)
        self.sandbox = sandbox
        self.pid = sandbox.pid
        self._thread = thread

    def stop(self) -> None:
        """End it at once."""
        self._thread.run(self.sandbox.stop(grace=0))

    def attempt(self, **host: Any) -> dict[str, str]:
        """Return what came of every attempt that was not refused, by its name, unless the sandbox itself tells of it."""
        self.write("/tmp/attempts.py", SCRIPT.read_bytes())
        outcomes = json.loads(
            self.run(f"ESCAPE_HOST={shlex.quote(json.dumps(host))} python3 /tmp/attempts.py")
        )
        expected = escape_attempts.NETWORK_ATTEMPTS if host["network"] == "none" else {}
        assert set(outcomes) >= set(escape_attempts.ATTEMPTS | expected)
        told = " ".join(self.sandbox.isolation.notes)
        owned = (
            {"abstract socket"} if "Abstract Unix sockets of the host can be reached" in told else set[str]()
        )
        return {
            name: got for name, got in outcomes.items() if not got.startswith("refused") and name not in owned
        }


class Builder:
    """Builds sandboxes; the directories and the process it uses are known to the tests."""

    def __init__(self, thread: LoopThread, runner: Runner, paths: Paths) -> None:
        self.runner, self.paths = runner, paths
        self._thread = thread

    def box(self, name: str, **fields: Any) -> Box:
        """Return a new sandbox, or the next life of one that was stopped."""
        spec = SandboxSpec(id=name, hostname=name, upper=str(self.paths.sandbox(name)), **fields)
        return Box(self._thread, self._thread.run(self.runner.spawn(spec)))


@contextmanager
def building() -> Iterator[Builder]:
    with temporary_paths() as paths, closing(LoopThread()) as thread:
        try:
            runner: Runner = thread.run(Runner.start(paths))
        except DaytonaLocalPlatformError as error:
            pytest.skip(str(error))
        try:
            yield Builder(thread, runner, paths)
        finally:
            thread.run(runner.close())


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    with building() as builder:
        yield builder


@pytest.mark.parametrize("network", ["host", "none"])
def test_nothing_gets_out(builder: Builder, network: str):
    paths = builder.paths
    for file in (paths.key_file, paths.database, paths.endpoint_file):
        file.write_text("secret")
    box = builder.box(f"attempts-{network}", network=network)
    with closing(socket.create_server(("0.0.0.0", 0))) as server, closing(_abstract_server()) as abstract:
        got = box.attempt(
            network=network,
            file=__file__,
            database=str(paths.database),
            key=str(paths.key_file),
            endpoint=str(paths.endpoint_file),
            sockets=str(box.path.parent),
            pids=[os.getpid(), builder.runner.zygote_pid, box.pid],
            abstract=abstract.getsockname()[1:].decode(),
            port=server.getsockname()[1],
            address=_own_address(),
        )
    assert got == {}


def _abstract_server() -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"\0daytona-test-{os.getpid()}")
    server.listen()
    return server


def _own_address() -> str:
    """Return the address of this machine that others know it by; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return "192.0.2.1"
        return str(sock.getsockname()[0])


def test_nobody_outside_has_the_user_of_a_sandbox(builder: Builder):
    """As root the platform gives sandboxes an id that no file and no process of the host has."""
    box = builder.box("ids")
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{box.pid}/status").read_text().splitlines())
    outside = SHIFTED_TO if os.getuid() == 0 else os.getuid()
    assert set(map(int, status["Uid"].split())) == {outside}
    assert os.getuid() != 0 or status["Groups"].strip() == ""
    assert box.run("id -u; touch x; stat -c %u x") == "0\n0\n"
    file = builder.paths.sandbox("ids") / "root/files/home/daytona/x"
    assert file.stat().st_uid == os.getuid(), "ids on disk are those seen inside"


@needs_root
def test_the_ids_of_files_are_kept_on_disk(builder: Builder):
    box = builder.box("owners")
    assert box.run("touch x; chown 33:34 x; stat -c %u:%g x /usr/bin/env") == "33:34\n0:0\n"
    file = builder.paths.sandbox("owners") / "root/files/home/daytona/x"
    assert (file.stat().st_uid, file.stat().st_gid) == (33, 34)


def test_root_without_shifted_ids_says_so(monkeypatch: pytest.MonkeyPatch):
    """A file system that cannot be mounted with other ids is no reason to have no sandboxes, but one to tell."""
    patch = "from daytona_plugins.local.runtime import zygote; zygote.shift = refuse"
    monkeypatch.setattr(zygote_process, "BOOT", PATCHED_BOOT.format(patch=patch))
    with building() as builder:
        box = builder.box("plain")
        told = any("root outside" in note for note in box.sandbox.isolation.notes)
        assert told == (os.getuid() == 0)
        assert box.attempt(network="host", file=__file__, pids=[os.getpid()]) == {}


OWN_FILES = ("pipe:", "/dev/null", "/dev/pts/", "/tmp/", "/memfd:", "/home/daytona/.daytona/")
DESCRIPTORS = (
    "import os; fds = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')];"
    " print(*(os.readlink(fd).replace(' ', '') for fd in fds if os.path.exists(fd) or os.path.islink(fd)))"
)


def test_programs_inherit_nothing_of_the_agent(builder: Builder):
    box = builder.box("descriptors")
    program = f"python3 -c {shlex.quote(DESCRIPTORS)}"
    box.post("/process/session", {"sessionId": "s"})
    outputs = [
        box.run(f"exec {program}"),
        box.post("/process/code-run", {"code": DESCRIPTORS, "language": "python"}).json["result"],
        box.post("/process/session/s/exec", {"command": program}).json["output"].replace("\x01", ""),
    ]
    for output in outputs:
        assert len(output.split()) >= 3, output
        assert [name for name in output.split() if not name.startswith(OWN_FILES)] == []


def test_crashes_start_no_program_of_the_host(builder: Builder):
    """The kernel pipes a crash into the host's handler, as root, unless the limit is exactly one byte."""
    box = builder.box("crashes")
    code = "import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))"
    assert box.run(f"python3 -c {shlex.quote(code)}") == "1 1\n"


RUN_AWAY = """
import os, signal
for number in range(1, 32):
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_IGN)
for _ in range(2):
    if os.fork():
        os._exit(0)
    os.setsid()
open('/tmp/away', 'w').close()
while True:
    signal.pause()
"""


def test_nothing_outlives_its_sandbox(builder: Builder):
    """Processes that have left their session, their parent and all signals behind go with process 1."""
    marker = f"outlives-{os.getpid()}"
    box = builder.box("runaway")
    box.run(f"(nohup python3 -c {shlex.quote(RUN_AWAY)} {marker} >/dev/null 2>&1 &)")
    box.run("until [ -e /tmp/away ]; do sleep 0.01; done")
    assert len(_with_argument(marker)) == 1
    box.stop()
    assert _with_argument(marker) == []


def _with_argument(argument: str) -> list[str]:
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended while we looked
            if argument.encode() in file.read_bytes().split(b"\0"):
                found.append(file.parent.name)
    return found


LISTEN = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(chr(0) + sys.argv[1])
server.listen()
open('/tmp/bound', 'w').close()
server.accept()
"""


def test_sandboxes_do_not_see_each_other(builder: Builder):
    name = f"sibling-{os.getpid()}"
    one, two = builder.box("one"), builder.box("two")
    one.run(
        f"touch /tmp/mine /dev/shm/mine /run/mine mine; python3 -c {shlex.quote(LISTEN)} {name} >/dev/null 2>&1 &"
    )
    one.run("until [ -e /tmp/bound ]; do sleep 0.01; done; ipcmk -Q")
    assert "mine" not in two.run("ls /tmp /dev/shm /run /home/daytona")
    assert "0x" not in two.run("ipcs -q")
    assert two.attempt(network="host", abstract=name, pids=[one.pid]) == {}


def test_a_sandbox_cannot_hold_up_its_next_start(builder: Builder):
    """The one who builds it does so for all others too, so a pipe without a writer must not be opened."""
    for trap in ("mkfifo {}", "mkdir -p {}/x", "ln -s /etc/passwd {}", "ln -s /nowhere/at/all {}", "true"):
        box = builder.box("traps")
        assert box.run("cat /etc/hostname; head -c 7 /etc/passwd") == "traps\ndaytona"
        for file in ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf"):
            box.run(f"rm {file}; {trap.format(file)}")
        box.stop()


@needs_root
def test_all_of_this_holds_for_an_ordinary_user():
    """Run this file again as a user without any rights."""
    run_as_ordinary_user(__file__)
