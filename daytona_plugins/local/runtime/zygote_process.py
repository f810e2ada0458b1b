"""Starts the zygote; what it is and does stands in `zygote.py`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

# The zygote imports with our path, which it gets as its first message: its arguments can be seen from inside.
BOOT: Final = (
    "import gc, json, socket, sys; gc.disable(); control = socket.socket(fileno=int(sys.argv[1])); "
    "sys.path[:], data = json.loads(control.recv(1 << 20)); "
    "from daytona_plugins.local.runtime.zygote_start import main; main(control, data)"
)


class ZygoteProcess(NamedTuple):
    """A zygote, and our end of the socket pair between us."""

    process: subprocess.Popen[bytes]
    control: socket.socket

    def close(self) -> None:
        """End it and every sandbox; may be called twice."""
        self.control.close()
        self.process.wait()


def start_zygote(data: Path) -> ZygoteProcess:
    """Start a zygote, which at once begins to prepare for sandboxes in this data directory."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = _start(theirs)
    ours.send(json.dumps([_import_path(), str(data)]).encode())
    return ZygoteProcess(process, ours)


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
