"""What a sandbox may reach: values in, a verdict out; nothing is resolved or connected here."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Network

    Range = tuple[IPv4Address, IPv4Address]

MOST_ENTRIES: Final = 10
BLOCKED: Final = "the network of this sandbox is blocked"
_DOMAIN = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE)

NEVER: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128",  # this machine
        "169.254.0.0/16", "fe80::/10",  # this link, and the metadata of most clouds
        "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128",  # that of others
        "192.0.0.0/24",  # that of others, and addresses that only sandboxes have
        "224.0.0.0/4", "255.255.255.255/32", "ff00::/8",
    )
)  # fmt: skip
"""Addresses that no list opens: what listens there trusts whoever can connect."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be reached; without lists, everything but `NEVER`."""

    block_all: bool = False
    networks: tuple[str, ...] = ()
    """IPv4 networks, as in 10.0.0.0/8."""
    domains: tuple[str, ...] = ()
    """Names of hosts; *.example.org stands for every name below it."""

    def ranges(self) -> list[Range]:
        """Return the first and the last address of what may be reached under any name, as far as it is IPv4."""
        if self.block_all:
            return []
        everything = () if self.domains else ("0.0.0.0/0",)
        found = [_ends(IPv4Network(network, strict=False)) for network in self.networks or everything]
        for network in NEVER:
            if isinstance(network, IPv4Network):
                found = [part for one in found for part in _without(one, _ends(network))]
        return found

    def refusal(self, host: str, address: str) -> str | None:
        """Return why *address*, which the name *host* leads to, may not be reached; None when it may."""
        if self.block_all:
            return BLOCKED
        found = _plain(address)
        if any(found in network for network in NEVER):
            return (
                f"{host} leads to {address}, which belongs to the machine or its cloud and is never reached"
            )
        if not self.networks and not self.domains:
            return None
        if _is_in(found, self.networks) or matches(host, self.domains):
            return None
        return f"{host} ({address}) is in no list of what this sandbox may reach"

    def name_refusal(self, host: str) -> str | None:
        """Return why *host* may not be reached whatever it leads to, so that nobody need be asked where it leads."""
        if self.block_all:
            return BLOCKED
        if not self.domains or self.networks or matches(host, self.domains):
            return None
        return f"{host} is in no list of what this sandbox may reach"


def matches(host: str, names: tuple[str, ...]) -> bool:
    """Return whether one of *names* is, or stands for, the name *host*."""
    host = host.lower().rstrip(".")
    return any(
        host.endswith(name[1:].lower()) if name.startswith("*.") else host == name.lower() for name in names
    )


def parse_networks(text: str) -> tuple[str, ...]:
    """Return the entries of a list of networks.

    Raises:
        ValueError: One is no IPv4 network with the length of its prefix, or there are too many.
    """
    entries = _entries(text)
    for entry in entries:
        if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", entry):
            raise ValueError(f"{entry!r} is not an IPv4 network like 10.0.0.0/8")
        IPv4Network(entry, strict=False)
    return entries


def parse_domains(text: str) -> tuple[str, ...]:
    """Return the entries of a list of domains.

    Raises:
        ValueError: One is no name with a dot, or there are too many.
    """
    entries = _entries(text)
    for entry in entries:
        if not _DOMAIN.fullmatch(entry):
            raise ValueError(f"{entry!r} is not a domain like example.org or *.example.org")
    return entries


def _entries(text: str) -> tuple[str, ...]:
    """Blanks are skipped, but count."""
    parts = text.split(",")
    if len(parts) > MOST_ENTRIES:
        raise ValueError(f"a list has at most {MOST_ENTRIES} entries")
    return tuple(part.strip() for part in parts if part.strip())


def _plain(address: str) -> IPv4Address | IPv6Address:
    """IPv4 in the clothes of IPv6 is IPv4."""
    found = ip_address(address.partition("%")[0])
    inner = found.ipv4_mapped or found.sixtofour if isinstance(found, IPv6Address) else None
    return inner or found


def _ends(network: IPv4Network) -> Range:
    return network.network_address, network.broadcast_address


def _without(one: Range, other: Range) -> Iterator[Range]:
    """Yield what is left of a range."""
    if one[0] < other[0]:
        yield one[0], min(one[1], other[0] - 1)
    if one[1] > other[1]:
        yield max(one[0], other[1] + 1), one[1]


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[str, ...]) -> bool:
    parsed: list[IPv4Network | IPv6Network] = [ip_network(network, strict=False) for network in networks]
    return any(address in network for network in parsed)
