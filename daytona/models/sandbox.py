"""A sandbox: what the platform says of it, and what is asked for when one is made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from daytona.models._base import Model, Number, Request, WireRecord
from daytona.models._records import Field, Plain
from daytona.models.enums import GpuType, SandboxDesiredState, SandboxState
from daytona.models.volume import SandboxVolume

TOOLBOX_PORT = 2280
LANGUAGE_LABEL = "code-toolbox-language"


class CreateBuildInfo(Request, frozen=True):
    """A Dockerfile to build, and the hashes of the files it copies."""

    dockerfile_content: str
    context_hashes: list[str] | None = None


class BuildInfo(Model, frozen=True):
    """The Dockerfile something was built from."""

    snapshot_ref: str = ""
    dockerfile_content: str | None = None
    context_hashes: list[str] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Isolation(Model, frozen=True):
    """How the embedded platform separates a sandbox from its host; other platforms do not say.

    Each limit (`cpu`, `memory`, `disk`, `processes`) is "enforced", "watched" or "ignored".
    """

    tier: str = ""
    network: str = ""
    limits: dict[str, str] = {}
    notes: list[str] = []


class SandboxData(Model, frozen=True, gc=False):
    """A sandbox as the API describes it, alone or, with a little less, in a list."""

    id: str
    organization_id: str = ""
    name: str = ""
    snapshot: str | None = None
    user: str = ""
    env: dict[str, str] = {}
    labels: dict[str, str] = {}
    public: bool = False
    network_block_all: bool = False
    kvm: bool | None = None
    network_allow_list: str | None = None
    domain_allow_list: str | None = None
    outbound_proxy_url: str | None = None
    otel_endpoint_override: str | None = None
    target: str = ""
    cpu: int = 0
    gpu: int = 0
    spot: bool = False
    spot_evicted_at: str | None = None
    queue_timed_out_at: str | None = None
    gpu_type: GpuType | None = None
    memory: int = 0
    disk: int = 0
    state: SandboxState | None = None
    desired_state: SandboxDesiredState | None = None
    error_reason: str | None = None
    recoverable: bool | None = None
    warm_pool_id: str | None = None
    backup_state: str | None = None
    backup_created_at: str | None = None
    auto_stop_interval: Number | None = None
    auto_pause_interval: Number | None = None
    auto_archive_interval: Number | None = None
    auto_delete_interval: Number | None = None
    auto_destroy_at: str | None = None
    queue_timeout: int | None = None
    volumes: list[SandboxVolume] | None = None
    build_info: BuildInfo | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_activity_at: str | None = None
    sandbox_class: str | None = None
    daemon_version: str | None = None
    runner_id: str | None = None
    linked_sandbox_id: str | None = None
    toolbox_proxy_url: str = ""
    isolation: Isolation | None = None


class SandboxView(WireRecord):
    """The attributes of a sandbox handle; their values are those of the newest `SandboxData`."""

    id: str
    organization_id: str
    name: str
    snapshot: str | None
    user: str
    env: dict[str, str]
    labels: dict[str, str]
    public: bool
    network_block_all: bool
    kvm: bool | None
    network_allow_list: str | None
    domain_allow_list: str | None
    outbound_proxy_url: str | None
    otel_endpoint_override: str | None
    target: str
    cpu: int
    gpu: int
    spot: bool
    spot_evicted_at: str | None
    queue_timed_out_at: str | None
    gpu_type: GpuType | None
    memory: int
    disk: int
    state: SandboxState | None
    desired_state: SandboxDesiredState | None
    error_reason: str | None
    recoverable: bool | None
    warm_pool_id: str | None
    backup_state: str | None
    backup_created_at: str | None
    auto_stop_interval: Number | None
    auto_pause_interval: Number | None
    auto_archive_interval: Number | None
    auto_delete_interval: Number | None
    auto_destroy_at: str | None
    queue_timeout: int | None
    volumes: list[SandboxVolume] | None
    build_info: BuildInfo | None
    created_at: str | None
    updated_at: str | None
    last_activity_at: str | None
    sandbox_class: str | None
    daemon_version: str | None
    runner_id: str | None
    linked_sandbox_id: str | None
    toolbox_proxy_url: str
    isolation: Isolation | None

    _data: SandboxData

    if not TYPE_CHECKING:  # or checkers would believe in any attribute

        def __getattr__(self, name):
            # A handle that is being copied or unpickled has no `_data` yet, and `_data` itself is no field.
            if name in _FIELDS:
                return getattr(self._data, name)
            if (others := getattr(super(), "__getattr__", None)) is not None:
                return others(name)
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )

    @classmethod
    def _fields(cls) -> Sequence[Field]:
        return SandboxData._fields()

    def to_dict(self) -> Plain:
        """Return what the platform said of this sandbox, by the wire's names."""
        return self._data.to_dict()

    def _put(self, name: str, value: object) -> None:
        self._change(**{name: value})

    def _replace(self, data: SandboxData) -> None:
        # Answers to start, stop and the like leave these out; what is known of them stays true.
        known = vars(self).get("_data", data)
        gaps = {name: getattr(known, name) for name in _SOMETIMES_LEFT_OUT if not getattr(data, name)}
        self._data = msgspec.structs.replace(data, **gaps)

    def _change(self, **fields: object) -> None:
        self._data = msgspec.structs.replace(self._data, **fields)


_SOMETIMES_LEFT_OUT = ("build_info", "isolation", "last_activity_at", "toolbox_proxy_url")
_FIELDS = frozenset(SandboxData.__struct_fields__)


class CreateSandbox(Request, frozen=True):
    """Asks for a sandbox; `env`, `labels` and `volumes` are always sent."""

    # "omit None" drops defaults, so what must always go along has none.
    env: dict[str, str]
    labels: dict[str, str]
    volumes: list[SandboxVolume]
    name: str | None = None
    snapshot: str | None = None
    user: str | None = None
    public: bool | None = None
    network_block_all: bool | None = None
    kvm: bool | None = None
    network_allow_list: str | None = None
    domain_allow_list: str | None = None
    outbound_proxy_url: str | None = None
    otel_endpoint_override: str | None = None
    target: str | None = None
    cpu: int | None = None
    gpu: int | None = None
    gpu_type: list[GpuType] | None = None
    spot: bool | None = None
    memory: int | None = None
    disk: int | None = None
    auto_stop_interval: int | None = None
    auto_pause_interval: int | None = None
    auto_archive_interval: int | None = None
    auto_delete_interval: int | None = None
    ttl_minutes: int | None = None
    queue_timeout: int | None = None
    build_info: CreateBuildInfo | None = None
    linked_sandbox: str | None = None
    secrets: list[dict[str, str]] | None = None


class SandboxLabels(Request, frozen=True):
    """All labels of a sandbox; as a request it replaces them."""

    labels: dict[str, str]


class ResizeSandbox(Request, frozen=True):
    """Asks for another size."""

    cpu: int | None = None
    memory: int | None = None
    disk: int | None = None


class ForkSandbox(Request, frozen=True):
    """Asks for a copy of a running sandbox."""

    name: str | None = None


class CreateSandboxSnapshot(Request, frozen=True):
    """Asks for a snapshot of a sandbox; `include_memory` is always sent."""

    name: str
    include_memory: bool


class UpdateSandboxNetworkSettings(Request, frozen=True):
    """Asks for other network rules."""

    network_block_all: bool | None = None
    network_allow_list: str | None = None
    domain_allow_list: str | None = None


class UpdateSandboxSecrets(Request, frozen=True):
    """Replaces the secrets of a sandbox: one `{variable: secret name}` each."""

    secrets: list[dict[str, str]]


class ListSandboxesResponse(Model, frozen=True):
    """One page of sandboxes, and where the next one starts."""

    items: list[SandboxData] = []
    next_cursor: str | None = None
