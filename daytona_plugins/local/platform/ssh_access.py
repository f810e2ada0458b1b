"""Tokens to log in to a sandbox with, by SSH: each is the user name of whoever has it."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.shelf import Shelf

DEFAULT_MINUTES = 60.0
_ALPHABET = string.ascii_letters + string.digits


class AccessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One token; times are seconds since the epoch."""

    id: str
    token: str
    sandbox_id: str
    created_at: float
    until: float
    port: int
    """Where the server listened that it was made for: a later one listens there again."""


class SshAccesses:
    """All tokens of one platform that have not expired."""

    def __init__(self, shelf: Shelf[AccessRecord], clock: Callable[[], float]) -> None:
        self._shelf = shelf
        self._clock = clock

    def issue(self, sandbox_id: str, minutes: float, port: int) -> AccessRecord:
        """Return a new token for a sandbox; those it had before end."""
        self._forget_expired()
        self.revoke(sandbox_id)
        now = self._clock()
        return self._shelf.put(
            AccessRecord(
                id=str(uuid4()),
                token="".join(secrets.choice(_ALPHABET) for _ in range(32)),
                sandbox_id=sandbox_id,
                created_at=now,
                until=now + minutes * 60,
                port=port,
            )
        )

    def find(self, token: str) -> AccessRecord | None:
        """Return the access that a token opens now."""
        given = token.encode("utf-8", "surrogateescape")
        return next((one for one in self.good() if secrets.compare_digest(one.token.encode(), given)), None)

    def good(self) -> list[AccessRecord]:
        """Return what has not expired."""
        return [one for one in self._shelf.all() if self._clock() < one.until]

    def revoke(self, sandbox_id: str, token: str = "") -> None:
        """End one token of a sandbox, or all of them; fine when there is none."""
        for one in self._shelf.all():
            if one.sandbox_id == sandbox_id and token in ("", one.token):
                self._shelf.remove(one.id)

    def _forget_expired(self) -> None:
        for one in self._shelf.all():
            if one.until <= self._clock():
                self._shelf.remove(one.id)
