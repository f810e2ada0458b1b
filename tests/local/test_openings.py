"""What a gate tells the kernel of its sandbox: the same as it would judge."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from daytona_plugins.local.egress import openings
from daytona_plugins.local.egress.links import Link
from daytona_plugins.local.egress.names import MOST_ADDRESSES, ToldNames
from daytona_plugins.local.egress.openings import MOST_HOSTS, Openings
from daytona_plugins.local.egress.policy import NEVER, Policy
from daytona_plugins.local.egress.rules import Rules

if TYPE_CHECKING:
    import pytest

    from daytona_plugins.local.egress.connection import Streams

NETWORKS = st.builds(
    lambda number, length: f"{IPv4Address(number)}/{length}", st.integers(0, 2**32 - 1), st.integers(0, 32)
)
NEAR_THE_ENDS = st.sampled_from(
    [int(end) + more for network in NEVER for end in (network[0], network[-1]) for more in (-1, 0, 1)]
)


@given(st.lists(NETWORKS, max_size=4), st.booleans(), NEAR_THE_ENDS | st.integers(0, 2**32 - 1), st.data())
def test_the_kernel_lets_through_what_the_gate_does(
    networks: list[str], block_all: bool, number: int, data: st.DataObject
) -> None:
    policy = Policy(networks=tuple(networks), block_all=block_all)
    ends = [end + more for one in policy.ranges() for end in map(int, one) for more in (-1, 0, 1)]
    for some in (number, *([data.draw(st.sampled_from(ends))] if ends else [])):
        address = IPv4Address(some % 2**32)
        passes = any(first <= address <= last for first, last in policy.ranges())
        assert passes == (policy.refusal("a.example", str(address)) is None)


def test_no_address_is_let_through_for_its_own_sake_where_the_list_is_of_names() -> None:
    assert Policy(domains=("a.example",)).ranges() == []


class Kernel:
    """Keeps what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.narrowed = 0
        self.hosts: set[str] = set()
        monkeypatch.setattr(openings, "narrow", self.narrow)
        monkeypatch.setattr(openings, "widen", self.widen)

    def narrow(self, _rules: object, _ranges: object, hosts: set[str]) -> None:
        self.narrowed += 1
        self.hosts = set(hosts)

    def widen(self, _rules: object, hosts: list[str]) -> None:
        assert not self.hosts & set(hosts), "each is told once"
        self.hosts |= set(hosts)


def test_the_kernel_keeps_no_more_than_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, told = Kernel(monkeypatch), ToldNames()
    rules = Rules(Policy(domains=("*.example",)), links=(Link("other", "192.0.0.11", _nowhere),))
    with socket.socket() as unused:
        opened = Openings(unused, lambda: rules, told)
        opened.review()
        assert (kernel.narrowed, kernel.hosts) == (1, {"192.0.0.11"})
        addresses = [str(IPv4Address("10.0.0.0") + number) for number in range(MOST_HOSTS)]
        for address in addresses:
            told.tell("a.example", [address])
            opened.add([address])
            opened.add([address])
    assert kernel.narrowed == 2
    assert kernel.hosts == {"192.0.0.11", *addresses[-MOST_ADDRESSES:]}
    told.tell("b.test", ["192.0.2.1"])
    opened.review()
    assert "192.0.2.1" not in kernel.hosts


async def _nowhere(_port: int) -> Streams:
    raise AssertionError("nobody connects here")


def test_what_the_kernel_refused_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    with socket.socket() as unused:
        opened = Openings(unused, lambda: Rules(Policy(domains=("*.example",))), ToldNames())
        with monkeypatch.context() as refusing:
            refusing.setattr(openings, "widen", refuse)
            opened.add(["192.0.2.1"])
        assert kernel.hosts == set()
        opened.add(["192.0.2.1"])
    assert kernel.hosts == {"192.0.2.1"}


def refuse(*_: object) -> None:
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
