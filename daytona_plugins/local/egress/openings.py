"""What the kernel of a sandbox lets through to the gate; whoever wants to go elsewhere is refused at once.

The gate judges what comes through all the same: this is for programs that try whether they are connected, and believe it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.egress.links import MOST_LINKS
from daytona_plugins.local.egress.names import MOST_ADDRESSES
from daytona_plugins.local.runtime.redirection import narrow, widen

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from daytona_plugins.local.egress.names import ToldNames
    from daytona_plugins.local.egress.rules import Rules

logger = logging.getLogger(__name__)

MOST_HOSTS: Final = 2 * MOST_ADDRESSES + MOST_LINKS
"""With more than that in the kernel, those that are forgotten here are removed there."""


class Openings:
    """Owns the socket by which the rules in the kernel are changed."""

    def __init__(self, kernel: socket.socket, rules: Callable[[], Rules], told: ToldNames) -> None:
        self._kernel = kernel
        self._rules = rules
        self._told = told
        self._hosts: set[str] = set()

    def review(self) -> None:
        """Open what may be reached now, and nothing else."""
        rules = self._rules()
        hosts = {link.address for link in rules.links}
        hosts.update(one.address for one in self._told if not one.refusal(rules.policy))
        if self._change(lambda: narrow(self._kernel, rules.policy.ranges(), hosts)):
            self._hosts = hosts

    def add(self, addresses: Iterable[str]) -> None:
        """Open addresses that a name leads to, which has been found to be allowed."""
        new = [address for address in addresses if address not in self._hosts]
        if len(self._hosts) + len(new) > MOST_HOSTS:
            self.review()
        elif new and self._change(lambda: widen(self._kernel, new)):
            self._hosts.update(new)

    def close(self) -> None:
        """Let go of the socket; may be called twice."""
        self._kernel.close()

    def _change(self, change: Callable[[], None]) -> bool:
        """Return whether the kernel has done it; if not, it goes on with what it was told before."""
        try:
            change()
        except OSError as error:
            logger.warning("the network of a sandbox could not be changed: %s", error)
            return False
        return True
