"""Who may talk to the platform: whoever has its own key, which may do everything, or one that was made with it.

Of the keys that were made the platform keeps a digest only, and shows each once.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.platform.auth import has_key, mask, same, token_of
from daytona_plugins.local.platform.permissions import ALL, USE_SANDBOXES, is_allowed
from daytona_plugins.local.platform.regions import SINCE_SECONDS
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daytona_plugins.local.platform.shelf import Shelf
    from daytona_plugins.local.web import Request

OWN_NAME = "local"
"""What the platform's own key is called."""
SECONDS_BETWEEN_NOTES = 10.0


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One key; its id is its digest."""

    id: str
    name: str
    shown: str
    permissions: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    last_used_at: float | None = None


class Keys:
    """All keys of one platform."""

    def __init__(self, own: str, shelf: Shelf[KeyRecord], clock: Callable[[], float]) -> None:
        self._own = own
        self._shelf = shelf
        self._clock = clock
        self._made = {record.id: record for record in shelf.all()}

    @property
    def own(self) -> KeyRecord:
        """The platform's own key."""
        return KeyRecord(
            id="", name=OWN_NAME, shown=mask(self._own), permissions=ALL, created_at=SINCE_SECONDS
        )

    def admit(self, request: Request) -> None:
        """Let a request to the API pass.

        Raises:
            HTTPError: It has no key that is good (401), or one that is not for this (403).
        """
        if has_key(request, self._own):
            return
        if not is_allowed(self._known(request).permissions, request.method, request.raw_path):
            raise HTTPError(403, "Access denied")

    def opens_sandboxes(self, request: Request) -> bool:
        """Return whether a request carries a key with which one may reach into sandboxes."""
        if has_key(request, self._own):
            return True
        found = self.find(token_of(request))
        return found is not None and USE_SANDBOXES in found.permissions

    def is_good(self, token: str) -> bool:
        """Return whether this is a key at all."""
        return same(token, self._own) or self.find(token) is not None

    def holder(self, request: Request) -> KeyRecord:
        """Return the key that a request carries.

        Raises:
            HTTPError: It has none that is good (401).
        """
        return self.own if has_key(request, self._own) else self._known(request)

    def _known(self, request: Request) -> KeyRecord:
        found = self.find(token_of(request))
        if found is None:
            raise HTTPError(401, "Invalid credentials")
        return found

    def find(self, token: str) -> KeyRecord | None:
        """Return a key that was made and has not expired, and note that it is used."""
        found = self._made.get(_digest(token))
        now = self._clock()
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            return None
        if now - (found.last_used_at or 0) >= SECONDS_BETWEEN_NOTES:
            found = self._keep(msgspec.structs.replace(found, last_used_at=now))
        return found

    def all(self) -> list[KeyRecord]:
        """Return every key, the platform's own first."""
        return [self.own, *sorted(self._made.values(), key=lambda record: record.created_at)]

    def named(self, name: str) -> KeyRecord:
        """Return the key with this name.

        Raises:
            HTTPError: There is none (404).
        """
        for record in self.all():
            if record.name == name:
                return record
        raise HTTPError(404, f"API key {name!r} not found")

    def make(
        self, name: str, permissions: Sequence[str], expires_at: float | None, *, maker: KeyRecord
    ) -> tuple[str, KeyRecord]:
        """Return a new key, which is told this once, and what is kept of it.

        Raises:
            HTTPError: The name is taken (409), there is no such permission (400), or *maker* has it not (403).
        """
        if unknown := set(permissions) - set(ALL):
            raise HTTPError(400, f"permissions: unknown {', '.join(sorted(unknown))}")
        if beyond := set(permissions) - set(maker.permissions):
            raise HTTPError(403, f"this key cannot give what it has not: {', '.join(sorted(beyond))}")
        if any(record.name == name for record in self.all()):
            raise HTTPError(409, f"an API key with the name {name!r} exists already")
        key = f"dtn_{secrets.token_hex(32)}"
        record = KeyRecord(
            id=_digest(key),
            name=name,
            shown=mask(key),
            permissions=tuple(dict.fromkeys(permissions)),
            created_at=self._clock(),
            expires_at=expires_at,
        )
        return key, self._keep(record)

    def revoke(self, name: str) -> None:
        """End a key, at once.

        Raises:
            HTTPError: There is none with this name (404), or it is the platform's own (403).
        """
        record = self.named(name)
        if not record.id:
            raise HTTPError(403, "the platform's own key goes with the platform's data directory only")
        del self._made[record.id]
        self._shelf.remove(record.id)

    def _keep(self, record: KeyRecord) -> KeyRecord:
        self._made[record.id] = record
        return self._shelf.put(record)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
