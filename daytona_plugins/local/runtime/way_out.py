"""The sockets on which somebody outside answers what the programs of a sandbox want from its network.

They are made in the network of the sandbox and passed out of it, by way of the zygote to the platform.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.runtime.spec import GATE_PORT, PROXY_PORT

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SOCKETS: Final = 4
BACKLOG: Final = 1024


class WayOut(NamedTuple):
    """Where a sandbox is answered; whoever answers closes it."""

    proxy: socket.socket
    """Accepts those who ask for a proxy."""
    connections: socket.socket | None = None
    """Accepts every connection that was to go out, where the kernel redirects them."""
    questions: socket.socket | None = None
    """Receives the questions for its name server, where the kernel redirects them."""
    rules: socket.socket | None = None
    """Takes what is said to the kernel about them; see `redirection.narrow`."""

    def close(self) -> None:
        """Close the sockets; may be called twice."""
        for one in self.sockets:
            one.close()

    @property
    def sockets(self) -> list[socket.socket]:
        """Those that there are."""
        return [one for one in self if one is not None]


def open_way_out(rules: socket.socket | None) -> WayOut:
    """Return sockets of the network that this process is in.

    Args:
        rules: What `redirection.redirect_everything` has returned, if the kernel does that here.
    """
    proxy = socket.create_server(("127.0.0.1", PROXY_PORT), backlog=BACKLOG)
    if rules is None:
        return WayOut(proxy)
    connections = socket.create_server(("127.0.0.1", GATE_PORT), backlog=BACKLOG)
    questions = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    questions.bind(("127.0.0.1", GATE_PORT))
    return WayOut(proxy, connections, questions, rules)


def way_out_of(descriptors: Sequence[int]) -> WayOut | None:
    """Return the sockets that came with a message; other processes of ours are not to have them."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    return WayOut(*sockets) if sockets else None
