"""Parameters that users fill in: settings for new sandboxes, snapshots and secrets, and queries for sandboxes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from daytona.models._records import Record, warn_of
from daytona.models.enums import (
    CodeLanguage,
    GpuType,
    SandboxClass,
    SandboxListSortDirection,
    SandboxListSortField,
    SandboxState,
)
from daytona.models.volume import VolumeMount

Language: TypeAlias = CodeLanguage | Literal["python", "typescript", "javascript"]


class ImageContext(Protocol):
    """A local path, and its name in the build."""

    @property
    def source_path(self) -> str:
        """The local path."""
        ...

    @property
    def archive_path(self) -> str | None:
        """Its name in the build; None makes it from the local path."""
        ...


class ImageSource(Protocol):
    """What can be built: `daytona.Image`, or anything else with a Dockerfile and the files it copies."""

    @property
    def contexts(self) -> Sequence[ImageContext]:
        """The local files the build needs."""
        ...

    def dockerfile(self) -> str:
        """Return the text of the Dockerfile."""
        ...


class _Written(type):
    """Drops keywords that a class does not know, with a warning."""

    if not TYPE_CHECKING:  # or checkers would let everything pass

        def __call__(cls, *args, **kwargs):
            unknown = kwargs.keys() - cls.model_fields.keys()
            warn_of(unknown, cls)
            known = {name: value for name, value in kwargs.items() if name not in unknown}
            return super().__call__(*args, **known)


class Params(Record, metaclass=_Written):
    """Parameters that users fill in; unknown keywords, such as options of other releases, warn and are ignored."""


@dataclass
class Resources:
    """The size of a sandbox: CPU cores, memory and disk in GiB, and GPUs."""

    cpu: int | None = None
    memory: int | None = None
    disk: int | None = None
    gpu: int | None = None
    gpu_type: GpuType | list[GpuType] | None = None

    def gpu_types(self) -> list[GpuType] | None:
        """Return the acceptable models as a list, as the protocol requires."""
        if self.gpu_type is None or isinstance(self.gpu_type, list):
            return self.gpu_type
        return [self.gpu_type]


def _resources(given: Resources | dict[str, int] | None) -> Resources | None:
    """Return resources, which may be given as a dictionary, for example from a settings file."""
    return Resources(**given) if isinstance(given, dict) else given  # type: ignore[arg-type]  # as it was written


@dataclass(kw_only=True)
class CreateSandboxBaseParams(Params):
    """Settings for a new sandbox.

    Args:
        name: A name that is unique in the organization; None generates one.
        language: The language that `code_run` runs; None means Python.
        os_user: The user that runs programs.
        env_vars: Environment variables for all programs.
        labels: Key-value pairs to find it by.
        public: Whether previews need no token.
        auto_stop_interval: Minutes without activity after which it stops; 0 means never.
        auto_pause_interval: Minutes without activity after which it pauses; 0 means never.
        auto_archive_interval: Minutes after its stop at which it is archived; 0 means as late as possible.
        auto_delete_interval: Minutes after its stop at which it is deleted; a negative number means never.
        ttl_minutes: Minutes after which it is destroyed, whatever it is doing.
        queue_timeout: Seconds to wait for free capacity.
        volumes: Volumes to mount.
        secrets: A mapping from environment variables to the names of the secrets whose placeholders they get.
        network_block_all: Block all network access.
        kvm: Enable nested virtualization.
        network_allow_list: The only networks that it can reach, as comma-separated CIDR blocks.
        domain_allow_list: The only domains that it can reach, separated by commas.
        outbound_proxy_url: A proxy for its outgoing connections.
        otel_endpoint_override: Where to send its telemetry.
        ephemeral: Delete it as soon as it stops.
        spot: Use spot capacity, which may be taken back at any time.
        linked_sandbox: The sandbox that this one is linked to.
        target: The region; None means the client's.
    """

    name: str | None = None
    language: Language | None = None
    os_user: str | None = None
    env_vars: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    public: bool | None = None
    auto_stop_interval: int | None = None
    auto_pause_interval: int | None = None
    auto_archive_interval: int | None = None
    auto_delete_interval: int | None = None
    ttl_minutes: int | None = None
    queue_timeout: int | None = None
    volumes: list[VolumeMount] | None = None
    secrets: dict[str, str] | None = None
    network_block_all: bool | None = None
    kvm: bool | None = None
    network_allow_list: str | None = None
    domain_allow_list: str | None = None
    outbound_proxy_url: str | None = None
    otel_endpoint_override: str | None = None
    ephemeral: bool | None = None
    spot: bool | None = None
    linked_sandbox: str | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        self._read_plain()
        if self.ephemeral:
            if self.auto_delete_interval:
                warnings.warn("ephemeral replaces auto_delete_interval by 0", UserWarning, stacklevel=4)
            self.auto_delete_interval = 0
        if self.auto_delete_interval == 0 and self.auto_stop_interval == 0 and not self.ttl_minutes:
            warnings.warn(
                "auto_stop_interval=0: this sandbox never stops by itself, so deleting it when it stops never happens; "
                "give an interval, or ttl_minutes",
                UserWarning,
                stacklevel=4,
            )

    def _read_plain(self) -> None:
        """Make models of dictionaries: parameters may come out of a file."""
        if self.volumes is not None:
            self.volumes = [VolumeMount.model_validate(volume) for volume in self.volumes]


@dataclass(kw_only=True)
class CreateSandboxFromImageParams(CreateSandboxBaseParams):
    """Settings for a new sandbox that is created from an image: the name of one, or an `Image` to build."""

    image: str | ImageSource
    resources: Resources | None = None

    def _read_plain(self) -> None:
        super()._read_plain()
        self.resources = _resources(self.resources)


@dataclass(kw_only=True)
class CreateSandboxFromSnapshotParams(CreateSandboxBaseParams):
    """Settings for a new sandbox that is created from a snapshot; None means the platform's default snapshot."""

    snapshot: str | None = None


@dataclass(kw_only=True)
class CreateSnapshotParams(Params):
    """Settings for a new snapshot."""

    name: str
    image: str | ImageSource
    resources: Resources | None = None
    entrypoint: list[str] | None = None
    region_id: str | None = None
    sandbox_class: SandboxClass | None = None

    def __post_init__(self) -> None:
        self.resources = _resources(self.resources)


@dataclass(kw_only=True, repr=False)
class CreateSecretParams(Params):
    """Settings for a new secret; its value is only sent in requests to *hosts*."""

    name: str
    value: str
    description: str | None = None
    hosts: list[str] | None = None


@dataclass(kw_only=True, repr=False)
class UpdateSecretParams(Params):
    """Changes to a secret; None leaves a setting unchanged."""

    value: str | None = None
    description: str | None = None
    hosts: list[str] | None = None


@dataclass
class ListSandboxesQuery(Params):
    """Which sandboxes to list; `id` and `name` are prefixes, `limit` is the size of a page."""

    limit: int | None = None
    id: str | None = None
    name: str | None = None
    labels: dict[str, str] | None = None
    states: list[SandboxState] | None = None
    snapshots: list[str] | None = None
    targets: list[str] | None = None
    min_cpu: int | None = None
    max_cpu: int | None = None
    min_memory_gib: int | None = None
    max_memory_gib: int | None = None
    min_disk_gib: int | None = None
    max_disk_gib: int | None = None
    is_public: bool | None = None
    is_recoverable: bool | None = None
    created_at_after: datetime | None = None
    created_at_before: datetime | None = None
    last_activity_after: datetime | None = None
    last_activity_before: datetime | None = None
    auto_destroy_at_after: datetime | None = None
    auto_destroy_at_before: datetime | None = None
    sort: SandboxListSortField | None = None
    order: SandboxListSortDirection | None = None
