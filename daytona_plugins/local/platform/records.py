"""What the platform remembers of one sandbox."""

from __future__ import annotations

import msgspec

from daytona_plugins.local.images.image import HOST, Image
from daytona_plugins.local.platform.mounts import MountRequest
from daytona_plugins.local.platform.states import Desired, Situation, State, is_pending, is_visible
from daytona_plugins.local.runtime.spec import Limits

GIB = 1024**3


class BuildInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The Dockerfile that a sandbox was asked for with."""

    dockerfile: str
    context_hashes: tuple[str, ...]
    snapshot_ref: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One sandbox; times are seconds since the epoch, intervals are minutes, sizes are GiB."""

    id: str
    name: str
    state: State
    desired: Desired
    created_at: float
    updated_at: float
    last_activity_at: float
    auth_token: str
    signing_key: str
    snapshot: str | None = None
    user: str = "daytona"
    env: dict[str, str] = {}
    labels: dict[str, str] = {}
    public: bool = False
    network_block_all: bool = False
    network_allow_list: str | None = None
    domain_allow_list: str | None = None
    cpu: int = 1
    memory: int = 1
    disk: int = 3
    limited: tuple[str, ...] = ()
    """The sizes that were asked for and are limits; the others are told and do not hold."""
    error_reason: str | None = None
    recoverable: bool = False
    auto_stop_interval: float = 15
    auto_pause_interval: float = 0
    auto_archive_interval: float = 10080
    auto_delete_interval: float = -1
    auto_destroy_at: float | None = None
    volumes: tuple[MountRequest, ...] = ()
    secrets: dict[str, str] = {}
    """Placeholders, by the names of environment variables."""
    warm_pool_id: str | None = None
    """The pool in which it waits to be asked for."""
    build_info: BuildInfo | None = None
    image: Image = HOST
    """What lies below its own files."""
    parent: str | None = None
    """The sandbox that it is a fork of."""
    forked: bool = False
    """Whether there may be forks of it: nobody need look for them otherwise."""
    outbound_proxy_url: str | None = None
    """The proxy that its programs are told to go through."""
    backup_created_at: float | None = None
    otel_endpoint: str | None = None
    """The collector that is told what it uses, instead of the organization's."""
    linked: str | None = None
    """The sandbox that it follows."""
    leads: bool = False
    """Whether there may be sandboxes that follow it: nobody need look for them otherwise."""

    @property
    def environment(self) -> dict[str, str]:
        """What the environment of its processes gets for this sandbox in particular."""
        return self.env | self.secrets

    @property
    def limits(self) -> Limits:
        """What it may use, of what somebody has asked for."""
        return Limits(
            cpu=self.cpu if "cpu" in self.limited else None,
            memory=self.memory * GIB if "memory" in self.limited else None,
            disk=self.disk * GIB if "disk" in self.limited else None,
        )

    @property
    def pending(self) -> bool:
        """Whether a task is taking it somewhere."""
        return is_pending(self.state, self.desired)

    @property
    def visible(self) -> bool:
        """Whether clients may still read it."""
        return is_visible(self.state, self.desired)

    @property
    def ephemeral(self) -> bool:
        """Whether stopping it means deleting it."""
        return self.auto_delete_interval == 0

    @property
    def situation(self) -> Situation:
        """What decides which operations are legal."""
        return Situation(self.state, self.desired, self.ephemeral, self.recoverable)
