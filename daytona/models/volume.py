"""Volumes: storage that outlives sandboxes."""

from __future__ import annotations

from typing import TypeAlias

from daytona.models._base import Model, Request
from daytona.models.enums import VolumeState


class VolumeMount(Request, frozen=True, kw_only=True):
    """A volume, or the part of it below *subpath*, at *mount_path* in a sandbox."""

    volume_id: str
    mount_path: str
    subpath: str | None = None


SandboxVolume = VolumeMount


class CreateVolume(Request, frozen=True):
    """Asks for a volume."""

    name: str


class Volume(Model, frozen=True):
    """A volume as the API describes it."""

    id: str
    name: str = ""
    organization_id: str = ""
    state: VolumeState | None = None
    created_at: str = ""
    updated_at: str = ""
    last_used_at: str | None = None
    error_reason: str | None = None


Volumes: TypeAlias = list[Volume]
"""What a method called `list` returns: below that name, `list` itself cannot be written."""
