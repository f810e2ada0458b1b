"""The client: making sandboxes and finding them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final, Self, cast

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
from ..models.params import (
    CreateSandboxBaseParams,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    ListSandboxesQuery,
)
from ..models.sandbox import (
    LANGUAGE_LABEL,
    CreateSandbox,
    ListSandboxesResponse,
    SandboxData,
)
from ..plugins import CLIENT_SERVICES, Extensible
from ..protocols import waiting
from ..service import Api, operation, segment, streaming_operation
from ._build_logs import BuildLog
from .sandbox import AsyncSandbox
from .secret import AsyncSecretService
from .snapshot import AsyncSnapshotService
from .volume import AsyncVolumeService
from .warm_pool import AsyncWarmPoolService

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from types import TracebackType

    from daytona_plugins.object_storage.service import AsyncBuildStorage

    from ..protocols.rest import QueryValue

__all__ = ["AsyncClient"]

MAKE_ATTEMPTS: Final = 4


class AsyncClient(Extensible):
    """Makes sandboxes, finds them and takes them through their lives.

    Attributes:
        default_language: What `code_run` runs in a sandbox created without a language.
        volume: Storage shared between sandboxes.
        snapshot: What sandboxes are made from.
        secret: Values that programs use without seeing them.
        warm_pool: Sandboxes made ahead.
    """

    _plugins = CLIENT_SERVICES
    default_language: CodeLanguage = CodeLanguage.PYTHON

    def __init__(self, api: Api, target: str | None = None) -> None:
        self._api = api
        self._target = target
        self._plugged_in: dict[type[Any] | str, Any] = {}
        self.volume = AsyncVolumeService(api)
        self.snapshot = AsyncSnapshotService(api, target)
        self.secret = AsyncSecretService(api)
        self.warm_pool = AsyncWarmPoolService(api)

    @property
    def object_storage(self) -> AsyncBuildStorage:
        """The store for build contexts, for what is to be there ahead of time.

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
        """Close all connections; calls still under way end with `DaytonaClosedError`. May be called twice."""
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
        """Return a new sandbox in which programs can run.

        Args:
            params: From which snapshot or image, and how it is to be; None means the platform's default.
            timeout: Seconds for all of it; None or 0 means no limit.
            on_snapshot_create_logs: Called with each line that the build prints when an image has to be built first.

        Raises:
            DaytonaConflictError: There is a sandbox of this name.
            DaytonaTimeoutError: It took longer than *timeout*; `sandbox_id` names it if it exists already.
        """
        params = params if params is not None else CreateSandboxFromSnapshotParams()
        body = _request_body(params, self.default_language, self._target)
        with self._api.transport.deadline(timeout):
            if isinstance(params, CreateSandboxFromImageParams):
                from .object_storage import build_info  # only who builds images pays for what that takes

                body = replace(body, build_info=await build_info(self._api, params.image))
            data = await self._make(body, named_by_us=not params.name)
            sandbox = self._handle(data)
            try:
                if data.state is SandboxState.PENDING_BUILD and on_snapshot_create_logs is not None:
                    await self._follow_build(sandbox, on_snapshot_create_logs)
                await sandbox.wait_for_sandbox_start(None)
            except DaytonaTimeoutError as error:
                error.sandbox_id = data.id
                error.add_context(f"sandbox {data.id} exists and has not started yet: ")
                raise
        return sandbox

    async def _make(self, body: CreateSandbox, *, named_by_us: bool) -> SandboxData:
        """Return one new sandbox, also when a request or an answer is lost on the way.

        Whether a lost request was carried out is found out by its name, which nobody else can have if it is ours. A
        sandbox with the caller's own name may have been there before: then the outcome stays unknown.
        """
        for attempt in range(MAKE_ATTEMPTS):
            try:
                return await self._api.call("POST", "/sandbox", json=body, into=SandboxData)
            except DaytonaConflictError:
                if not named_by_us:
                    raise
                return await self._api.call("GET", f"/sandbox/{segment(body.name or '')}", into=SandboxData)
            except DaytonaError as error:
                if not _is_ambiguous(error):
                    raise
                if attempt + 1 == MAKE_ATTEMPTS or not named_by_us or isinstance(error, DaytonaTimeoutError):
                    error.outcome = "unknown"
                    error.add_context(f"whether the sandbox {body.name!r} was made is not known: ")
                    raise
                found = await self._if_exists(body.name or "")
            if found is not None:
                return found
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

        await BuildLog(self._api, f"/sandbox/{segment(sandbox.id)}", on_logs).follow(goes_on)

    def _handle(self, data: SandboxData) -> AsyncSandbox:
        return AsyncSandbox(self._api, data)

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
        """Return the sandbox with this id or name, or else the newest one that has all of *labels*.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        if sandbox_id_or_name:
            return await self._get(sandbox_id_or_name)
        page = await self._page(ListSandboxesQuery(limit=1, labels=labels), None, None)
        if not page.items:
            raise DaytonaNotFoundError(f"There is no sandbox with the labels {labels or {}}")
        return self._handle(page.items[0])

    @streaming_operation("Failed to list sandboxes: ")
    async def list(
        self, query: ListSandboxesQuery | None = None, request_timeout: float | None = None
    ) -> AsyncGenerator[AsyncSandbox]:
        """Yield the sandboxes that fit *query*, asking for one page after the other.

        What a listed sandbox does not say (`env`, `volumes`, `build_info`) is there after `refresh_data`.

        Args:
            query: Which ones, in which order, and how many to a page.
            request_timeout: Seconds for each page.
        """
        query = query or ListSandboxesQuery()
        if query.limit is not None and query.limit < 1:
            raise DaytonaValidationError(f"limit={query.limit} is less than 1")
        cursor: str | None = None
        while True:
            page = await self._page(query, cursor, request_timeout)
            for item in page.items:
                yield self._handle(item)
            cursor = page.next_cursor
            if not cursor:
                return

    @operation("", name="list.fetch_page")
    async def _page(
        self, query: ListSandboxesQuery, cursor: str | None, timeout: float | None
    ) -> ListSandboxesResponse:
        return await self._api.call(
            "GET", "/sandbox", query=_list_query(query, cursor), into=ListSandboxesResponse, timeout=timeout
        )

    # -- Life, by the client --------------------------------------------------------------------------------------

    async def start(self, sandbox: AsyncSandbox, timeout: float | None = 60) -> None:
        """Start *sandbox* and wait until programs can run in it."""
        await sandbox.start(timeout)

    async def stop(self, sandbox: AsyncSandbox, timeout: float | None = 60) -> None:
        """Stop *sandbox* and wait until it has."""
        await sandbox.stop(timeout)

    async def recover(self, sandbox: AsyncSandbox, timeout: float | None = 60) -> None:
        """Bring *sandbox* back from a recoverable error."""
        await sandbox.recover(timeout)

    async def delete(self, sandbox: AsyncSandbox, timeout: float | None = 60, wait: bool = False) -> None:
        """Delete *sandbox*; with *wait* return only when it is gone."""
        await sandbox.delete(timeout, wait)


def _request_body(
    params: CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams,
    default_language: CodeLanguage,
    target: str | None,
) -> CreateSandbox:
    """Return the request for a sandbox but for the image it is built from; the parameters are left as they are."""
    _check(params)
    from_image = params if isinstance(params, CreateSandboxFromImageParams) else None
    from_snapshot = params if isinstance(params, CreateSandboxFromSnapshotParams) else None
    resources = from_image.resources if from_image is not None else None
    return CreateSandbox(
        name=params.name or f"sandbox-{os.urandom(8).hex()}",
        snapshot=(from_snapshot.snapshot or None) if from_snapshot is not None else None,
        user=params.os_user,
        env=params.env_vars or {},
        labels={**(params.labels or {}), LANGUAGE_LABEL: _language(params.language, default_language)},
        public=params.public,
        network_block_all=params.network_block_all,
        kvm=params.kvm,
        network_allow_list=params.network_allow_list,
        domain_allow_list=params.domain_allow_list,
        outbound_proxy_url=params.outbound_proxy_url,
        otel_endpoint_override=params.otel_endpoint_override,
        target=params.target or target,
        spot=params.spot,
        auto_stop_interval=params.auto_stop_interval,
        auto_pause_interval=params.auto_pause_interval,
        auto_archive_interval=params.auto_archive_interval,
        auto_delete_interval=0 if params.ephemeral else params.auto_delete_interval,
        ttl_minutes=params.ttl_minutes,
        queue_timeout=params.queue_timeout,
        volumes=params.volumes or [],
        linked_sandbox=params.linked_sandbox,
        secrets=[{name: secret} for name, secret in params.secrets.items()] if params.secrets else None,
        cpu=resources.cpu if resources is not None else None,
        memory=resources.memory if resources is not None else None,
        disk=resources.disk if resources is not None else None,
        gpu=resources.gpu if resources is not None else None,
        gpu_type=resources.gpu_types() if resources is not None else None,
    )


def _is_ambiguous(error: DaytonaError) -> bool:
    """Return whether the server may have done what it was asked to, although it did not say so."""
    if isinstance(error, DaytonaConnectionError):
        return error.outcome == "unknown"
    return error.status_code in (502, 503, 504)


def _check(params: CreateSandboxBaseParams) -> None:
    for name in ("auto_stop_interval", "auto_pause_interval", "auto_archive_interval", "ttl_minutes"):
        value = getattr(params, name)
        if value is not None and value < 0:
            raise DaytonaValidationError(f"{name}={value}: it must be 0 or more minutes")
    if params.auto_stop_interval and params.auto_pause_interval:
        raise DaytonaValidationError("Give auto_stop_interval or auto_pause_interval, not both")
    if params.auto_pause_interval and params.auto_delete_interval == 0:
        raise DaytonaValidationError("A sandbox that is deleted when it stops cannot be paused")
    queue_timeout = params.queue_timeout
    if queue_timeout is not None and (isinstance(queue_timeout, bool) or queue_timeout < 1):
        raise DaytonaValidationError(f"queue_timeout={queue_timeout}: it must be 1 or more")


def _language(wanted: CodeLanguage | str | None, default: CodeLanguage) -> str:
    if wanted is None:
        return default.value
    if wanted not in set(CodeLanguage):
        known = ", ".join(language.value for language in CodeLanguage)
        raise DaytonaValidationError(f"language={str(wanted)!r} is not one of {known}")
    return CodeLanguage(wanted).value


def _list_query(query: ListSandboxesQuery, cursor: str | None) -> dict[str, QueryValue]:
    return {
        "cursor": cursor,
        "limit": query.limit,
        "id": query.id,
        "name": query.name,
        "labels": json.dumps(query.labels) if query.labels else None,
        "states": query.states,
        "snapshots": query.snapshots,
        "regionIds": query.targets,
        "minCpu": query.min_cpu,
        "maxCpu": query.max_cpu,
        "minMemoryGiB": query.min_memory_gib,
        "maxMemoryGiB": query.max_memory_gib,
        "minDiskGiB": query.min_disk_gib,
        "maxDiskGiB": query.max_disk_gib,
        "isPublic": query.is_public,
        "isRecoverable": query.is_recoverable,
        "createdAtAfter": query.created_at_after,
        "createdAtBefore": query.created_at_before,
        "lastEventAfter": query.last_activity_after,
        "lastEventBefore": query.last_activity_before,
        "autoDestroyAtAfter": query.auto_destroy_at_after,
        "autoDestroyAtBefore": query.auto_destroy_at_before,
        "sort": query.sort,
        "order": query.order,
    }
