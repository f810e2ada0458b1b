"""The clipboard of a sandbox, for blocking code.

Written by `python -m daytona.faces` from `clipboard_plugin.service`: change that, and run this again.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from clipboard_plugin.service import AsyncClipboard
from daytona.service import BlockingService, step

__all__ = ["Clipboard"]


class Clipboard(BlockingService[AsyncClipboard]):
    """Texts that were copied in a sandbox, the last one first."""

    def copy(self, text: str, *, timeout: float | None = 10) -> int:
        """Put *text* on the clipboard, and return how many texts are there."""
        return step(self._core.copy(text, timeout=timeout))

    def paste(self, *, timeout: float | None = 10) -> str:
        """Return the text that was copied last.

        Raises:
            DaytonaNotFoundError: Nothing has been copied yet.
        """
        return step(self._core.paste(timeout=timeout))

    def history(self, *, limit: int = 10, timeout: float | None = 10) -> list[str]:
        """Return up to *limit* texts, the last one first."""
        return step(self._core.history(limit=limit, timeout=timeout))
