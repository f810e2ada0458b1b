"""What the platform tells those who listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from daytona.network import new_transport
from daytona.protocols import socketio
from daytona.protocols.messages import Closed, Lost, Text
from daytona.protocols.rest import Endpoint
from daytona.transport.native import NativeDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.local.platform_process import Platform

Told = tuple[str, Any]


class Listener:
    """One client, by hand."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def next_text(self) -> str | None:
        """Return the next text, None at the end."""
        event = await self._socket.receive()
        assert isinstance(event, Text | Closed | Lost)
        return event.data if isinstance(event, Text) else None

    async def say(self, text: str) -> None:
        """Send a text."""
        await self._socket.send_text(text)

    async def until(self, condition: Callable[[str, Any], bool]) -> list[Told]:
        """Return what is told up to what the condition holds for."""
        told: list[Told] = []
        async with asyncio.timeout(30):
            while (text := await self.next_text()) is not None:
                said = socketio.parse(text)
                if isinstance(said, socketio.Event):
                    told.append((said.name, json.loads(bytes(said.payload))))
                    if condition(*told[-1]):
                        return told
        raise AssertionError(told)


@contextlib.asynccontextmanager
async def connected(platform: Platform) -> AsyncIterator[Listener]:
    transport = new_transport(NativeDriver())
    endpoint = Endpoint(platform.endpoint.api_url, {})
    socket = await transport.open_websocket(endpoint, socketio.PATH, socketio.QUERY)
    try:
        yield Listener(socket)
    finally:
        await socket.close()
        await transport.close()


@contextlib.asynccontextmanager
async def listening(platform: Platform) -> AsyncIterator[Listener]:
    async with connected(platform) as listener:
        assert isinstance(socketio.parse(await listener.next_text() or ""), socketio.Opened)
        await listener.say(socketio.connect(platform.endpoint.api_key))
        assert socketio.parse(await listener.next_text() or "") == socketio.Accepted()
        yield listener


def of(what: str, identity: str, told: list[Told]) -> list[tuple[str, ...]]:
    """Return the names of events about one thing, with its old and new states."""
    found: list[tuple[str, ...]] = []
    for name, payload in told:
        subject = payload[what] if isinstance(payload.get(what), dict) else payload
        if subject.get("id") == identity:
            states = [value for key, value in payload.items() if key.startswith(("old", "new"))]
            found.append((name, *states))
    return found


@pytest.mark.faces("asyncio")
async def test_the_life_of_a_sandbox_is_told_in_order(platform: Platform) -> None:
    async with listening(platform) as listener:
        made = await asyncio.to_thread(platform.create, autoDeleteInterval=-1)
        path = f"/sandbox/{made['id']}"
        await asyncio.to_thread(platform.api, "POST", f"{path}/stop?force=true")
        await asyncio.to_thread(platform.api, "DELETE", path)
        told = await listener.until(lambda _name, payload: payload.get("newState") == "destroyed")
    changed, desired = "sandbox.state.updated", "sandbox.desired-state.updated"
    assert of("sandbox", made["id"], told) == [
        ("sandbox.created",),
        (changed, "unknown", "creating"),
        (changed, "creating", "started"),
        (desired, "started", "stopped"),
        (changed, "started", "stopping"),
        (changed, "stopping", "stopped"),
        (desired, "stopped", "destroyed"),
        (changed, "stopped", "destroying"),
        (changed, "destroying", "destroyed"),
    ]
    shown = [
        payload["sandbox"]["state"] for name, payload in told if name == desired and "sandbox" in payload
    ]
    assert shown == ["stopping", "destroying"]


@pytest.mark.faces("asyncio")
async def test_volumes_and_snapshots_are_told(platform: Platform) -> None:
    async with listening(platform) as listener:
        volume = platform.api("POST", "/volumes", {"name": "told"}).json
        platform.api("DELETE", f"/volumes/{volume['id']}")
        box = await asyncio.to_thread(platform.create)
        await asyncio.to_thread(platform.api, "POST", f"/sandbox/{box['id']}/snapshot", {"name": "told:1"})
        snapshot = platform.api("GET", "/snapshots/told:1").json
        await asyncio.to_thread(platform.api, "DELETE", f"/snapshots/{snapshot['id']}")
        await asyncio.to_thread(platform.api, "DELETE", f"/sandbox/{box['id']}")
        told = await listener.until(lambda _name, payload: payload.get("newState") == "destroyed")
    assert of("volume", volume["id"], told) == [
        ("volume.created",),
        ("volume.state.updated", "ready", "deleted"),
    ]
    assert of("snapshot", snapshot["id"], told) == [
        ("snapshot.created",),
        ("snapshot.state.updated", "snapshotting", "active"),
        ("snapshot.removed",),
    ]


@pytest.mark.faces("asyncio")
@pytest.mark.parametrize("said", [socketio.connect("dtn_wrong"), "40", "hello"])
async def test_who_has_no_key_is_told_nothing(platform: Platform, said: str) -> None:
    async with connected(platform) as listener:
        await listener.next_text()
        await listener.say(said)
        assert socketio.parse(await listener.next_text() or "") == socketio.Refused("Unauthorized")
        assert await listener.next_text() is None


@pytest.mark.parametrize("query", ["EIO=4&transport=polling", "EIO=3&transport=websocket", ""])
def test_there_is_only_the_websocket(platform: Platform, query: str) -> None:
    answer = platform.call("GET", f"/api/socket.io/?{query}", headers={"Authorization": ""})
    assert answer.status == 400
