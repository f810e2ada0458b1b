"""What a sandbox is asked to be, and what it turned out to be."""

from __future__ import annotations

from typing import Literal

import msgspec

Network = Literal["host", "proxy", "none"]
"""The host's, one with nothing but a loopback interface, or that with a gate of the platform, which everything that leaves it is led to."""
Holds = Literal["enforced", "watched", "ignored"]
Base = Literal["host", "none"]

HOME = "/home/daytona"
PROXY_PORT = 61128
"""Where the proxy listens on the loopback interface of a sandbox that has one."""
GATE_PORT = 61129
"""Where everything is led that leaves the network of such a sandbox."""
OWN_ADDRESS = "192.0.0.2"
"""The address of such a sandbox. This one and the next are for hosts behind a translator (RFC 7335); no network routes them."""
RESOLVER_ADDRESS = "192.0.0.1"
"""Where such a sandbox has its name server."""
DNS_PORT = 53
TRUST_FILE = "/run/daytona/trust.pem"
MAX_PROCESSES = 4096


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A directory of the host, or what lies below *subpath* in it, shown at *target* in a sandbox."""

    source: str
    target: str
    subpath: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a sandbox may use; None is as much as there is."""

    cpu: int | None = None
    """Processors."""
    memory: int | None = None
    """Bytes, of all processes together."""
    disk: int | None = None
    """Bytes in its own layer."""


class SandboxSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A sandbox to build."""

    id: str
    hostname: str
    upper: str
    """Directory of the writable layer on the host; made when absent, kept when the sandbox stops."""
    base: Base = "host"
    """What lies below the layers: the programs of this machine, or nothing."""
    layers: tuple[str, ...] = ()
    """Directories of read-only layers, the lowest first; each is the writable layer of an earlier sandbox."""
    env: dict[str, str] = {}
    """Added to the environment of every process inside, and overriding what the sandbox itself sets."""
    mounts: tuple[Mount, ...] = ()
    """Directories that it shares with others and may write to; they keep what is written when the sandbox is gone."""
    home: str = HOME
    workdir: str = HOME
    network: Network = "host"
    neighbours: tuple[str, ...] = ()
    """Names of other sandboxes, which are in the host's network as well."""
    trust: str = ""
    """A certificate to be trusted inside beside those of the image, in PEM; with them it lies in `TRUST_FILE`."""
    limits: Limits = Limits()
    entrypoint: tuple[str, ...] = ()
    """What runs in it by itself, as its entrypoint session; nothing when empty."""
    max_processes: int = MAX_PROCESSES
    """The most processes and threads it may have at a time."""


def hosts_file(hostname: str, neighbours: tuple[str, ...] = ()) -> str:
    """Return what `/etc/hosts` says in a sandbox."""
    names = " ".join(("localhost", hostname, *neighbours))
    return f"127.0.0.1\t{names}\n::1\tlocalhost ip6-localhost\n"


class Isolation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a sandbox is separated from its host, said plainly enough to be shown to its user."""

    tier: str
    network: str
    limits: dict[str, Holds]
    notes: list[str]
