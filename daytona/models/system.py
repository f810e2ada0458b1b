"""The system of a sandbox: directories, environment, ports, load."""

from __future__ import annotations

from datetime import datetime

import msgspec

from daytona.models._base import Model, Number, Request
from daytona.models._records import DataRecord


class Directory(Model, frozen=True):
    """The home or work directory."""

    dir: str


UserHomeDirResponse = Directory
WorkDirResponse = Directory


class UpdateEnvRequest(Request, frozen=True):
    """Sets and unsets variables for new processes."""

    set: dict[str, str] | None = None
    unset: list[str] | None = None
    unset_value_prefix: str | None = None


class PortList(Model, frozen=True):
    """The ports something listens on."""

    ports: list[int] = []


class IsPortInUseResponse(Model, frozen=True):
    """Whether something listens on a port."""

    is_in_use: bool | None = None


class SystemMetrics(Model, frozen=True):
    """The load of a sandbox as its toolbox measures it."""

    cpu_count: int | None = None
    cpu_used_pct: Number | None = None
    mem_total: int | None = None
    mem_used: int | None = None
    mem_cache: int | None = None
    disk_total: int | None = None
    disk_used: int | None = None
    disk_free: int | None = None
    timestamp: str | None = None
    timestamp_unix: int | None = None


class SandboxMetrics(DataRecord, msgspec.Struct):
    """The load of a sandbox at one time; sizes in bytes."""

    cpu_count: int
    cpu_used_pct: float
    disk_total: int
    disk_used: int
    mem_total: int
    mem_used: int
    mem_cache: int
    timestamp: datetime
