"""What all sandboxes together may have, where somebody has said so; and what they have now.

There is no limit until one is set: a machine of one's own is shared with nobody. What counts when is as on the hosted platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from daytona_plugins.local.platform.regions import REGION_ID
from daytona_plugins.local.platform.states import Desired, State
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from daytona_plugins.local.platform.records import Record
    from daytona_plugins.local.platform.shelf import Shelf

UNLIMITED = 2**31 - 1
"""What a number on the wire says where there is no limit: the models of clients want one."""

_RUNS = frozenset(
    {
        State.CREATING, State.RESTORING, State.STARTED, State.STARTING, State.STOPPING, State.PENDING_BUILD,
        State.BUILDING_SNAPSHOT, State.UNKNOWN, State.PULLING_SNAPSHOT, State.FORKING, State.PAUSING, State.RESUMING,
    }
)  # fmt: skip  # a list of words
"""States in which processors and memory count, and disk as well."""
_KEEPS = frozenset({State.STOPPED, State.PAUSED, State.ARCHIVING, State.RESIZING, State.SNAPSHOTTING})
"""States in which disk counts; what is archived or broken takes nothing."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What all sandboxes may have together, and each of them, as far as there is a limit; cores and GiB."""

    id: str = REGION_ID
    cpu: int | None = None
    memory: int | None = None
    disk: int | None = None
    cpu_of_one: int | None = None
    memory_of_one: int | None = None
    disk_of_one: int | None = None


class Usage(NamedTuple):
    """What sandboxes have together."""

    cpu: int = 0
    memory: int = 0
    disk: int = 0


def usage(records: Iterable[Record]) -> Usage:
    """Return what counts of these sandboxes."""
    cpu = memory = disk = 0
    for record in records:
        runs = _runs(record)
        cpu += record.cpu if runs else 0
        memory += record.memory if runs else 0
        disk += record.disk if runs or record.state in _KEEPS else 0
    return Usage(cpu, memory, disk)


def _runs(record: Record) -> bool:
    passing = record.state in (State.RESIZING, State.SNAPSHOTTING) and record.desired is Desired.STARTED
    return passing or record.state in _RUNS


class Quotas:
    """The quota of the one region, and whoever wants more than is left of it."""

    def __init__(self, shelf: Shelf[Quota], records: Callable[[], list[Record]]) -> None:
        self._shelf = shelf
        self._records = records
        self.quota = shelf.get(REGION_ID) or Quota()

    def set(self, quota: Quota) -> None:
        """Change the quota; sandboxes that are there already stay."""
        self.quota = self._shelf.put(quota)

    def usage(self) -> Usage:
        """Return what is in use."""
        return usage(self._records())

    def require(self, wanted: Record) -> None:
        """Refuse a sandbox that is to run with more than there is left beside the others.

        Raises:
            HTTPError: One of the limits would be exceeded (400).
        """
        quota = self.quota
        if quota == Quota():
            return
        others = usage(record for record in self._records() if record.id != wanted.id)
        for name in Usage._fields:
            size: int = getattr(wanted, name)
            _refuse_one(name, size, getattr(quota, f"{name}_of_one"))
            _refuse_all(name, size, getattr(others, name), getattr(quota, name))


def _refuse_one(name: str, size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise HTTPError(
            400, f"{name} of {size} exceeds the maximum of {most} for one sandbox in this organization"
        )


def _refuse_all(name: str, size: int, used: int, most: int | None) -> None:
    if most is not None and used + size > most:
        raise HTTPError(
            400, f"{name} quota exceeded: {used} of {most} are in use, and this sandbox asks for {size}"
        )
