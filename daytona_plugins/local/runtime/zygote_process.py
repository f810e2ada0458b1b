"""Starts the zygote; what it is and does stands in `zygote.py`.

The first one of a platform is a fork of a process that has imported what both need. When a zygote has died, the platform has
threads, and secrets in its memory, and the next one is a new program.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

# The zygote imports with our path, which it gets as its first message: its arguments can be seen from inside.
BOOT: Final = (
    "import gc, json, socket, sys; gc.disable(); control = socket.socket(fileno=int(sys.argv[1])); "
    "sys.path[:], data = json.loads(control.recv(1 << 20)); "
    "from daytona_plugins.local.runtime.zygote_start import main; main(control, data)"
)
SHARED: Final = (
    "daytona_plugins.local.forwarding",
    "daytona_plugins.local.agent.websocket",
    "daytona_plugins.local.runtime.messages",
    "email.utils",
    "secrets",
)
"""With what these import in their turn, that is nearly all that a platform and its zygote have in common."""


class ZygoteProcess(NamedTuple):
    """A zygote, and our end of the socket pair between us."""

    process: subprocess.Popen[bytes] | Fork
    control: socket.socket

    def close(self) -> None:
        """End it and every sandbox; may be called twice."""
        self.control.close()
        self.process.wait()


class Fork:
    """A child that runs the program of its parent, seen as `Popen` sees one that runs another."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = False

    def wait(self) -> None:
        """Wait until it has ended; may be called twice."""
        if not self._ended:
            os.waitpid(self.pid, 0)
            self._ended = True


def fork_zygote(data: Path, prepared: int) -> ZygoteProcess:
    """Fork a zygote off this process, after the imports that both need.

    This process must have one thread, and nothing in its memory that sandboxes must not have.

    Args:
        prepared: Where `preparing.answer` will write; the zygote reads it.
    """
    for name in SHARED:
        import_module(name)
    ours, theirs = _pair()
    with theirs:
        pid = os.fork()
        if pid == 0:
            ours.close()
            _become_zygote(theirs, data, prepared)
    return ZygoteProcess(Fork(pid), ours)


def _become_zygote(control: socket.socket, data: Path, prepared: int) -> NoReturn:
    """Run as the child, in the state in which `start_zygote` starts one."""
    try:
        os.setsid()
        _close_all_but(control.fileno(), prepared)

        from daytona_plugins.local.runtime.zygote_start import main

        main(control, str(data), prepared)
    except BaseException:  # the last frame of the process; `os._exit` follows
        traceback.print_exc()
    finally:
        os._exit(0)


def _close_all_but(*kept: int) -> None:
    """Keep the log too, which is standard error."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def start_zygote(data: Path) -> ZygoteProcess:
    """Start a zygote as a program of its own, which at once begins to prepare for sandboxes in this data directory."""
    ours, theirs = _pair()
    with theirs:
        process = _start(theirs)
    ours.send(json.dumps([_import_path(), str(data)]).encode())
    return ZygoteProcess(process, ours)


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _start(control: socket.socket) -> subprocess.Popen[bytes]:
    """Start it isolated from our environment, which it would hand on to every sandbox; our standard error is its log."""
    descriptor = control.fileno()
    return subprocess.Popen(  # noqa: S603 (our own interpreter and code)
        [sys.executable, "-I", "-S", "-c", BOOT, str(descriptor)],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    )


def _import_path() -> list[str]:
    return [os.path.abspath(entry) for entry in sys.path]
