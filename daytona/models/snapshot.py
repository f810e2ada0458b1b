"""Snapshots: what sandboxes are made from."""

from __future__ import annotations

from datetime import datetime

from daytona.models._base import Model, Number, Request
from daytona.models.enums import GpuType, SandboxClass, SnapshotState
from daytona.models.sandbox import BuildInfo, CreateBuildInfo


class CreateSnapshot(Request, frozen=True):
    """Asks for a snapshot of an image, or of what a Dockerfile builds."""

    name: str
    image_name: str | None = None
    entrypoint: list[str] | None = None
    cpu: int | None = None
    gpu: int | None = None
    gpu_type: list[GpuType] | None = None
    memory: int | None = None
    disk: int | None = None
    build_info: CreateBuildInfo | None = None
    region_id: str | None = None
    sandbox_class: SandboxClass | None = None


class Snapshot(Model, frozen=True):
    """A snapshot as the API describes it."""

    id: str
    organization_id: str | None = None
    general: bool = False
    name: str = ""
    image_name: str | None = None
    state: SnapshotState | None = None
    size: Number | None = None
    entrypoint: list[str] | None = None
    cpu: Number = 0
    gpu: Number = 0
    gpu_type: GpuType | None = None
    mem: Number = 0
    disk: Number = 0
    error_reason: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    last_used_at: datetime | None = None
    build_info: BuildInfo | None = None
    region_ids: list[str] | None = None
    initial_runner_id: str | None = None
    ref: str | None = None
    source_sandbox_id: str | None = None
    sandbox_class: str | None = None


class PaginatedSnapshots(Model, frozen=True):
    """One page of snapshots."""

    items: list[Snapshot] = []
    total: int = 0
    page: int = 0
    total_pages: int = 0
