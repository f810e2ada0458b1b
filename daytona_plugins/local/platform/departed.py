"""Which sandboxes were deleted a while ago: who asks for one of them is told so, and not that there never was one."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from daytona_plugins.local.platform.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

REMEMBERED_SECONDS = 24 * 3600.0
MOST = 10_000


class Departed:
    """The ids of sandboxes that are gone, and since when; the next process has forgotten them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._gone: OrderedDict[str, float] = OrderedDict()

    def note(self, before: object, now: object) -> None:
        """Note a change of the store, if it is that a sandbox has gone."""
        if isinstance(before, Record) and now is None:
            self._gone[before.id] = self._clock()
            if len(self._gone) > MOST:
                self._gone.popitem(last=False)

    def __contains__(self, sandbox_id: str) -> bool:
        since = self._gone.get(sandbox_id)
        return since is not None and self._clock() - since < REMEMBERED_SECONDS
