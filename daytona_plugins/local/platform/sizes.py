"""What a sandbox may be resized to: rules over a record, which change nothing themselves."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from daytona_plugins.local.platform.states import State
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.local.platform.records import Record

_GIB = 1024**3


class Capacity(NamedTuple):
    """The most that one sandbox may be asked for with: cores and GiB."""

    cpu: int
    memory: int
    disk: int

    @classmethod
    def of(cls, directory: Path) -> Capacity:
        """Return what this machine has, or what one sandbox may have on the hosted platform if that is more."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        disk = shutil.disk_usage(directory).total
        return cls(max(4, os.cpu_count() or 1), max(8, -(-memory // _GIB)), max(10, -(-disk // _GIB)))

    def require(self, cpu: int | None = None, memory: int | None = None, disk: int | None = None) -> None:
        """Refuse a sandbox that no machine like this one can hold.

        Raises:
            HTTPError: It is to have more of something than there is (400).
        """
        for name, asked, most in zip(self._fields, (cpu, memory, disk), self, strict=True):
            if asked is not None and asked > most:
                raise HTTPError(
                    400, f"{name} of {asked} exceeds the maximum of {most} for one sandbox on this machine"
                )


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST …/resize`."""

    cpu: int | None = None
    memory: int | None = None
    disk: int | None = None

    def changes(self, record: Record) -> dict[str, int]:
        """Return the fields that are to have new values.

        Raises:
            HTTPError: There are none, or it cannot have them as it is now (400).
        """
        wanted = {"cpu": self.cpu, "memory": self.memory, "disk": self.disk}
        given = {name: size for name, size in wanted.items() if size is not None}
        if any(size < 1 for size in given.values()):
            raise HTTPError(400, "a sandbox has at least one of everything")
        changed = {name: size for name, size in given.items() if size != getattr(record, name)}
        if not changed:
            raise HTTPError(400, "nothing changes: give cpu, memory or disk a new value")
        for name, size in changed.items():
            _refuse(name, size, getattr(record, name), record.state)
        return changed


def _refuse(name: str, size: int, now: int, state: State) -> None:
    if name == "disk" and size < now:
        raise HTTPError(400, "a disk cannot be made smaller")
    if state is State.STARTED and (name == "disk" or size < now):
        raise HTTPError(400, f"{name} of a running sandbox cannot become {size}; stop it first")
