"""Every way out of a network that has none, led to one port in it.

Somebody outside answers on that port, and asks the socket of each connection where it was to go (`SO_ORIGINAL_DST`). The network
has nothing but a loopback interface, on which everything is routed, and rules for what is sent there:

- What goes to the network itself passes.
- TCP to anywhere, and questions to the one name server that there is, go to the port. The kernel remembers where they were to go.
- The rest is dropped; whoever sends it is told that it is not permitted.

That somebody knows beforehand which addresses may be reached: `narrow` leads connections to those alone to the port, and has the
others refused at once, so that nobody believes to be connected. It is told from outside, over a socket of this network.

There is no IPv6 but to the network itself: no route leads anywhere. Programs in a sandbox lack the right to change any of
this, and if they had it they would reach nothing more: it is outside that addresses are judged and connected to.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from itertools import islice
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.runtime import netlink, nftables
from daytona_plugins.local.runtime.netlink import CREATE, Message, attribute
from daytona_plugins.local.runtime.nftables import (
    TCP,
    UDP,
    accept,
    goes_between,
    goes_to,
    goes_to_one_of,
    goes_to_port,
    redirect,
    reset,
    uses,
)
from daytona_plugins.local.runtime.spec import DNS_PORT, GATE_PORT, OWN_ADDRESS, RESOLVER_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Address

    Range = tuple[IPv4Address, IPv4Address]  # the first address and the last one

_TABLE: Final = "daytona"
_HOSTS: Final = "hosts"
_WITHIN: Final = (goes_to(b"\x7f"), goes_to(socket.inet_aton(OWN_ADDRESS)))
_LOOPBACK: Final = 1
"""The number of the interface `lo` in every network."""
_NEW_ADDRESS: Final = 20
_NEW_ROUTE: Final = 24
_MAIN: Final = 254
"""The routing table that is asked last."""
_BY_ADMINISTRATOR: Final = 4
_UNICAST: Final = 1
_ADDRESS, _LOCAL_ADDRESS = 1, 2
_INTERFACE, _SOURCE = 4, 7
_NAT_PRIORITY, _FILTER_PRIORITY = -100, 0

_ABSENT: Final = frozenset(
    {errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EINVAL, errno.EAFNOSUPPORT}
)


def redirect_everything() -> socket.socket:
    """Lead everything that leaves this network to `GATE_PORT`; its loopback interface has to be up.

    Returns:
        The socket by which the rules can be changed, also from outside.

    Raises:
        OSError: The kernel refuses; `explain` knows what helps.
    """
    rules = netlink.connect(netlink.NETFILTER)
    try:
        netlink.transact(rules, _rules())
        # Without rules nothing may be routed: it would wait for an answer.
        with netlink.connect(netlink.ROUTE) as routes:
            netlink.transact(routes, _routes())
    except OSError:
        rules.close()
        raise
    return rules


def narrow(rules: socket.socket, ranges: Iterable[Range], hosts: Iterable[str]) -> None:
    """Let connections pass to the gate that go to an address in one of *ranges*, or to one of *hosts*.

    Raises:
        OSError: The kernel refuses, and nothing has changed.
    """
    netlink.transact(rules, _narrow(ranges, hosts))


def widen(rules: socket.socket, hosts: Iterable[str]) -> None:
    """Let connections to *hosts* pass as well, until the next `narrow`.

    Raises:
        OSError: The kernel refuses, and nothing has changed.
    """
    netlink.transact(rules, nftables.batch(*_elements(hosts)))


def explain(error: OSError) -> str:
    """Return why programs that know nothing of the proxy reach nothing, and what helps."""
    refused = f"the kernel refuses to redirect connections ({os.strerror(error.errno or errno.EIO)})"
    if error.errno in _ABSENT:
        return (
            f"{refused}. As administrator, run `modprobe -a nf_tables nft_chain_nat nft_redir`,"
            " or use a kernel with CONFIG_NF_TABLES, CONFIG_NFT_NAT and CONFIG_NFT_REDIR."
        )
    return f"{refused}. Run the platform outside of containers, or on a machine with a kernel of its own."


def _routes() -> list[Message]:
    """Return what gives the network an address, so that names are looked up at all, and a route from there to everywhere."""
    own, everywhere = socket.inet_aton(OWN_ADDRESS), 0
    address = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, _LOOPBACK)
    route = struct.pack(
        "=BBBBBBBBI", socket.AF_INET, everywhere, 0, 0, _MAIN, _BY_ADMINISTRATOR, 0, _UNICAST, 0
    )
    return [
        Message(_NEW_ADDRESS, address + attribute(_LOCAL_ADDRESS, own) + attribute(_ADDRESS, own), CREATE),
        Message(
            _NEW_ROUTE,
            route + attribute(_INTERFACE, struct.pack("=I", _LOOPBACK)) + attribute(_SOURCE, own),
            CREATE,
        ),
    ]


def _rules() -> list[Message]:
    return nftables.batch(
        nftables.table(_TABLE),
        nftables.addresses(_TABLE, _HOSTS),
        nftables.chain(_TABLE, "lead", "nat", _NAT_PRIORITY, drops=False),
        *_lead([uses(TCP)]),
        nftables.chain(_TABLE, "keep", "filter", _FILTER_PRIORITY, drops=True),
        *_keep(),
    )


def _narrow(ranges: Iterable[Range], hosts: Iterable[str]) -> list[Message]:
    to_ranges = (goes_between(first.packed, last.packed) for first, last in ranges)
    return nftables.batch(
        nftables.no_rules(_TABLE, "lead"),
        *_lead(uses(TCP) + destination for destination in (*to_ranges, goes_to_one_of(_HOSTS))),
        nftables.no_rules(_TABLE, "keep"),
        *_keep(),
        nftables.rule(_TABLE, "keep", uses(TCP), reset()),
        nftables.no_addresses(_TABLE, _HOSTS),
        *_elements(hosts),
    )


def _lead(out: Iterable[bytes]) -> Iterator[Message]:
    """Yield the rules for what goes to the gate, beside questions about names."""
    resolver = goes_to(socket.inet_aton(RESOLVER_ADDRESS)) + goes_to_port(DNS_PORT)
    for here in _WITHIN:
        yield nftables.rule(_TABLE, "lead", here, accept())
    for way in (uses(UDP) + resolver, uses(TCP) + resolver, *out):
        yield nftables.rule(_TABLE, "lead", way, redirect(GATE_PORT))


def _keep() -> Iterator[Message]:
    """Yield the rules for what does not leave."""
    for here in _WITHIN:
        yield nftables.rule(_TABLE, "keep", here, accept())


def _elements(hosts: Iterable[str]) -> Iterator[Message]:
    """Yield what adds hosts: a message has room for some thousands."""
    remaining = map(socket.inet_aton, hosts)
    while some := list(islice(remaining, 1000)):
        yield nftables.more_addresses(_TABLE, _HOSTS, some)
