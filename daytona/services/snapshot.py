"""Snapshots: what sandboxes are made from."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from ..errors import DaytonaError, DaytonaNotFoundError, DaytonaTimeoutError, DaytonaValidationError
from ..models.enums import SnapshotState
from ..models.params import CreateSnapshotParams
from ..models.sandbox import CreateBuildInfo
from ..models.snapshot import CreateSnapshot, PaginatedSnapshots, Snapshot
from ..protocols import waiting
from ..service import Api, AsyncService, operation, segment
from ._build_logs import BuildLog
from ._callbacks import tell

__all__ = ["AsyncSnapshotService"]

_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_FAILED: Final = frozenset({SnapshotState.ERROR, SnapshotState.BUILD_FAILED})
_OVER: Final = _FAILED | {SnapshotState.ACTIVE, SnapshotState.INACTIVE, SnapshotState.REMOVING}


class AsyncSnapshotService(AsyncService):
    """The snapshots of an organization."""

    def __init__(self, api: Api, target: str | None = None) -> None:
        super().__init__(api)
        self._target = target

    @operation("Failed to get snapshot: ")
    async def get(self, name: str) -> Snapshot:
        """Return the snapshot with this name or id.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        return await self._look_up(name)

    async def _look_up(self, name: str) -> Snapshot:
        if not name:
            raise DaytonaValidationError("the name of the snapshot is empty")
        return await self._api.call("GET", f"/snapshots/{segment(name)}", into=Snapshot)

    @operation("Failed to create snapshot: ")
    async def create(
        self,
        params: CreateSnapshotParams,
        *,
        on_logs: Callable[[str], Awaitable[None] | None] | None = None,
        timeout: float | None = 0,
    ) -> Snapshot:
        """Create a snapshot from which sandboxes can be created, and return it once it is ready.

        Args:
            params: Its name, and its image: a name, or an `Image` to build.
            on_logs: Called with each step, and with each line of the build log.
            timeout: Seconds for the whole call; None or 0 means no limit.

        Raises:
            DaytonaConflictError: A snapshot with this name exists.
            DaytonaTimeoutError: It took longer than *timeout*.
        """
        with self._api.transport.deadline(timeout):
            body = await self._request_body(params)
            making = _Making(self, await self._post(body), on_logs)
            await making.tell_state()
            if body.build_info is not None and on_logs is not None:
                await making.wait_while(SnapshotState.PENDING)
                log = BuildLog(self._api, f"/snapshots/{segment(making.snapshot.id)}", on_logs)
                await log.follow(making.goes_on)
            return await making.finished()

    async def _post(self, body: CreateSnapshot) -> Snapshot:
        return await self._api.call("POST", "/snapshots", json=body, into=Snapshot)

    async def _request_body(self, params: CreateSnapshotParams) -> CreateSnapshot:
        """Return the request for a snapshot; the parameters are left as they are."""
        resources = params.resources
        named = params.image if isinstance(params.image, str) else None
        return CreateSnapshot(
            name=params.name,
            image_name=named,
            entrypoint=params.entrypoint if named is not None else None,
            build_info=await self._build(params) if named is None else None,
            cpu=resources.cpu if resources is not None else None,
            memory=resources.memory if resources is not None else None,
            disk=resources.disk if resources is not None else None,
            gpu=resources.gpu if resources is not None else None,
            gpu_type=resources.gpu_types() if resources is not None else None,
            region_id=params.region_id or self._target,
            sandbox_class=params.sandbox_class,
        )

    async def _build(self, params: CreateSnapshotParams) -> CreateBuildInfo:
        """Return what is to be built; an entrypoint becomes its last line."""
        from .object_storage import build_info  # only who builds images pays for what that takes

        info = await build_info(self._api, params.image)
        if not params.entrypoint:
            return info
        text = f"{info.dockerfile_content.rstrip()}\nENTRYPOINT {json.dumps(params.entrypoint)}\n"
        return replace(info, dockerfile_content=text)

    @operation("Failed to delete snapshot: ")
    async def delete(self, snapshot: Snapshot | str) -> None:
        """Delete a snapshot, given as an object, an id or a name; sandboxes created from it are not affected.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        if isinstance(snapshot, str) and _UUID.fullmatch(snapshot):
            try:
                await self._api.call("DELETE", f"/snapshots/{snapshot}")
            except DaytonaNotFoundError:
                pass  # a name may look like an id
            else:
                return
        await self._api.call("DELETE", f"/snapshots/{segment(await self._id_of(snapshot))}")

    @operation("Failed to activate snapshot: ")
    async def activate(self, snapshot: Snapshot | str) -> Snapshot:
        """Make an inactive snapshot, given as an object, an id or a name, usable again.

        Raises:
            DaytonaBadRequestError: It is not inactive.
            DaytonaNotFoundError: There is none.
        """
        if isinstance(snapshot, str) and _UUID.fullmatch(snapshot):
            try:
                return await self._activate(snapshot)
            except DaytonaNotFoundError:
                pass  # a name may look like an id
        return await self._activate(await self._id_of(snapshot))

    async def _activate(self, snapshot_id: str) -> Snapshot:
        return await self._api.call("POST", f"/snapshots/{segment(snapshot_id)}/activate", into=Snapshot)

    @operation("Failed to deactivate snapshot: ")
    async def deactivate(self, snapshot: Snapshot | str) -> None:
        """Prevent further sandboxes from being created from a snapshot, given as an object, an id or a name.

        Raises:
            DaytonaNotFoundError: There is none.
        """
        await self._api.call("POST", f"/snapshots/{segment(await self._id_of(snapshot))}/deactivate")

    async def _id_of(self, snapshot: Snapshot | str) -> str:
        return (await self._look_up(snapshot)).id if isinstance(snapshot, str) else snapshot.id

    @operation("Failed to list snapshots: ")
    async def list(
        self, page: int | None = None, limit: int | None = None, source_sandbox_id: str | None = None
    ) -> PaginatedSnapshots:
        """Return one page of snapshots, your own first.

        Args:
            page: Its number; the first is 1.
            limit: How many snapshots a page has.
            source_sandbox_id: Only snapshots that were created from this sandbox.
        """
        for name, value in (("page", page), ("limit", limit)):
            if value is not None and value < 1:
                raise DaytonaValidationError(f"{name}={value} is less than 1")
        query = {"page": page, "limit": limit, "sourceSandboxId": source_sandbox_id}
        return await self._api.call("GET", "/snapshots", query=query, into=PaginatedSnapshots)


class _Making:
    """A snapshot while it is being made."""

    def __init__(
        self,
        service: AsyncSnapshotService,
        snapshot: Snapshot,
        on_logs: Callable[[str], Awaitable[None] | None] | None,
    ) -> None:
        self.snapshot = snapshot
        self._service = service
        self._api = service._api  # pyright: ignore[reportPrivateUsage]  # a part of the service
        self._on_logs = on_logs

    async def tell_state(self) -> None:
        """Say how far it is; that it is ready is said at the end, after what the build has printed."""
        state = self.snapshot.state
        if state is not SnapshotState.ACTIVE:
            await tell(self._on_logs, f"Creating snapshot {self.snapshot.name} ({state or 'unknown'})")

    async def goes_on(self) -> bool:
        """Look again, and return whether it is still being made."""
        before = self.snapshot.state
        self.snapshot = await self._api.call("GET", f"/snapshots/{segment(self.snapshot.id)}", into=Snapshot)
        if self.snapshot.state is not before:
            await self.tell_state()
        return self.snapshot.state not in _OVER

    async def wait_while(self, state: SnapshotState) -> None:
        """Return when it is in another state."""
        look = 0
        while self.snapshot.state is state:
            await self._api.transport.sleep(waiting.polls(look))
            await self.goes_on()
            look += 1

    async def finished(self) -> Snapshot:
        """Return it once it can be used.

        Raises:
            DaytonaError: It cannot be made.
            DaytonaTimeoutError: It is not ready in time.
        """
        look = 0
        try:
            while self.snapshot.state not in _OVER:
                await self._api.transport.sleep(waiting.polls(look))
                await self.goes_on()
                look += 1
        except DaytonaTimeoutError as error:
            error.add_context(f"snapshot {self.snapshot.name} exists and is not ready yet: ")
            raise
        if self.snapshot.state is not SnapshotState.ACTIVE:
            raise DaytonaError(
                f"Failed to create snapshot {self.snapshot.name}, "
                f"reason: {self.snapshot.error_reason or self.snapshot.state}"
            )
        await tell(self._on_logs, f"Created snapshot {self.snapshot.name} (active)")
        return self.snapshot
