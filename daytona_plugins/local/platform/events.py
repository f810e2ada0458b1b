"""Tells clients what happens, as events of Socket.IO: each change of a state once it can be read, in the order of the changes.

Delivery is best effort, as on the hosted platform: a client that does not read is let go, and one that comes back is not told
what it missed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

from daytona.protocols import socketio
from daytona_plugins.local.agent.websocket import WebSocket, upgrade, wants_websocket
from daytona_plugins.local.platform import snapshot_routes, views, volume_routes
from daytona_plugins.local.platform.records import Record
from daytona_plugins.local.platform.snapshot_store import SnapshotRecord
from daytona_plugins.local.platform.states import State
from daytona_plugins.local.platform.volumes import VolumeRecord
from daytona_plugins.local.web import HTTPError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daytona_plugins.local.platform.keys import Keys
    from daytona_plugins.local.platform.site import Site
    from daytona_plugins.local.web import Request, Response, Router

PING_INTERVAL = 25.0
PING_TIMEOUT = 20.0
CONNECT_TIMEOUT = 45.0
BACKLOG = 1000
"""Events that wait for a client that is slow to read; with more it is let go."""
MESSAGE_LIMIT = 64 * 1024

Event = tuple[str, dict[str, object]]


class Events:
    """The clients that listen."""

    def __init__(self, site: Site, keys: Keys) -> None:
        self._site = site
        self._keys = keys
        self._listeners: set[_Listener] = set()

    def add_to(self, router: Router) -> None:
        """Register every route."""
        router.add("*", "/api/socket.io/", self.connect)

    async def connect(self, request: Request) -> Response:
        """Agree to a WebSocket; who may listen is found out on it."""
        if request.query.first("EIO") != "4" or not wants_websocket(request):
            raise HTTPError(400, "events are told over Engine.IO 4 and its WebSocket transport only")
        return upgrade(request, self._serve, limit=MESSAGE_LIMIT)

    def note(self, before: object, now: object) -> None:
        """Tell everybody who listens about a change."""
        if not self._listeners:
            return
        for name, payload in self._events_of(before, now):
            text = socketio.emit(name, payload)
            for listener in self._listeners:
                listener.put(text)

    async def _serve(self, socket: WebSocket) -> None:
        listener = _Listener(socket)
        await socket.send(socketio.open_packet(uuid4().hex[:20], PING_INTERVAL, PING_TIMEOUT, MESSAGE_LIMIT))
        if not await self._is_let_in(socket):
            await socket.send(socketio.refuse("Unauthorized"))
            return
        await socket.send(socketio.accept(uuid4().hex[:20]))
        self._listeners.add(listener)
        try:
            await listener.run()
        finally:
            self._listeners.discard(listener)

    async def _is_let_in(self, socket: WebSocket) -> bool:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                said = await socket.receive()
        except TimeoutError:
            return False
        asked = socketio.parse_connect(said) if isinstance(said, str) else None
        return asked is not None and self._keys.is_good(asked.token)

    def _events_of(self, before: object, now: object) -> Iterator[Event]:
        if isinstance(before, Record | None) and isinstance(now, Record | None):
            yield from self._of_sandbox(before, now)
        elif isinstance(before, SnapshotRecord | None) and isinstance(now, SnapshotRecord | None):
            yield from _of_snapshot(before, now)
        elif isinstance(before, VolumeRecord | None) and isinstance(now, VolumeRecord | None):
            yield from _of_volume(before, now)

    def _of_sandbox(self, before: Record | None, now: Record | None) -> Iterator[Event]:
        record = now or before
        assert record is not None
        if record.warm_pool_id is not None:  # nobody's yet
            return
        shown = views.full(record, self._site.toolbox_url, None)
        if before is None:
            yield "sandbox.created", shown
        elif now is None:
            gone = shown | {"state": State.DESTROYED}
            yield "sandbox.state.updated", _states(gone, "sandbox", before.state, State.DESTROYED)
        else:
            if before.desired is not now.desired:
                yield (
                    "sandbox.desired-state.updated",
                    {"sandbox": shown, "oldDesiredState": before.desired, "newDesiredState": now.desired},
                )
            if before.state is not now.state or before.warm_pool_id is not None:
                yield "sandbox.state.updated", _states(shown, "sandbox", before.state, now.state)


def _of_snapshot(before: SnapshotRecord | None, now: SnapshotRecord | None) -> Iterator[Event]:
    record = now or before
    assert record is not None
    shown = snapshot_routes.shown(record)
    if before is None:
        yield "snapshot.created", shown
    elif now is None:
        yield "snapshot.removed", shown
    elif before.state != now.state:
        yield "snapshot.state.updated", _states(shown, "snapshot", before.state, now.state)


def _of_volume(before: VolumeRecord | None, now: VolumeRecord | None) -> Iterator[Event]:
    if now is None:
        return
    shown = volume_routes.shown(now)
    if before is None:
        yield "volume.created", shown
    elif before.state != now.state:
        yield "volume.state.updated", _states(shown, "volume", before.state, now.state)
    elif before.last_used_at != now.last_used_at:
        yield "volume.lastUsedAt.updated", shown


def _states(shown: dict[str, object], what: str, old: str, new: str) -> dict[str, object]:
    return {what: shown, "oldState": old, "newState": new}


class _Listener:
    """One client."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._queue: asyncio.Queue[str] = asyncio.Queue(BACKLOG)
        self._alive = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def put(self, text: str) -> None:
        """Queue an event."""
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self._end()

    async def run(self) -> None:
        """Return when the client has gone, or does not answer."""
        works = (self._send(), self._receive(), self._ping())
        self._tasks = [asyncio.ensure_future(work) for work in works]
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._end()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _send(self) -> None:
        while True:
            await self._socket.send(await self._queue.get())

    async def _receive(self) -> None:
        while (said := await self._socket.receive()) is not None:
            self._alive.set()
            if isinstance(said, str) and isinstance(socketio.parse(said), socketio.Closed):
                return

    async def _ping(self) -> None:
        try:
            while True:
                await asyncio.sleep(PING_INTERVAL)
                self._alive.clear()
                await self._socket.send(socketio.PING)
                async with asyncio.timeout(PING_TIMEOUT):
                    await self._alive.wait()
        except TimeoutError:
            return
