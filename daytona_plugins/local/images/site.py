"""What the stages of one build have in common: the files it may copy, where it is done, and its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona_plugins.local.images.resolve import NotCachedError

if TYPE_CHECKING:
    from daytona_plugins.local.images.context import Context
    from daytona_plugins.local.images.log import BuildLog
    from daytona_plugins.local.images.steps import Workshop

__all__ = ["Site"]


class Site:
    """Where a build is done.

    Args:
        context: The uploaded files.
        workshop: Makes and keeps layers.
        arguments: What ARG finds that is not set in its stage.
        log: None means that nothing may be done, only found.
    """

    def __init__(
        self, context: Context, workshop: Workshop, arguments: dict[str, str], log: BuildLog | None
    ) -> None:
        self.context = context
        self.workshop = workshop
        self.arguments = arguments
        self._log = log

    def say(self, text: str) -> None:
        """Write a line into the log, if there is one."""
        if self._log is not None:
            self._log.line(text)

    @property
    def log(self) -> BuildLog:
        """Where to say what is being done.

        Raises:
            NotCachedError: Nothing may be done.
        """
        if self._log is None:
            raise NotCachedError
        return self._log
