"""How a zygote begins: while it imports what sandboxes are served with, a child prepares what they are built from."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from daytona_plugins.local.runtime import kernel
from daytona_plugins.local.runtime.preparing import Preparation
from daytona_plugins.local.runtime.privileges import set_command_line

if TYPE_CHECKING:
    import socket


def main(control: socket.socket, data: str, skeleton: int | None = None) -> None:
    """Serve the platform at the other end of *control* until it goes away.

    Args:
        skeleton: A descriptor that ends when the skeleton of the host image is there, if somebody is making it.
    """
    os.chdir("/")
    os.environ.clear()
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl+C in a terminal is for the program, not for its sandboxes
    set_command_line("daytona-zygote")
    preparation = Preparation(data, skeleton)

    from daytona_plugins.local.runtime.zygote import serve  # takes as long as the child does

    serve(control, data, preparation)
