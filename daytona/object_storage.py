"""`ObjectStorage` and `AsyncObjectStorage`: the store for build contexts, by itself, for whoever has credentials.

Each upload has a transport of its own and closes it, so that there is nothing for a program to close. A client that makes
a sandbox from an image with local files uses the same uploads over its own transport, and needs none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .image import archive_path
from .models.platform import StorageAccess
from .network import new_transport
from .service import step
from .services.build_context import BuildContext
from .services.object_storage import BuildContexts, push_access

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .models.files import UploadProgress
    from .service import Api
    from .transport.http import HTTPTransport

__all__ = ["AsyncObjectStorage", "ObjectStorage", "upload_context"]

DEFAULT_BUCKET = "daytona-volume-builds"


async def upload_context(
    api: Api,
    path: str,
    archive_base_path: str | None = None,
    on_progress: Callable[[UploadProgress], Awaitable[None] | None] | None = None,
) -> str:
    """Return the hash of a file or directory, once it is where the platform behind *api* finds it.

    It goes through the transport of *api*, whichever that is; so services may await it.

    Raises:
        FileNotFoundError: It is not there.
    """
    access = await push_access(api)
    contexts = BuildContexts(api.transport, access)
    return await contexts.upload(path, access.organization_id, archive_base_path, on_progress)


class _ObjectStorage:
    def __init__(
        self,
        endpoint_url: str,
        aws_access_key_id: str,
        aws_secret_access_key: str,
        aws_session_token: str,
        bucket_name: str = DEFAULT_BUCKET,
        *,
        region: str,
    ) -> None:
        self._access = StorageAccess(
            access_key=aws_access_key_id,
            secret=aws_secret_access_key,
            session_token=aws_session_token,
            storage_url=endpoint_url,
            bucket=bucket_name,
            region=region,
        )

    @staticmethod
    def compute_archive_base_path(path_str: str) -> str:
        """Return the name of a local path in a build: normalised, without drive and leading separators."""
        return archive_path(path_str)


class AsyncObjectStorage(_ObjectStorage):
    """The store for build contexts, for asyncio and trio.

    Args:
        endpoint_url: Where it is, http or https.
        aws_access_key_id: From `GET /object-storage/push-access`, as the rest.
        aws_secret_access_key: The secret that signs requests.
        aws_session_token: What limits the credentials in time and reach.
        bucket_name: The bucket for contexts.
        region: The region that is signed for.
    """

    async def upload(
        self,
        path: str,
        organization_id: str,
        archive_base_path: str | None = None,
        *,
        on_progress: Callable[[UploadProgress], Awaitable[None] | None] | None = None,
    ) -> str:
        """Return the hash of a file or directory, once it is stored; what is there already is not sent again.

        Args:
            path: The file or directory.
            organization_id: Whose it is.
            archive_base_path: Its name in the build; None makes it from the path.
            on_progress: Called after each part that the store has taken; not at all when all of it was there.

        Raises:
            FileNotFoundError: It is not there.
            DaytonaError: The store refused it, could not be reached, or has not answered for a while.
        """
        from .transport.native import NativeDriver  # event loops are not a blocking program's business

        transport = new_transport(NativeDriver())
        return await _upload(transport, self._access, path, organization_id, archive_base_path, on_progress)

    async def _compute_hash_for_path_md5(self, path_str: str, archive_base_path: str | None = None) -> str:
        """Return the hash of a file or directory: programs that compare images call it, for want of another."""
        return BuildContext(path_str, archive_base_path).hash()


class ObjectStorage(_ObjectStorage):
    """The store for build contexts, for blocking code.

    Args:
        endpoint_url: Where it is, http or https.
        aws_access_key_id: From `GET /object-storage/push-access`, as the rest.
        aws_secret_access_key: The secret that signs requests.
        aws_session_token: What limits the credentials in time and reach.
        bucket_name: The bucket for contexts.
        region: The region that is signed for.
    """

    def upload(
        self,
        path: str,
        organization_id: str,
        archive_base_path: str | None = None,
        *,
        on_progress: Callable[[UploadProgress], None] | None = None,
    ) -> str:
        """Return the hash of a file or directory, once it is stored; what is there already is not sent again.

        Args:
            path: The file or directory.
            organization_id: Whose it is.
            archive_base_path: Its name in the build; None makes it from the path.
            on_progress: Called after each part that the store has taken; not at all when all of it was there.

        Raises:
            FileNotFoundError: It is not there.
            DaytonaError: The store refused it, could not be reached, or has not answered for a while.
        """
        from .transport.blocking import BlockingDriver  # nor sockets an async one's

        transport = new_transport(BlockingDriver())
        return step(_upload(transport, self._access, path, organization_id, archive_base_path, on_progress))

    def _compute_hash_for_path_md5(self, path_str: str, archive_base_path: str | None = None) -> str:
        """Return the hash of a file or directory: programs that compare images call it, for want of another."""
        return BuildContext(path_str, archive_base_path).hash()


async def _upload(
    transport: HTTPTransport,
    access: StorageAccess,
    path: str,
    organization_id: str,
    archive_base_path: str | None,
    on_progress: Callable[[UploadProgress], Awaitable[None] | None] | None,
) -> str:
    try:
        contexts = BuildContexts(transport, access)
        return await contexts.upload(path, organization_id, archive_base_path, on_progress)
    finally:
        transport.abandon()
