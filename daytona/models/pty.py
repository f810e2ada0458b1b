"""Terminals in a sandbox."""

from __future__ import annotations

import msgspec

from daytona.models._base import Model, Request
from daytona.models._records import DataRecord


class PtySize(DataRecord, msgspec.Struct):
    """The size of a terminal in characters."""

    rows: int
    cols: int


class PtyResult(DataRecord, msgspec.Struct):
    """How the program in a terminal ended."""

    exit_code: int | None = None
    error: str | None = None


class PtyCreateRequest(Request, frozen=True):
    """Asks for a terminal."""

    id: str | None = None
    cwd: str | None = None
    envs: dict[str, str] | None = None
    cols: int | None = None
    rows: int | None = None
    lazy_start: bool | None = None


class PtyCreateResponse(Model, frozen=True):
    """The name of a new terminal."""

    session_id: str


class PtyResizeRequest(Request, frozen=True):
    """Asks for another size."""

    cols: int
    rows: int


class PtySessionInfo(Model, frozen=True):
    """A terminal as the sandbox describes it."""

    id: str
    cwd: str = ""
    envs: dict[str, str] = {}
    cols: int = 0
    rows: int = 0
    created_at: str = ""
    active: bool = False
    lazy_start: bool = False


class PtyListResponse(Model, frozen=True):
    """The terminals of a sandbox."""

    sessions: list[PtySessionInfo] = []
