"""Addresses of files that carry their own permission: signed here, with a key that only the sandbox's owner is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..service import Api

__all__ = ["SignedUrls"]

KEY_SECONDS: Final = 15.0
"""How long a key is used before it is asked for again: so long a rotation may go unnoticed."""
DEFAULT_TTL: Final = 3600


class SignedUrls:
    """The signed addresses of one sandbox.

    Args:
        api: The platform, which has the key.
        path: Where the sandbox is on it.
        toolbox: Where the files are.
    """

    def __init__(self, api: Api, path: str, toolbox: Api) -> None:
        self._api = api
        self._path = path
        self._toolbox = toolbox
        self._key = ""
        self._asked_at: float | None = None

    async def url(self, method: str, operation: str, path: str, ttl_seconds: int | None) -> str:
        """Return an address for one operation on one file; *ttl_seconds* None means an hour, 0 or less for ever."""
        from ..protocols.signing import signed_query  # hashlib takes as long as all that is ours

        ttl = DEFAULT_TTL if ttl_seconds is None else ttl_seconds
        expires = int(self._api.transport.time()) + ttl if ttl > 0 else 0
        base_url = (await self._toolbox.endpoint()).base_url
        return f"{base_url}{operation}?{signed_query(await self._current_key(), method, path, expires)}"

    async def rotate(self) -> None:
        """Make every address that was given out so far useless."""
        await self._ask("POST", "/signing-key/rotate")

    async def _current_key(self) -> str:
        if self._asked_at is None or not 0 <= self._api.transport.time() - self._asked_at <= KEY_SECONDS:
            await self._ask("GET", "/signing-key")
        return self._key

    async def _ask(self, method: str, path: str) -> None:
        self._key = await self._api.call_text(method, f"{self._path}{path}")
        self._asked_at = self._api.transport.time()
