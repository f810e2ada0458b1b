"""How a zygote begins: while it imports what sandboxes are served with, another process prepares what they are built from."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from daytona_plugins.local.runtime import kernel, preparing
from daytona_plugins.local.runtime.privileges import set_command_line

if TYPE_CHECKING:
    import socket


def main(control: socket.socket, data: str, prepared: int | None = None) -> None:
    """Serve the platform at the other end of *control* until it goes away.

    Args:
        prepared: Where somebody will write what has been prepared; None starts a child for it.
    """
    os.chdir("/")
    os.environ.clear()
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    # Ctrl+C in a terminal is for the program, not for its sandboxes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_command_line("daytona-zygote")
    if prepared is None:
        prepared = preparing.begin(data)

    from daytona_plugins.local.runtime.zygote import serve  # takes as long

    serve(control, data, prepared)
