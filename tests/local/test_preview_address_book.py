"""When previews need addresses, and that no two of them share one."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.platform import preview_addresses
from daytona_plugins.local.platform.preview_addresses import (
    AddressRecord,
    PreviewAddresses,
    by_address,
    names_resolve,
    signed_target,
    split_target,
)
from tests.local.fake_driver import fake_sandboxes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def in_a_small_network(
    monkeypatch: pytest.MonkeyPatch, scenario: Callable[[PreviewAddresses, set[str]], None]
) -> None:
    """Run *scenario* with four addresses, and the set of the sandboxes that are there."""
    monkeypatch.setattr(preview_addresses, "NETWORK", IPv4Network("127.64.0.0/30"))

    async def run() -> None:
        there: set[str] = set()
        async with fake_sandboxes() as (sandboxes, _driver):
            shelf = sandboxes.store.shelf("preview address", AddressRecord)
            scenario(PreviewAddresses(shelf, there.__contains__), there)

    asyncio.run(run())


def test_addresses_are_shared_out_to_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def scenario(addresses: PreviewAddresses, there: set[str]) -> None:
        there |= {"a", "b"}
        shown = {addresses.of(box, port): (box, port) for box in "ab" for port in (1, 2)}
        assert len(shown) == 4
        for address, (box, port) in shown.items():
            found = addresses.find(f"{address}:8080")
            assert found is not None
            assert (found.sandbox_id, found.port) == (box, port)
            assert addresses.of(box, port) == address
        with pytest.raises(LookupError, match=r"127\.64\.0\.0/30"):
            addresses.of("b", 3)
        there.remove("a")
        assert shown[addresses.of("b", 3)][0] == "a"

    in_a_small_network(monkeypatch, scenario)


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1:80", "localhost", "127.128.0.1", "127.64.0.1.example.com", "127.64.0.1:x"]
)
def test_other_hosts_are_no_previews(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def scenario(addresses: PreviewAddresses, there: set[str]) -> None:
        there.add("a")
        for port in range(4):
            addresses.of("a", port)
        assert addresses.find(host) is None

    in_a_small_network(monkeypatch, scenario)


@pytest.mark.parametrize(
    ("behind", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a%2Fb/?c=d&e#", "/a%2Fb/?c=d&e#"),
        ("?c=d", "/?c=d"),
        ("&c=d", "/?c=d"),
        ("//x", "//x"),
    ],
)
def test_what_is_put_behind_a_signed_preview_is_what_is_asked_for(behind: str, target: str) -> None:
    assert split_target(signed_target("abc1") + behind) == ("abc1", target)


@pytest.mark.parametrize(
    "target", ["/", "*", "/?a=b", "/x?DAYTONA_SANDBOX_AUTH_KEY=abc1", "/?DAYTONA_SANDBOX_AUTH_KEY="]
)
def test_other_targets_are_not_signed(target: str) -> None:
    assert split_target(target) == ("", target)


@pytest.mark.parametrize(
    ("nsswitch", "resolv", "resolve"),
    [
        (None, None, False),
        ("hosts: files dns\n", "nameserver 10.0.0.2\n", False),
        ("# hosts: resolve\nhosts:\tfiles dns\n", "# nameserver 127.0.0.53\n", False),
        ("passwd: files\nhosts: files mymachines resolve [!UNAVAIL=return] dns\n", None, True),
        ("hosts: files myhostname dns\n", "", True),
        ("hosts: files dns\n", "search example.com\nnameserver 127.0.0.53\noptions edns0\n", True),
    ],
)
def test_the_machine_says_whether_names_resolve(
    tmp_path: Path, nsswitch: str | None, resolv: str | None, resolve: bool
) -> None:
    for name, text in (("nsswitch.conf", nsswitch), ("resolv.conf", resolv)):
        if text is not None:
            (tmp_path / name).write_text(text)
    assert names_resolve(tmp_path) is resolve


@pytest.mark.parametrize(
    ("setting", "expected"), [(None, False), ("", False), ("names", False), ("addresses", True)]
)
def test_a_preview_has_a_name_unless_addresses_are_wanted(setting: str | None, expected: bool) -> None:
    assert by_address({} if setting is None else {"DAYTONA_LOCAL_PREVIEWS": setting}) is expected


def test_another_setting_is_refused() -> None:
    with pytest.raises(DaytonaLocalPlatformError, match="'both'; it is `names`, `addresses` or not set"):
        by_address({"DAYTONA_LOCAL_PREVIEWS": "both"})
