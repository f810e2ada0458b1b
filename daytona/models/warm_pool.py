"""Warm pools: sandboxes kept ready to be handed out."""

from __future__ import annotations

from typing import TypeAlias

from daytona.models._base import Model, Number, Request


class CreateWarmPool(Request, frozen=True):
    """Asks for *pool* sandboxes of a snapshot to be kept ready."""

    snapshot: str
    pool: Number
    target: str | None = None


class UpdateWarmPool(Request, frozen=True):
    """Asks for another number."""

    pool: Number


class WarmPool(Model, frozen=True):
    """A warm pool as the API describes it."""

    id: str
    organization_id: str = ""
    snapshot: str = ""
    target: str = ""
    pool: Number = 0
    current_size: Number = 0
    cpu: Number = 0
    mem: Number = 0
    disk: Number = 0
    os_user: str = ""
    env: dict[str, str] = {}
    error_reason: str | None = None
    created_at: str = ""
    updated_at: str = ""


WarmPools: TypeAlias = list[WarmPool]
"""What a method called `list` returns: below that name, `list` itself cannot be written."""
