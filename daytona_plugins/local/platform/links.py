"""Sandboxes that reach each other by name: one that owns the link, and those that were made to follow it.

Either all of them are in the network of this machine: what one listens on is there for the others, on the loopback interface, and a
link is that their names lead there, in the `/etc/hosts` of each. Or each has a network of its own, because it is limited: then its
name server knows the names, and its gate connects to the others through their agents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from daytona_plugins.local.platform.states import State
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daytona_plugins.local.platform.records import Record

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def require_linkable(record: Record, owner: Record) -> None:
    """Refuse a link that cannot be.

    Raises:
        HTTPError: One of the two is not as it has to be (400).
    """
    if owner.linked is not None:
        raise HTTPError(400, f"sandbox {owner.name!r} is linked to another one itself; link to that one")
    if owner.pending or owner.state not in (State.STARTED, State.STOPPED):
        raise HTTPError(
            400, f"sandbox {owner.name!r} is {owner.state}; a link needs one that is started or stopped"
        )
    for one in (record, owner):
        if not _HOST_NAME.fullmatch(one.name):
            raise HTTPError(
                400, f"a linked sandbox is reached by its name, and {one.name!r} cannot be that of a host"
            )


def others_of(record: Record, records: Iterable[Record]) -> list[Record]:
    """Return the sandboxes that are linked with one."""
    owner = record.linked or record.id
    return [one for one in records if owner in (one.id, one.linked) and one.id != record.id and one.visible]


def names_of_others(record: Record, records: Iterable[Record]) -> tuple[str, ...]:
    """Return their names, as far as a host can have them."""
    return tuple(sorted(one.name for one in others_of(record, records) if _HOST_NAME.fullmatch(one.name)))
