"""Looks at a sandbox that somebody waits for: when to take one, and whether it is at this sandbox or at a list of many.

The platform is asked again and again. That costs it less where several calls want to know the same: those that wait for one
sandbox share their looks, those that wait for many look at a list, and those to whom the platform tells what happens wait
for an event.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DaytonaNotFoundError
from ..models.sandbox import SandboxData
from ..protocols.waiting import Schedule
from ..service import segment
from ._crowd import Crowd

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..models.enums import SandboxState
    from ..service import Api
    from ._events import EventFeed

__all__ = ["Watch", "Watcher"]


class Watcher:
    """What the waits of one client have in common.

    Args:
        api: The platform.
        events: Where the platform tells what happens; None when it is only asked.
    """

    def __init__(self, api: Api, events: EventFeed | None = None) -> None:
        self.api = api
        self.events = events
        self.crowd = Crowd(api)

    @contextlib.contextmanager
    def watching(self, sandbox_id: str) -> Generator[Watch]:
        """Return the looks of one wait for a sandbox."""
        events = self.events
        if events is not None:
            events.join(sandbox_id)
        try:
            with self.crowd.joined(sandbox_id):
                yield Watch(self, sandbox_id)
        finally:
            if events is not None:
                events.leave(sandbox_id)


class _Seen(NamedTuple):
    """What a look showed, None when there is no such sandbox; and how much the platform had told before it."""

    data: SandboxData | None
    told: int


class Watch:
    """One wait for a sandbox, look by look."""

    def __init__(self, watcher: Watcher, sandbox_id: str) -> None:
        self._watcher = watcher
        self._api = watcher.api
        self._events = watcher.events
        self._id = sandbox_id
        self._schedule = Schedule()
        self._looks = 0
        self._told = 0
        self._state: SandboxState | None = None

    async def look(self, known: SandboxData) -> SandboxData | None:
        """Return the sandbox as it is, None when it is gone: at once the first time, and then when it is time to look again.

        Args:
            known: What the caller knows of it, the last look included.
        """
        if self._looks:
            if known.state is not self._state:
                self._schedule.changed()
            self._watcher.crowd.note(known)
            seen = await self._api.transport.shared(
                ("look", self._id), functools.partial(self._look_later, known)
            )
        else:  # nobody else's look will do: it must show what the caller has just asked for
            seen = await self._look()
        self._looks += 1
        self._told = seen.told
        self._state = known.state
        return seen.data

    async def _look(self) -> _Seen:
        told = self._events.told(self._id) if self._events is not None else 0
        try:
            return _Seen(await self._api.call("GET", f"/sandbox/{segment(self._id)}", into=SandboxData), told)
        except DaytonaNotFoundError:
            return _Seen(None, told)

    async def _look_later(self, known: SandboxData, go_alone: Callable[[], None]) -> _Seen:
        """Look when it is time to, for everybody who has come to wait for this sandbox until then."""
        crowd = self._watcher.crowd
        if self._events is None and crowd.is_looked_at(self._id, self._looks):
            states = await crowd.look(self._pause)
            go_alone()
            if states.get(self._id) == known.state:
                return _Seen(known, self._told)
        else:
            await self._pause()
            go_alone()
        return await self._look()

    async def _pause(self) -> None:
        events = self._events
        if events is not None and await events.open():
            return  # something may have happened before
        is_told = events is not None and events.is_open
        seconds = self._schedule.next(os.urandom(1)[0] / 255, told=is_told)
        if events is not None and is_told:
            await events.wait(self._id, self._told, seconds)
        else:
            await self._api.transport.sleep(seconds)
