"""Signed previews: names that open one port of one sandbox for a while, to whoever knows them."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.shelf import Shelf

SHORTEST, LONGEST, DEFAULT = 1, 86400, 60
_ALPHABET = string.ascii_lowercase + string.digits


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One token; it ends at a time in seconds since the epoch."""

    id: str
    """The port and the token, as they are written in a host name."""
    token: str
    sandbox_id: str
    port: int
    until: float


class PreviewTokens:
    """All tokens of one platform that have not expired."""

    def __init__(self, shelf: Shelf[TokenRecord], clock: Callable[[], float]) -> None:
        self._shelf = shelf
        self._clock = clock

    def issue(self, sandbox_id: str, port: int, lifetime: float) -> TokenRecord:
        """Return a new token, good for *lifetime* seconds."""
        self._forget_expired()
        token = "".join(secrets.choice(_ALPHABET) for _ in range(16))
        return self._shelf.put(
            TokenRecord(
                id=f"{port}-{token}",
                token=token,
                sandbox_id=sandbox_id,
                port=port,
                until=self._clock() + lifetime,
            )
        )

    def find(self, port: int, token: str) -> TokenRecord | None:
        """Return a token that is good for *port*, now."""
        found = self._shelf.get(f"{port}-{token}")
        return found if found and self._clock() < found.until else None

    def expire(self, sandbox_id: str, port: int, token: str) -> None:
        """End a token of a sandbox; fine when there is none."""
        found = self.find(port, token)
        if found and found.sandbox_id == sandbox_id:
            self._shelf.remove(found.id)

    def _forget_expired(self) -> None:
        for token in self._shelf.all():
            if token.until <= self._clock():
                self._shelf.remove(token.id)
