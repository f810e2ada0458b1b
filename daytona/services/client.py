"""The client: making sandboxes and finding them."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

from msgspec.structs import replace

from ..errors import (
    DaytonaConflictError,
    DaytonaConnectionError,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
    DaytonaValidationError,
)
from ..models.enums import CodeLanguage, SandboxState
from ..models.sandbox import CreateSandbox, ListSandboxesResponse, SandboxData
from ..plugins import CLIENT_SERVICES, Extensible
from ..protocols import waiting
from ..service import Api, operation, segment
from ._ownership import CREATION_LABEL, OWNER_LABEL, RUN_LABEL, Owner
from ._substitutes import tell_of_substitute
from ._watching import Watcher
from .sandbox import AsyncSandbox

if TYPE_CHECKING:
    from daytona_plugins.object_storage.service import AsyncBuildStorage

    from ..models.params import (
        CreateSandboxFromImageParams,
        CreateSandboxFromSnapshotParams,
        ListSandboxesQuery,
    )
    from ..protocols.rest import QueryValue
    from ._events import EventFeed
    from .secret import AsyncSecretService
    from .snapshot import AsyncSnapshotService
    from .volume import AsyncVolumeService
    from .warm_pool import AsyncWarmPoolService

__all__ = ["AsyncClient"]

MAKE_ATTEMPTS: Final = 4


class AsyncClient(Extensible):
    """Makes sandboxes, finds them and takes them through their lives.

    Attributes:
        default_language: What `code_run` runs in a sandbox created without a language.
    """

    _plugins = CLIENT_SERVICES
    default_language: CodeLanguage = CodeLanguage.PYTHON

    def __init__(
        self, api: Api, target: str | None = None, events: bool = False, owner: str | None = None
    ) -> None:
        self._api = api
        self._owner = Owner(owner) if owner is not None else None
        self._watcher = Watcher(api, _feed(api) if events else None)
        self._target = target

    # Loaded when they are first used, as what sandboxes are made from is: a client object is there in half the time.

    @functools.cached_property
    def volume(self) -> AsyncVolumeService:
        """Volumes: storage shared between sandboxes."""
        from .volume import AsyncVolumeService

        return AsyncVolumeService(self._api)

    @functools.cached_property
    def snapshot(self) -> AsyncSnapshotService:
        """The snapshots that sandboxes are created from."""
        from .snapshot import AsyncSnapshotService

        return AsyncSnapshotService(self._api, self._target)

    @functools.cached_property
    def secret(self) -> AsyncSecretService:
        """Secrets: values that programs can use without seeing them."""
        from .secret import AsyncSecretService

        return AsyncSecretService(self._api)

    @functools.cached_property
    def warm_pool(self) -> AsyncWarmPoolService:
        """Warm pools: sandboxes that are created ahead of time."""
        from .warm_pool import AsyncWarmPoolService

        return AsyncWarmPoolService(self._api)

    @property
    def object_storage(self) -> AsyncBuildStorage:
        """The object store for build contexts, to upload them ahead of time.

        Raises:
            DaytonaPluginMissingError: The plugin for it is not installed.
        """
        return cast("AsyncBuildStorage", self._service("object_storage"))

    def _plugin_target(self) -> Api:
        return self._api

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; calls in progress fail with `DaytonaClosedError`. May be called more than once."""
        await self._api.transport.close()

    # -- Making ---------------------------------------------------------------------------------------------------

    @operation("Failed to create sandbox: ")
    async def create(
        self,
        params: CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams | None = None,
        *,
        timeout: float | None = 60,
        on_snapshot_create_logs: Callable[[str], Awaitable[None] | None] | None = None,
    ) -> AsyncSandbox:
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
        from ._requests import creation, image_of, is_left_alone

        body, image = creation(params, self.default_language, self._target), image_of(params)
        if self._owner is not None:
            body = replace(body, labels=body.labels | self._owner.labels())
        with self._api.transport.deadline(timeout):
            if image is not None:
                from .object_storage import build_info  # only who builds images pays for what that takes

                body = replace(body, build_info=await build_info(self._api, image))
            data = await self._make(body, named_by_us=params is None or not params.name)
            sandbox = AsyncSandbox(self._api, data, self._watcher, left_alone=is_left_alone(params))
            try:
                if data.state is SandboxState.PENDING_BUILD and on_snapshot_create_logs is not None:
                    await self._follow_build(sandbox, on_snapshot_create_logs)
                await sandbox.wait_for_sandbox_start(None)
            except DaytonaTimeoutError as error:
                error.sandbox_id = data.id
                error.add_context(f"sandbox {data.id} exists and has not started yet: ")
                raise
        tell_of_substitute(sandbox.labels)
        return sandbox

    async def _make(self, body: CreateSandbox, *, named_by_us: bool) -> SandboxData:
        """Create exactly one sandbox, even if a request or a response is lost on the way.

        Names are unique, so the name tells whether a lost request was carried out. If no such sandbox exists, the request
        may be repeated. If one exists, it is ours if we generated its name or if it has the label of this call. Otherwise
        it may be somebody else's, which is for the caller to decide.
        """
        name, lost = body.name or "", False
        for attempt in range(MAKE_ATTEMPTS):
            try:
                return await self._api.call("POST", "/sandbox", json=body, into=SandboxData)
            except DaytonaConflictError as error:
                if not (named_by_us or lost or CREATION_LABEL in body.labels):
                    raise
                failure: DaytonaError = error
            except DaytonaError as error:
                if not _is_ambiguous(error):
                    raise
                if attempt + 1 == MAKE_ATTEMPTS or isinstance(error, DaytonaTimeoutError):
                    error.outcome = "unknown"
                    error.add_context(f"whether the sandbox {name!r} was made is not known: ")
                    raise
                failure, lost = error, True
            found = await self._if_exists(name)
            if found is not None and (named_by_us or _is_of(found, body)):
                return found
            if found is not None and lost:
                _say_what_exists(failure, found)
            if found is not None or isinstance(failure, DaytonaConflictError):
                raise failure from failure.__cause__
        raise AssertionError("unreachable")  # pragma: no cover - the last attempt returns or raises

    async def _if_exists(self, name: str) -> SandboxData | None:
        try:
            return await self._api.call("GET", f"/sandbox/{segment(name)}", into=SandboxData)
        except DaytonaNotFoundError:
            return None

    async def _follow_build(
        self, sandbox: AsyncSandbox, on_logs: Callable[[str], Awaitable[None] | None]
    ) -> None:
        """Hand on what the build prints until it ends; losing the log does not end the build."""
        look = 0
        while sandbox.state is SandboxState.PENDING_BUILD:
            await self._api.transport.sleep(waiting.polls(look))
            await sandbox.refresh_data()
            look += 1

        async def goes_on() -> bool:
            await sandbox.refresh_data()
            return sandbox.state in (SandboxState.PENDING_BUILD, SandboxState.BUILDING_SNAPSHOT)

        from ._build_logs import BuildLog

        await BuildLog(self._api, f"/sandbox/{segment(sandbox.id)}", on_logs).follow(goes_on)

    def _handle(self, data: SandboxData) -> AsyncSandbox:
        return AsyncSandbox(self._api, data, self._watcher)

    # -- Finding --------------------------------------------------------------------------------------------------

    @operation("Failed to get sandbox: ")
    async def get(self, sandbox_id_or_name: str, request_timeout: float | None = None) -> AsyncSandbox:
        """Return the sandbox with this id or name.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return await self._get(sandbox_id_or_name, request_timeout)

    async def _get(self, sandbox_id_or_name: str, timeout: float | None = None) -> AsyncSandbox:
        if not sandbox_id_or_name:
            raise DaytonaValidationError("sandbox_id_or_name is empty")
        path = f"/sandbox/{segment(sandbox_id_or_name)}"
        return self._handle(await self._api.call("GET", path, into=SandboxData, timeout=timeout))

    @operation("Failed to find sandbox: ")
    async def find_one(
        self, sandbox_id_or_name: str | None = None, labels: dict[str, str] | None = None
    ) -> AsyncSandbox:
        """Return the sandbox with this id or name or, without one, the newest sandbox that has all of *labels*.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        if sandbox_id_or_name:
            return await self._get(sandbox_id_or_name)
        wanted: dict[str, QueryValue] = {"limit": 1, "labels": labels or None}
        page = await self._api.call("GET", "/sandbox", query=wanted, into=ListSandboxesResponse)
        if not page.items:
            raise DaytonaNotFoundError(f"There is no sandbox with the labels {labels or {}}")
        return self._handle(page.items[0])

    # No `streaming_operation`: all that can fail here is the page, and passing on each sandbox took a fifth of the time.
    async def list(
        self, query: ListSandboxesQuery | None = None, request_timeout: float | None = None
    ) -> AsyncGenerator[AsyncSandbox]:
        """Yield the sandboxes that match *query*, fetching one page at a time.

        Some attributes (`env`, `volumes`, `build_info`) are missing from a list; `refresh_data` fetches them.

        Args:
            query: Which sandboxes, in which order, and how many per page.
            request_timeout: Seconds for each page.
        """
        cursor: str | None = None
        while True:
            page = await self._page(query, cursor, request_timeout)
            for item in page.items:
                yield self._handle(item)
            cursor = page.next_cursor
            if not cursor:
                return

    @operation("Failed to list sandboxes: ", name="list.fetch_page")
    async def _page(
        self, query: ListSandboxesQuery | None, cursor: str | None, timeout: float | None
    ) -> ListSandboxesResponse:
        wanted: dict[str, QueryValue] = {"cursor": cursor}
        if query is not None:
            from ._requests import listing

            wanted |= listing(query)
        return await self._api.call(
            "GET", "/sandbox", query=wanted, into=ListSandboxesResponse, timeout=timeout
        )

    @operation("Failed to reap sandboxes: ")
    async def reap(
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
        owner = owner or (self._owner.name if self._owner is not None else None)
        if not owner:
            raise DaytonaValidationError("Name an owner, here or in DaytonaConfig(owner=...)")
        made_before = datetime.fromtimestamp(self._api.transport.time() - older_than, UTC)
        from ..models.enums import SandboxListSortDirection, SandboxListSortField
        from ..models.params import ListSandboxesQuery

        # The youngest first: a fork is younger than its parent, which cannot be deleted before it.
        query = ListSandboxesQuery(
            labels={OWNER_LABEL: owner},
            created_at_before=made_before,
            sort=SandboxListSortField.CREATEDAT,
            order=SandboxListSortDirection.DESC,
        )
        left = [sandbox async for sandbox in self.list(query) if not self._made(sandbox)]
        if not dry_run:
            await _delete_all(left)
        return tuple(sandbox.id for sandbox in left)

    def _made(self, sandbox: AsyncSandbox) -> bool:
        return self._owner is not None and sandbox.labels.get(RUN_LABEL) == self._owner.run

    # -- Life, by the client --------------------------------------------------------------------------------------

    async def start(self, sandbox: AsyncSandbox, timeout: float | None = 60) -> None:
        """Start *sandbox* and wait until programs can run in it."""
        await sandbox.start(timeout)

    async def stop(self, sandbox: AsyncSandbox, timeout: float | None = 60) -> None:
        """Stop *sandbox* and wait until it has stopped."""
        await sandbox.stop(timeout)

    async def recover(self, sandbox: AsyncSandbox, timeout: float | None = 60) -> None:
        """Bring *sandbox* back from a recoverable error."""
        await sandbox.recover(timeout)

    async def delete(self, sandbox: AsyncSandbox, timeout: float | None = 60, wait: bool = False) -> None:
        """Delete *sandbox*; with *wait*, return only once it is gone."""
        await sandbox.delete(timeout, wait)


async def _delete_all(sandboxes: Iterable[AsyncSandbox]) -> None:
    failure: DaytonaError | None = None
    for sandbox in sandboxes:
        try:
            await sandbox.delete()
        except DaytonaNotFoundError:
            continue  # somebody was faster
        except DaytonaError as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _feed(api: Api) -> EventFeed:
    from ._events import EventFeed  # only who asks for events pays for what they take

    return EventFeed(api)


def _is_of(found: SandboxData, body: CreateSandbox) -> bool:
    """Return whether this very request made a sandbox."""
    mark = body.labels.get(CREATION_LABEL)
    return mark is not None and found.labels.get(CREATION_LABEL) == mark


def _say_what_exists(error: DaytonaError, found: SandboxData) -> None:
    """Put into *error* what is known of the sandbox that has the name."""
    error.outcome, error.retryable, error.sandbox_id = "unknown", False, found.id
    error.add_context(
        f"the answer was lost, and now there is a sandbox {found.name!r} with the id {found.id}, made at "
        f"{found.created_at}; if nobody else can have made it, it is this one: get({found.id!r}) returns it. "
    )


def _is_ambiguous(error: DaytonaError) -> bool:
    """Return whether the server may have done what it was asked to, although it did not say so."""
    if isinstance(error, DaytonaConnectionError):
        return error.outcome == "unknown"
    return error.status_code in (502, 503, 504)
