"""One look at many sandboxes in place of a look at each, for a program that waits for many at a time.

A list may lag behind what is true, for some platforms answer it from an index. So it is never believed: a sandbox that it
shows as changed, or does not show, is looked at by itself, and each is looked at by itself now and then.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Final

from ..errors import DaytonaError, DaytonaTimeoutError
from ..models.sandbox import ListSandboxesResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from ..models.enums import SandboxState
    from ..models.sandbox import SandboxData
    from ..protocols.rest import QueryValue
    from ..service import Api

__all__ = ["Crowd"]

MANY: Final = 10
"""With fewer, a list costs the platform more than it spares it."""
BY_ITSELF: Final = 4
"""Each so-many-th look of a wait is one at its sandbox alone."""
PAGE: Final = 200


class Crowd:
    """The sandboxes that one client waits for."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._waited_for: dict[str, str] = {}
        """When something happened last to each of them, as far as we know."""
        self._lists_help = True

    @contextlib.contextmanager
    def joined(self, sandbox_id: str) -> Generator[None]:
        """Count a sandbox among those that are waited for while the block runs."""
        try:
            yield
        finally:
            self._waited_for.pop(sandbox_id, None)
            if not self._waited_for:
                self._lists_help = True

    def note(self, data: SandboxData) -> None:
        """Note what a look at one of them alone has shown."""
        if data.last_activity_at is not None:
            self._waited_for[data.id] = data.last_activity_at

    def is_looked_at(self, sandbox_id: str, look: int) -> bool:
        """Return whether look number *look* at a sandbox is to be one at all of them."""
        many = len(self._waited_for) >= MANY and sandbox_id in self._waited_for
        return many and self._lists_help and look % BY_ITSELF != 0

    async def look(self, pause: Callable[[], Awaitable[None]]) -> Mapping[str, SandboxState | None]:
        """Return the states that a list shows after *pause*; everybody who comes meanwhile gets the same."""
        return await self._api.transport.shared("looks", functools.partial(self._look, pause))

    async def _look(
        self, pause: Callable[[], Awaitable[None]], go_alone: Callable[[], None]
    ) -> Mapping[str, SandboxState | None]:
        await pause()
        go_alone()
        try:
            return await self._states()
        except DaytonaTimeoutError:  # of whoever looks for all; the others look again
            raise
        except DaytonaError:  # a look at each says better what is wrong, if anything is
            self._lists_help = False
            return {}

    async def _states(self) -> dict[str, SandboxState | None]:
        query: dict[str, QueryValue] = {
            "limit": PAGE,
            "lastEventAfter": min(self._waited_for.values(), default=None),
        }
        states: dict[str, SandboxState | None] = {}
        for _ in range(1 + len(self._waited_for) // (PAGE // 2)):
            page = await self._api.call("GET", "/sandbox", query=query, into=ListSandboxesResponse)
            states |= {item.id: item.state for item in page.items}
            if not page.next_cursor:
                return states
            query["cursor"] = page.next_cursor
        self._lists_help = False  # so much happens in this organization that looks at each are cheaper
        return states
