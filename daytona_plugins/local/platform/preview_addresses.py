"""Addresses that show one port of one sandbox each, for machines where only browsers and curl resolve names below `localhost`.

All of 127.0.0.0/8 is this machine, so `http://127.83.20.6:<platform's port>` needs no name service, and is an origin of its
own with its own cookies, as a name would be. An address says less than a name: which port of which sandbox it shows is
kept with the platform's state, and the token of a signed preview is in its query. Programs put paths behind such a URL,
as behind one that ends with the host, so whatever follows the token is understood as the target that they meant.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from daytona.errors import DaytonaLocalPlatformError
from daytona_plugins.local.platform.proxy import PREVIEW_PARAMETER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daytona_plugins.local.platform.shelf import Shelf

SETTING: Final = "DAYTONA_LOCAL_PREVIEWS"
NETWORK: Final = ipaddress.IPv4Network("127.64.0.0/10")
"""Far from the addresses that other programs use: 127.0.0.1, 127.0.1.1, 127.0.0.53."""

_HOST: Final = re.compile(r"(127\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d{1,3}\.\d{1,3})(?::\d+)?")
_SIGNED: Final = re.compile(rf"/\?{PREVIEW_PARAMETER}=([a-z0-9]+)((?:[/?&].*)?)")


class AddressRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An address, and what it shows."""

    id: str
    """The address as it is written in a URL."""
    sandbox_id: str
    port: int


class PreviewAddresses:
    """All addresses of one platform."""

    def __init__(self, shelf: Shelf[AddressRecord], is_there: Callable[[str], bool]) -> None:
        self._shelf = shelf
        self._is_there = is_there

    def of(self, sandbox_id: str, port: int) -> str:
        """Return the address of a port of a sandbox: always the same one while the sandbox is there."""
        digest = hashlib.sha256(f"{port}-{sandbox_id}".encode()).digest()
        first = int.from_bytes(digest[:8], "big")
        for number in range(first, first + NETWORK.num_addresses):
            address = str(NETWORK[number % NETWORK.num_addresses])
            taken = self._shelf.get(address)
            if taken is None or not self._is_there(taken.sandbox_id):
                self._shelf.put(AddressRecord(id=address, sandbox_id=sandbox_id, port=port))
                return address
            if (taken.sandbox_id, taken.port) == (sandbox_id, port):
                return address
        raise LookupError(f"every address of {NETWORK} shows a port of some sandbox")

    def find(self, host: str) -> AddressRecord | None:
        """Return what the `Host` of a request stands for, None when that is no address of a preview."""
        found = _HOST.fullmatch(host)
        return self._shelf.get(found[1]) if found else None


def signed_target(token: str) -> str:
    """Return what follows the address in the URL of a signed preview."""
    return f"/?{PREVIEW_PARAMETER}={token}"


def split_target(target: str) -> tuple[str, str]:
    """Return the token of such a URL, and the target that was put behind it; no token where there is none.

    >>> split_target("/?DAYTONA_SANDBOX_AUTH_KEY=abc/a/b?c=d")
    ('abc', '/a/b?c=d')
    """
    found = _SIGNED.fullmatch(target)
    if not found:
        return "", target
    token, rest = found.groups()
    if rest.startswith("&"):
        rest = f"?{rest[1:]}"
    return token, rest if rest.startswith("/") else f"/{rest}"


def by_address(environ: Mapping[str, str]) -> bool:
    """Return whether previews are to have addresses: `DAYTONA_LOCAL_PREVIEWS` says so, otherwise they have names.

    Raises:
        DaytonaLocalPlatformError: The variable is neither `names` nor `addresses`.
    """
    wanted = environ.get(SETTING) or "names"
    if wanted not in ("names", "addresses"):
        raise DaytonaLocalPlatformError(f"{SETTING} is {wanted!r}; it is `names`, `addresses` or not set")
    return wanted == "addresses"


def names_resolve(etc: Path = Path("/etc")) -> bool:
    """Return whether all programs here resolve names below `localhost`.

    They do where systemd does it: as a module of the C library, or as the name server.
    """
    modules = re.findall(r"^\s*hosts:(.*)$", _read(etc / "nsswitch.conf"), re.MULTILINE)
    servers = re.findall(r"^\s*nameserver\s+(\S+)", _read(etc / "resolv.conf"), re.MULTILINE)
    return bool({"resolve", "myhostname"} & set(" ".join(modules).split())) or "127.0.0.53" in servers


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
