"""Build contexts ahead of time: a program can store them before it makes an image of them, for blocking code.

Written by `python -m daytona.faces` from `daytona_plugins.object_storage.service`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona.models.platform import StorageAccess
from daytona.service import BlockingService, step
from daytona_plugins.object_storage.service import AsyncBuildStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from daytona.models.files import UploadProgress

__all__ = ["BuildStorage"]


class BuildStorage(BlockingService[AsyncBuildStorage]):
    """The store for build contexts, with credentials that it asks for itself."""

    def access(self) -> StorageAccess:
        """Return credentials for the store, good for about an hour; `AsyncObjectStorage` takes them one by one."""
        return step(self._core.access())

    def upload(
        self,
        path: str,
        archive_base_path: str | None = None,
        *,
        on_progress: Callable[[UploadProgress], None] | None = None,
    ) -> str:
        """Return the hash of a file or directory, once it is stored; what is there already is not sent again.

        Args:
            path: The file or directory.
            archive_base_path: Its name in the build; None makes it from the path.
            on_progress: Called after each part that the store has taken; not at all when all of it was there.

        Raises:
            FileNotFoundError: It is not there.
        """
        return step(self._core.upload(path, archive_base_path, on_progress=on_progress))
