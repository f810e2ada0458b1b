"""Ways into a sandbox: previews of ports, SSH, and the address of the toolbox."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from daytona.models._base import Confidential, Model


class PortPreviewUrl(Confidential, frozen=True):
    """Where a port of a sandbox is served, and the token that opens it."""

    url: str = ""
    token: str = ""
    sandbox_id: str = ""


class SignedPortPreviewUrl(Confidential, frozen=True):
    """An address that opens a port by itself until it expires."""

    url: str = ""
    token: str = ""
    sandbox_id: str = ""
    port: int = 0

    _secrets: ClassVar[frozenset[str]] = frozenset({"url", "token"})


class SshAccessDto(Confidential, frozen=True):
    """A token for SSH, and the command line that uses it."""

    id: str = ""
    sandbox_id: str = ""
    token: str = ""
    expires_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    ssh_command: str = ""

    _secrets: ClassVar[frozenset[str]] = frozenset({"token", "ssh_command"})


class SshAccessValidationDto(Model, frozen=True):
    """Whether a token opens a sandbox, and which."""

    valid: bool = False
    sandbox_id: str = ""


class Url(Model, frozen=True):
    """An address."""

    url: str = ""


class ToolboxProxyUrl(Url, frozen=True):
    """Where the toolboxes of sandboxes are reached."""
