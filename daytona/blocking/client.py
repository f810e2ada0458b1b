"""The client: making sandboxes and finding them, for blocking code.

Written by `python -m daytona.faces` from `daytona.services.client`: change that, and run `nox -s faces`.
"""

# A face reaches the core of its arguments.
# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Self, cast

from collections.abc import Callable
from daytona.blocking.sandbox import Sandbox
from daytona.models.enums import CodeLanguage
from daytona.plugins import ExtensibleFace, face_of
from daytona.service import BlockingService, BlockingStream, step
from daytona.services.client import AsyncClient
from types import TracebackType

if TYPE_CHECKING:
    from daytona.blocking.secret import SecretService
    from daytona.blocking.snapshot import SnapshotService
    from daytona.blocking.volume import VolumeService
    from daytona.blocking.warm_pool import WarmPoolService
    from daytona.models.params import (
        CreateSandboxFromImageParams,
        CreateSandboxFromSnapshotParams,
        ListSandboxesQuery,
    )
    from daytona.services.sandbox import AsyncSandbox
    from daytona_plugins.object_storage.blocking import BuildStorage

__all__ = ["Client"]


class Client(BlockingService[AsyncClient], ExtensibleFace):
    """Makes sandboxes, finds them and takes them through their lives.

    Attributes:
        default_language: What `code_run` runs in a sandbox created without a language.
    """

    @property
    def default_language(self) -> CodeLanguage:
        return self._core.default_language

    @functools.cached_property
    def volume(self) -> VolumeService:
        """Volumes: storage shared between sandboxes."""
        from daytona.blocking.volume import VolumeService
        return VolumeService._over(self._core.volume)

    @functools.cached_property
    def snapshot(self) -> SnapshotService:
        """The snapshots that sandboxes are created from."""
        from daytona.blocking.snapshot import SnapshotService
        return SnapshotService._over(self._core.snapshot)

    @functools.cached_property
    def secret(self) -> SecretService:
        """Secrets: values that programs can use without seeing them."""
        from daytona.blocking.secret import SecretService
        return SecretService._over(self._core.secret)

    @functools.cached_property
    def warm_pool(self) -> WarmPoolService:
        """Warm pools: sandboxes that are created ahead of time."""
        from daytona.blocking.warm_pool import WarmPoolService
        return WarmPoolService._over(self._core.warm_pool)

    @property
    def object_storage(self) -> BuildStorage:
        """The object store for build contexts, to upload them ahead of time.

        Raises:
            DaytonaPluginMissingError: The plugin for it is not installed.
        """
        return cast("BuildStorage", face_of(self._core.object_storage))

    def __enter__(self) -> Self:
        step(self._core.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        step(self._core.__aexit__(kind, error, trace))

    def close(self) -> None:
        """Close all connections; calls in progress fail with `DaytonaClosedError`. May be called more than once."""
        step(self._core.close())

    def create(
        self,
        params: CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams | None = None,
        *,
        timeout: float | None = 60,
        on_snapshot_create_logs: Callable[[str], None] | None = None,
    ) -> Sandbox:
        """Create a sandbox and return it once programs can run in it.

        Args:
            params: The snapshot or image to create it from, and its settings; None means the platform's defaults.
            timeout: Seconds for the whole call; None or 0 means no limit.
            on_snapshot_create_logs: Called with each line of the build log if an image has to be built first.

        Raises:
            DaytonaConflictError: A sandbox with this name exists.
            DaytonaConnectionError: No response arrived. If `outcome` is "unknown" and there is a `sandbox_id`, a sandbox
                with the given name exists, and may have been created by this call.
            DaytonaTimeoutError: It took longer than *timeout*; `sandbox_id` is set if the sandbox already exists.
        """
        return Sandbox._over(step(self._core.create(params, timeout=timeout, on_snapshot_create_logs=on_snapshot_create_logs)))

    def get(self, sandbox_id_or_name: str, request_timeout: float | None = None) -> Sandbox:
        """Return the sandbox with this id or name.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return Sandbox._over(step(self._core.get(sandbox_id_or_name, request_timeout)))

    def find_one(
        self, sandbox_id_or_name: str | None = None, labels: dict[str, str] | None = None
    ) -> Sandbox:
        """Return the sandbox with this id or name or, without one, the newest sandbox that has all of *labels*.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return Sandbox._over(step(self._core.find_one(sandbox_id_or_name, labels)))

    def list(
        self, query: ListSandboxesQuery | None = None, request_timeout: float | None = None
    ) -> BlockingStream[AsyncSandbox, Sandbox]:
        """Yield the sandboxes that match *query*, fetching one page at a time.

        Some attributes (`env`, `volumes`, `build_info`) are missing from a list; `refresh_data` fetches them.

        Args:
            query: Which sandboxes, in which order, and how many per page.
            request_timeout: Seconds for each page.
        """
        return BlockingStream(self._core.list(query, request_timeout), Sandbox._over)

    def reap(
        self, owner: str | None = None, *, older_than: float = 0, dry_run: bool = False
    ) -> tuple[str, ...]:
        """Delete the sandboxes that earlier clients of an owner left behind, and return their ids.

        Args:
            owner: The owner's name; None means that of this client, `DaytonaConfig(owner=...)`.
            older_than: Only sandboxes that are at least this many seconds old.
            dry_run: Delete nothing, and return the ids of what would be deleted.

        Raises:
            DaytonaValidationError: No owner was given.
            DaytonaError: At least one could not be deleted; the others were.
        """
        return step(self._core.reap(owner, older_than=older_than, dry_run=dry_run))

    def start(self, sandbox: Sandbox, timeout: float | None = 60) -> None:
        """Start *sandbox* and wait until programs can run in it."""
        step(self._core.start(sandbox._core, timeout))

    def stop(self, sandbox: Sandbox, timeout: float | None = 60) -> None:
        """Stop *sandbox* and wait until it has stopped."""
        step(self._core.stop(sandbox._core, timeout))

    def recover(self, sandbox: Sandbox, timeout: float | None = 60) -> None:
        """Bring *sandbox* back from a recoverable error."""
        step(self._core.recover(sandbox._core, timeout))

    def delete(self, sandbox: Sandbox, timeout: float | None = 60, wait: bool = False) -> None:
        """Delete *sandbox*; with *wait*, return only once it is gone."""
        step(self._core.delete(sandbox._core, timeout, wait))
