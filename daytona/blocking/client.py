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
        """Storage shared between sandboxes."""
        from daytona.blocking.volume import VolumeService
        return VolumeService._over(self._core.volume)

    @functools.cached_property
    def snapshot(self) -> SnapshotService:
        """What sandboxes are made from."""
        from daytona.blocking.snapshot import SnapshotService
        return SnapshotService._over(self._core.snapshot)

    @functools.cached_property
    def secret(self) -> SecretService:
        """Values that programs use without seeing them."""
        from daytona.blocking.secret import SecretService
        return SecretService._over(self._core.secret)

    @functools.cached_property
    def warm_pool(self) -> WarmPoolService:
        """Sandboxes made ahead."""
        from daytona.blocking.warm_pool import WarmPoolService
        return WarmPoolService._over(self._core.warm_pool)

    @property
    def object_storage(self) -> BuildStorage:
        """The store for build contexts, for what is to be there ahead of time.

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
        """Close all connections; calls still under way end with `DaytonaClosedError`. May be called twice."""
        step(self._core.close())

    def create(
        self,
        params: CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams | None = None,
        *,
        timeout: float | None = 60,
        on_snapshot_create_logs: Callable[[str], None] | None = None,
    ) -> Sandbox:
        """Return a new sandbox in which programs can run.

        Args:
            params: From which snapshot or image, and how it is to be; None means the platform's default.
            timeout: Seconds for all of it; None or 0 means no limit.
            on_snapshot_create_logs: Called with each line that the build prints when an image has to be built first.

        Raises:
            DaytonaConflictError: There is a sandbox of this name.
            DaytonaConnectionError: No answer came; with `outcome` "unknown" and a `sandbox_id` there is a sandbox of the
                name that was given, and it may have been made by this very call.
            DaytonaTimeoutError: It took longer than *timeout*; `sandbox_id` names it if it exists already.
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
        """Return the sandbox with this id or name, or else the newest one that has all of *labels*.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return Sandbox._over(step(self._core.find_one(sandbox_id_or_name, labels)))

    def list(
        self, query: ListSandboxesQuery | None = None, request_timeout: float | None = None
    ) -> BlockingStream[AsyncSandbox, Sandbox]:
        """Yield the sandboxes that fit *query*, asking for one page after the other.

        What a listed sandbox does not say (`env`, `volumes`, `build_info`) is there after `refresh_data`.

        Args:
            query: Which ones, in which order, and how many to a page.
            request_timeout: Seconds for each page.
        """
        return BlockingStream(self._core.list(query, request_timeout), Sandbox._over)

    def reap(
        self, owner: str | None = None, *, older_than: float = 0, dry_run: bool = False
    ) -> tuple[str, ...]:
        """Delete the sandboxes that other clients of an owner have left behind, and return their ids.

        Args:
            owner: Whose sandboxes; None means this client's own name, `DaytonaConfig(owner=...)`.
            older_than: Only those made so many seconds ago, or more.
            dry_run: Delete nothing, and return what would be.

        Raises:
            DaytonaValidationError: No owner is named.
            DaytonaError: One could not be deleted; the others have been.
        """
        return step(self._core.reap(owner, older_than=older_than, dry_run=dry_run))

    def start(self, sandbox: Sandbox, timeout: float | None = 60) -> None:
        """Start *sandbox* and wait until programs can run in it."""
        step(self._core.start(sandbox._core, timeout))

    def stop(self, sandbox: Sandbox, timeout: float | None = 60) -> None:
        """Stop *sandbox* and wait until it has."""
        step(self._core.stop(sandbox._core, timeout))

    def recover(self, sandbox: Sandbox, timeout: float | None = 60) -> None:
        """Bring *sandbox* back from a recoverable error."""
        step(self._core.recover(sandbox._core, timeout))

    def delete(self, sandbox: Sandbox, timeout: float | None = 60, wait: bool = False) -> None:
        """Delete *sandbox*; with *wait* return only when it is gone."""
        step(self._core.delete(sandbox._core, timeout, wait))
