"""Secrets: values that requests leaving a sandbox get, and programs inside never see."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from daytona.models._base import Confidential, Model, Request


class CreateSecret(Request, Confidential, frozen=True):
    """Asks for a secret."""

    name: str
    value: str
    description: str | None = None
    hosts: list[str] | None = None

    _secrets: ClassVar[frozenset[str]] = frozenset({"value"})


class UpdateSecret(Request, Confidential, frozen=True):
    """Asks for another value, description or list of hosts."""

    value: str | None = None
    description: str | None = None
    hosts: list[str] | None = None

    _secrets: ClassVar[frozenset[str]] = frozenset({"value"})


class Secret(Model, frozen=True):
    """A secret without its value; sandboxes see *placeholder* in its stead."""

    id: str
    name: str = ""
    description: str | None = None
    created_at: datetime | None = None
    placeholder: str = ""
    hosts: list[str] = []
    updated_at: datetime | None = None


class ListSecretsResponse(Model, frozen=True):
    """One page of secrets, and where the next one starts."""

    items: list[Secret] = []
    total: int = 0
    next_cursor: str | None = None
