"""The clipboard of a sandbox."""

from __future__ import annotations

from daytona.service import AsyncService, operation

__all__ = ["AsyncClipboard"]


class AsyncClipboard(AsyncService):
    """Texts that were copied in a sandbox, the last one first."""

    @operation("Failed to copy: ")
    async def copy(self, text: str, *, timeout: float | None = 10) -> int:
        """Put *text* on the clipboard, and return how many texts are there."""
        return await self._api.call("POST", "/clipboard", json=text, into=int, timeout=timeout)

    @operation("Failed to paste: ")
    async def paste(self, *, timeout: float | None = 10) -> str:
        """Return the text that was copied last.

        Raises:
            DaytonaNotFoundError: Nothing has been copied yet.
        """
        return await self._api.call("GET", "/clipboard", into=str, timeout=timeout)

    @operation("Failed to list what was copied: ")
    async def history(self, *, limit: int = 10, timeout: float | None = 10) -> list[str]:
        """Return up to *limit* texts, the last one first."""
        query = {"limit": limit}
        return await self._api.call("GET", "/clipboard/history", query=query, into=list[str], timeout=timeout)
