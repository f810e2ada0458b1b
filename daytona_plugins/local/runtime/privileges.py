"""What process 1 of a sandbox gives up before it serves anybody, for itself and for everything it will start."""

from __future__ import annotations

import os
import resource
import signal
from functools import cache
from typing import Final

from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.seccomp import build_filter

# What containers usually keep: enough for package managers and servers, nothing that mounts or loads.
KEPT: Final = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}


def become_root() -> None:
    """Become user 0 of the user namespace that this process has made, where it was nobody."""
    os.setgroups([])
    os.setgid(0)
    os.setuid(0)
    # Changing the user made this process opaque even to itself; `hide_from_inside` does it when all is built.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def limit_programs() -> None:
    """Let no program that is started from now on have more rights than those in `KEPT`, whatever its file says."""
    # Where crashes are piped into a program of the host, that runs as root outside; one byte means that it does not.
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        last = int(file.read())
    for capability in set(range(last + 1)) - set(KEPT.values()):
        kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def close_off_sockets() -> bool:
    """Refuse connections to abstract Unix sockets of the host; return whether this kernel can do that."""
    try:
        kernel.restrict_abstract_sockets()
    except OSError:  # needs Landlock 6, which came with Linux 6.12
        return False
    return True


def limit_processes(most: int) -> None:
    """Let there be no more processes and threads than that; a limit that is lower already cannot be raised."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def give_up_privileges() -> None:
    """Drop our own, and forbid dangerous calls, for good."""
    kernel.set_capabilities(sum(1 << capability for capability in KEPT.values()))
    kernel.set_seccomp_filter(build_filter())


def hide_from_inside() -> None:
    """Make this process opaque to the programs of the sandbox, and end it with its parent.

    The memory of process 1 is the zygote's, made outside: its environment, open files and program file belong to the
    host. A process that is not dumpable can only be looked into with capabilities over the host.
    """
    set_command_line("daytona-agent")
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def set_command_line(name: str) -> None:
    """Overwrite our arguments in place: they hold paths of the host, and `ps` inside a sandbox shows them."""
    start, end = _arguments()
    memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    os.pwrite(memory, name.encode().ljust(end - start, b"\0")[: end - start], start)
    os.close(memory)


@cache
def _arguments() -> tuple[int, int]:
    """Return where in memory our arguments begin and end, which is the same in a fork."""
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return int(fields[45]), int(fields[46])  # arg_start and arg_end, counted after the name
