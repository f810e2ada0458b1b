"""The child's side of building a sandbox: from a fork of the zygote to process 1 that serves.

The zygote forks it into new namespaces and writes the maps of ids, which takes a right outside. Then the child is an
*embryo*: it does what is the same for every sandbox, and waits. Told which sandbox it is to be, it builds the root, tells the
zygote how it went, closes itself off, and serves. The last two are done while the answer is on its way to the client:
requests wait in the socket's backlog.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from daytona_plugins.local.agent.main import Agent
from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.hostimage import HostImage
from daytona_plugins.local.runtime.messages import MESSAGE_LIMIT, decode_spawn
from daytona_plugins.local.runtime.privileges import (
    become_root,
    close_off_sockets,
    give_up_privileges,
    hide_from_inside,
    limit_processes,
    limit_programs,
    set_command_line,
)
from daytona_plugins.local.runtime.procplan import ProcPlan
from daytona_plugins.local.runtime.redirection import explain, redirect_everything
from daytona_plugins.local.runtime.rootfs import (
    begin_root,
    build_root,
    host_trees,
    make_layer,
    write_identity,
    write_trust,
)
from daytona_plugins.local.runtime.skeleton import SYSTEM_PATH
from daytona_plugins.local.runtime.way_out import WayOut, open_way_out

if TYPE_CHECKING:
    from daytona_plugins.local.runtime.spec import SandboxSpec

MAPPED: Final = b"mapped"


class Built(msgspec.Struct, tag=True):
    """Process 1 is complete: who connects or signals now is answered when the agent has started."""

    scoped_sockets: bool
    loopback: bool
    unredirected: str = ""
    """Why connections cannot be redirected, where they were to be."""


class BuildFailed(msgspec.Struct, tag=True):
    """A step was refused."""

    message: str
    errno: int | None


Report = Built | BuildFailed
decode_report = msgspec.json.Decoder(Report).decode


class Inheritance(msgspec.Struct):
    """What a sandbox gets from outside, whatever it is to be."""

    image: HostImage
    proc: ProcPlan
    lifeline: int
    """Reads end of file when the zygote is gone."""
    shifted: bool
    """Whether user 0 of the sandbox is another one than ours."""
    blank: str
    """A layer in which nothing has been written, for a sandbox that is to come."""


NAMESPACES: Final = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWCGROUP
)
"""What every sandbox has of its own; some get a network too."""


def become_process_1(channel: socket.socket, own: Inheritance) -> NoReturn:
    """Run as the first process of the new namespaces, once the zygote has said that there are ids in them."""
    status = 1
    try:
        if channel.recv(64) == MAPPED:
            status = _live(channel, own)
    finally:
        os._exit(status)


def _live(channel: socket.socket, own: Inheritance) -> int:
    try:
        agent = _prepare(own)
    except (OSError, ValueError) as error:
        channel.recv(64)  # nobody listens to an embryo before there is something to do
        return _report_failure(channel, error)
    if not select.select([channel], [], [], 0)[0]:  # nobody waits
        agent.rehearse()
    order, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_LIMIT, 1)
    if not order:  # nobody needs it any more
        return 0
    spec = decode_spawn(order).spec
    with socket.socket(fileno=descriptors[0]) as listener:
        listener.set_inheritable(False)
        return _build_and_serve(channel, spec, listener, own, agent)


def _prepare(own: Inheritance) -> Agent:
    """Do what is the same for every sandbox."""
    if own.shifted:
        become_root()
    os.setsid()
    os.umask(0o022)
    begin_root(own.image, own.proc)
    make_layer(own.blank, host_trees(own.image))
    _replace_standard_streams(f"{own.image.mount_point}/dev/null")
    limit_programs()
    set_command_line("daytona-embryo")
    return Agent()


def _build_and_serve(
    channel: socket.socket, spec: SandboxSpec, listener: socket.socket, own: Inheritance, agent: Agent
) -> int:
    try:
        built, way_out = _build(spec, own)
    except (OSError, ValueError) as error:
        return _report_failure(channel, error)

    # It waits for the agent's handler, as connections do.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    _report(channel, built, way_out)
    channel.close()
    return _serve(agent, listener, own.lifeline, spec.entrypoint)


def _build(spec: SandboxSpec, own: Inheritance) -> tuple[Built, WayOut | None]:
    """Do everything that may be refused."""
    socket.sethostname(spec.hostname)
    loopback = spec.network != "host" and _leave_the_network()
    way_out, unredirected = _open_way_out() if spec.network == "proxy" else (None, "")
    build_root(spec, own.image, own.blank)
    write_identity(spec, own.image)
    write_trust(spec)
    _enter(spec, own.image)
    limit_processes(spec.max_processes)
    return Built(close_off_sockets(), loopback, unredirected), way_out


def _close_off() -> None:
    """Let nothing through from inside; no program runs there before that."""
    kernel.detach_old_root()
    give_up_privileges()
    hide_from_inside()


def _serve(agent: Agent, listener: socket.socket, lifeline: int, entrypoint: tuple[str, ...]) -> int:
    """Return the exit status.

    A bug that reaches this far has nobody to tell: its traceback goes into the sandbox's own log.
    """
    try:
        _close_off()
        with agent:
            agent.serve_forever(listener, lifeline, entrypoint)
    except BaseException:  # the last frame of the process; `os._exit` follows
        with open("/tmp/daytona-daemon.log", "a", encoding="utf-8") as log:  # noqa: S108 (the name the real daemon uses)
            traceback.print_exc(file=log)
        return 1
    return 0


def _leave_the_network() -> bool:
    """Return whether the new network has a loopback; none at all is still isolation, and reported, not fatal."""
    kernel.unshare(kernel.CLONE_NEWNET)
    try:
        kernel.bring_loopback_up()
    except OSError:
        return False
    return True


def _open_way_out() -> tuple[WayOut, str]:
    """Return it, and why connections cannot be redirected: without that there is still the proxy, and nothing else."""
    try:
        rules = redirect_everything()
    except OSError as error:
        return open_way_out(None), explain(error)
    return open_way_out(rules), ""


def _enter(spec: SandboxSpec, image: HostImage) -> None:
    """Take on the environment and the working directory that every process inside starts with."""
    os.environ.clear()
    own = {"HOME": spec.home, "LANG": "C.UTF-8", "USER": "daytona", "DAYTONA_SANDBOX_ID": spec.id}
    programs = image.env if spec.base == "host" else {"PATH": SYSTEM_PATH}
    os.environ.update(programs | own | spec.env)
    time.tzset()
    os.makedirs(spec.home, mode=0o755, exist_ok=True)
    os.makedirs(spec.workdir, mode=0o755, exist_ok=True)
    os.chdir(spec.workdir)


def _replace_standard_streams(device: str) -> None:
    """Neither the host's log nor a device of the host must stay open in a process of the sandbox."""
    null = os.open(device, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    sys.stdout = sys.stderr = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115 (open as long as the process)


def _report_failure(channel: socket.socket, error: OSError | ValueError) -> int:
    """Return the exit status."""
    _report(channel, BuildFailed(str(error), error.errno if isinstance(error, OSError) else None))
    return 1


def _report(channel: socket.socket, report: Report, way_out: WayOut | None = None) -> None:
    """Tell the zygote; it takes the way out along, of which nothing stays in here."""
    sockets = way_out.sockets if way_out else []
    socket.send_fds(channel, [msgspec.json.encode(report)], [one.fileno() for one in sockets])
    for one in sockets:
        one.close()
