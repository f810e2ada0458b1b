"""What a sandbox was told about names: a connection goes to an address, and the lists are of names as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daytona_plugins.local.egress.policy import Policy

MOST_ADDRESSES: Final = 4096
MOST_NAMES: Final = 16
"""Of one address; those that were told last are kept."""


class Destination(NamedTuple):
    """Where a connection goes."""

    address: str
    names: tuple[str, ...]
    """Under which the sandbox knows it."""

    def refusal(self, policy: Policy) -> str | None:
        """Return why it may not be reached under any of its names; None when it may."""
        refusals = [policy.refusal(name, self.address) for name in self.names or (self.address,)]
        return None if None in refusals else refusals[-1]


class ToldNames:
    """Which names led to an address, of those that one sandbox was told; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def tell(self, name: str, addresses: Iterable[str]) -> None:
        """Remember where a name leads."""
        name = name.lower()
        for address in addresses:
            names = self._names.pop(address, {})
            names.pop(name, None)
            names[name] = None
            if len(names) > MOST_NAMES:
                del names[next(iter(names))]
            self._names[address] = names
        while len(self._names) > MOST_ADDRESSES:
            del self._names[next(iter(self._names))]

    def __iter__(self) -> Iterator[Destination]:
        """Yield every address that is known."""
        return map(self.destination, self._names)

    def destination(self, address: str) -> Destination:
        """Return what is known about an address."""
        return Destination(address, tuple(self._names.get(address, ())))
