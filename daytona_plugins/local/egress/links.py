"""Other sandboxes that one reaches by name, at addresses that nobody else has."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from daytona_plugins.local.egress.connection import Streams

_FIRST: Final = IPv4Address("192.0.0.11")
MOST_LINKS: Final = 150
"""Of one sandbox; the addresses are some that are assigned to nobody and routed nowhere (RFC 6890)."""


class Link(NamedTuple):
    """A way to another sandbox."""

    name: str
    address: str
    """Where programs believe that it is."""
    connect: Callable[[int], Awaitable[Streams]]
    """Opens a connection to a port of it; an `OSError` when nobody listens there."""


class LinkAddresses:
    """The addresses under which one sandbox knows others."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._free = cycle(str(_FIRST + number) for number in range(MOST_LINKS))

    def of(self, others: Collection[str]) -> dict[str, str]:
        """Return an address for each of the others, the same one for as long as it is among them.

        An address that has become free is given to somebody else as late as possible. Whoever comes when there is none
        gets none.
        """
        self._addresses = {one: address for one, address in self._addresses.items() if one in others}
        for one in others:
            if one not in self._addresses and (address := self._next()):
                self._addresses[one] = address
        return self._addresses

    def _next(self) -> str | None:
        taken = set(self._addresses.values())
        return next((address for address in islice(self._free, MOST_LINKS) if address not in taken), None)
