"""Build contexts ahead of time: a program can store them before it makes an image of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daytona.models.platform import StorageAccess
from daytona.object_storage import upload_context
from daytona.service import AsyncService, operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daytona.models.files import UploadProgress

__all__ = ["AsyncBuildStorage"]


class AsyncBuildStorage(AsyncService):
    """The store for build contexts, with credentials that it asks for itself."""

    @operation("Failed to get access to object storage: ")
    async def access(self) -> StorageAccess:
        """Return credentials for the store, good for about an hour; `AsyncObjectStorage` takes them one by one."""
        return await self._api.call("GET", "/object-storage/push-access", into=StorageAccess)

    @operation("Failed to upload to object storage: ")
    async def upload(
        self,
        path: str,
        archive_base_path: str | None = None,
        *,
        on_progress: Callable[[UploadProgress], Awaitable[None] | None] | None = None,
    ) -> str:
        """Return the hash of a file or directory, once it is stored; what is there already is not sent again.

        Args:
            path: The file or directory.
            archive_base_path: Its name in the build; None makes it from the path.
            on_progress: Called after each part that the store has taken; not at all when all of it was there.

        Raises:
            FileNotFoundError: It is not there.
        """
        return await upload_context(self._api, path, archive_base_path, on_progress)
