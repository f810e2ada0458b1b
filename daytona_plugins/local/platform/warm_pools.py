"""Warm pools: sandboxes that are started before anybody asks for them, and handed out when somebody does.

A member is an ordinary sandbox that knows its pool. What a new sandbox may be given on the way (a name, labels, intervals)
is written into it when it changes hands; what is fixed when its processes start (environment, mounts, network) is not,
and so whoever asks for such things gets a sandbox of their own.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from daytona_plugins.local.platform.creation import DEFAULT_USER
from daytona_plugins.local.platform.gates import is_limited
from daytona_plugins.local.platform.states import State
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.sandboxes import Sandboxes
    from daytona_plugins.local.platform.shelf import Shelf

logger = logging.getLogger(__name__)

LARGEST = 100
HANDED_OVER = (
    "name", "labels", "public", "auth_token", "signing_key", "created_at", "updated_at", "last_activity_at",
    "auto_stop_interval", "auto_pause_interval", "auto_archive_interval", "auto_delete_interval", "auto_destroy_at",
)  # fmt: skip  # a list of names
"""What a member takes over from the sandbox that was asked for."""


class PoolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One pool; times are seconds since the epoch."""

    id: str
    snapshot: str
    target: str
    size: int
    cpu: int = 1
    mem: int = 1
    disk: int = 3
    created_at: float
    updated_at: float
    error_reason: str | None = None


class WarmPools:
    """All pools of one platform.

    Args:
        plan: Returns a sandbox to be made from the snapshot with a name, or refuses.
    """

    def __init__(
        self,
        shelf: Shelf[PoolRecord],
        sandboxes: Sandboxes,
        plan: Callable[[str], Record],
    ) -> None:
        self._shelf = shelf
        self._sandboxes = sandboxes
        self._plan = plan

    def all(self) -> list[PoolRecord]:
        """Return every pool."""
        return self._shelf.all()

    def get(self, pool_id: str) -> PoolRecord:
        """Return a pool.

        Raises:
            HTTPError: There is none (404).
        """
        found = self._shelf.get(pool_id)
        if found is None:
            raise HTTPError(404, f"warm pool {pool_id!r} not found")
        return found

    def create(self, snapshot: str, size: int, target: str) -> PoolRecord:
        """Return a new pool, which fills by and by.

        Raises:
            HTTPError: There is no such snapshot (400), or the snapshot has a pool already (409).
        """
        member = self._plan(snapshot)
        snapshot = member.snapshot or snapshot
        if any(pool.snapshot == snapshot for pool in self.all()):
            raise HTTPError(409, f"snapshot {snapshot!r} has a warm pool already")
        now = self._sandboxes.clock()
        made = PoolRecord(
            id=str(uuid4()),
            snapshot=snapshot,
            target=target,
            size=_size(size, least=1),
            cpu=member.cpu,
            mem=member.memory,
            disk=member.disk,
            created_at=now,
            updated_at=now,
        )
        return self._shelf.put(made)

    def resize(self, pool_id: str, size: int) -> PoolRecord:
        """Change how many sandboxes a pool holds; none drains it.

        Raises:
            HTTPError: There is no such pool (404).
        """
        pool = self.get(pool_id)
        now = self._sandboxes.clock()
        return self._shelf.put(
            msgspec.structs.replace(pool, size=_size(size, least=0), updated_at=now, error_reason=None)
        )

    def delete(self, pool_id: str) -> None:
        """Forget a pool; its members go by and by.

        Raises:
            HTTPError: There is no such pool (404).
        """
        self._shelf.remove(self.get(pool_id).id)

    def ready(self, pool: PoolRecord) -> list[Record]:
        """Return the members of a pool that can be handed out."""
        return [record for record in self._members(pool.id) if record.state is State.STARTED]

    def hand_over(self, wanted: Record) -> Record | None:
        """Return a sandbox of a pool as the one that is *wanted*, None when there is no fitting one.

        Raises:
            HTTPError: The name is taken (409).
        """
        for pool in self.all():
            if pool.snapshot == wanted.snapshot and _may_be_warm(wanted) and (ready := self.ready(pool)):
                changes = {name: getattr(wanted, name) for name in HANDED_OVER}
                return self._sandboxes.hand_over(ready[0], warm_pool_id=None, **changes)
        return None

    async def tick(self) -> None:
        """Bring every pool closer to its size."""
        pools = {pool.id: pool for pool in self.all()}
        for record in self._sandboxes.all():
            if record.warm_pool_id and record.warm_pool_id not in pools and _is_settled(record):
                await self._sandboxes.delete(record)
        for pool in pools.values():
            await self._tend(pool)

    async def _tend(self, pool: PoolRecord) -> None:
        members = self._members(pool.id)
        spoiled = [record for record in members if _is_settled(record) and record.state is not State.STARTED]
        ready = [record for record in members if record.state is State.STARTED]
        for record in [*spoiled, *ready[pool.size :]]:
            await self._sandboxes.delete(record)
        if len(members) - len(spoiled) < pool.size and pool.error_reason is None:
            await self._add_member(pool)

    async def _add_member(self, pool: PoolRecord) -> None:
        try:
            planned = self._plan(pool.snapshot)
            await self._sandboxes.create(
                msgspec.structs.replace(
                    planned,
                    name=f"warm-{planned.id}",
                    warm_pool_id=pool.id,
                    auto_stop_interval=0,
                )
            )
        except (
            HTTPError
        ) as error:  # said where it is looked for, and not tried again until the pool is changed
            logger.warning("warm pool %s: %s", pool.id, error.message)
            if now := self._shelf.get(pool.id):
                self._shelf.put(msgspec.structs.replace(now, error_reason=error.message))

    def _members(self, pool_id: str) -> list[Record]:
        return [
            record for record in self._sandboxes.all() if record.warm_pool_id == pool_id and record.visible
        ]


def _is_settled(record: Record) -> bool:
    return record.visible and not record.pending


def _may_be_warm(wanted: Record) -> bool:
    fixed_at_start = (
        wanted.env, wanted.volumes, wanted.secrets, wanted.build_info, wanted.outbound_proxy_url, wanted.otel_endpoint,
        wanted.linked,
        is_limited(wanted),
    )  # fmt: skip
    return wanted.user == DEFAULT_USER and not any(fixed_at_start)


def _size(size: int, *, least: int) -> int:
    if not least <= size <= LARGEST:
        raise HTTPError(400, f"a warm pool holds {least} to {LARGEST} sandboxes")
    return size
