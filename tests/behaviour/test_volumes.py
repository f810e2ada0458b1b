"""Volumes, from the client's side: found, made, mounted, shared and deleted."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    AsyncDaytona,
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaConfig,
    DaytonaError,
    VolumeMount,
    VolumeState,
)
from daytona.errors import DaytonaBadRequestError, DaytonaConflictError, DaytonaNotFoundError
from tests.conftest import AwaitBlocking
from tests.wire.stub_server import Recorded, Reply, StubServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable


def _name() -> str:
    return f"v-{uuid.uuid4().hex[:10]}"


async def _box(daytona: Any, *mounts: VolumeMount) -> Any:
    return await daytona.create(CreateSandboxFromSnapshotParams(volumes=list(mounts)))


async def test_a_volume_is_made_found_and_deleted(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        volume = await daytona.volume.create(_name())
        assert (volume.state, await daytona.volume.get(volume.name)) == (VolumeState.READY, volume)
        assert volume in await daytona.volume.list()
        await daytona.volume.delete(volume)
        with pytest.raises(DaytonaNotFoundError, match="Failed to get volume: "):
            await daytona.volume.get(volume.name)


async def test_a_missing_volume_is_made_when_asked_to(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        name = _name()
        volume = await daytona.volume.get(name, create=True)
        assert (await daytona.volume.get(name, create=True)).id == volume.id
        with pytest.raises(DaytonaBadRequestError, match="Failed to create volume: "):
            await daytona.volume.create(name)
        await daytona.volume.delete(volume)


async def test_what_one_sandbox_writes_the_next_one_reads(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        volume = await daytona.volume.create(_name())
        first = await _box(daytona, VolumeMount(volume_id=volume.name, mount_path="/data"))
        await first.process.exec("echo kept > /data/file")
        assert [(one.volume_id, one.mount_path) for one in first.volumes] == [(volume.id, "/data")]
        await first.delete(wait=True)
        second = await _box(daytona, VolumeMount(volume_id=volume.id, mount_path="/elsewhere"))
        assert (await second.process.exec("cat /elsewhere/file")).result == "kept\n"
        with pytest.raises(DaytonaConflictError, match=r"Failed to delete volume: .*is used by"):
            await daytona.volume.delete(volume)
        await second.delete(wait=True)
        await daytona.volume.delete(volume)


async def test_a_part_of_a_volume_is_all_a_sandbox_sees(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        volume = await daytona.volume.create(_name())
        mounts = [
            VolumeMount(volume_id=volume.id, mount_path="/one", subpath="users/one"),
            VolumeMount(volume_id=volume.id, mount_path="/all"),
        ]
        sandbox = await _box(daytona, *mounts)
        await sandbox.fs.upload_file(b"mine", "/one/file")
        assert await sandbox.fs.download_file("/all/users/one/file") == b"mine"
        await sandbox.delete(wait=True)
        await daytona.volume.delete(volume)


async def test_a_volume_is_there_again_after_a_restart(connect: Callable[[], Any]) -> None:
    async with connect() as daytona:
        volume = await daytona.volume.create(_name())
        sandbox = await _box(daytona, VolumeMount(volume_id=volume.id, mount_path="/data"))
        await sandbox.process.exec("echo kept > /data/file")
        await sandbox.stop()
        await sandbox.start()
        assert (await sandbox.process.exec("cat /data/file")).result == "kept\n"
        await sandbox.delete(wait=True)
        await daytona.volume.delete(volume)


async def test_a_volume_on_its_way_is_waited_for(face: str) -> None:
    states = iter(["creating", "ready"])

    def answer(request: Recorded) -> Reply:
        if request.path.startswith("/api/volumes/by-name/"):
            return as_json({"message": "not found"}, 404)
        if request.method == "POST":
            return as_json({"id": "vol-1", "name": "n", "state": "pending_create"})
        return as_json({"id": "vol-1", "name": "n", "state": next(states)})

    volume, asked = await _get_or_make(face, answer)
    assert volume.state is VolumeState.READY
    assert asked == ["/api/volumes/by-name/n", "/api/volumes", *["/api/volumes/vol-1"] * 2]


async def test_a_volume_that_somebody_else_made_meanwhile_is_taken(face: str) -> None:
    found = iter([as_json({}, 404), as_json({"id": "vol-2", "name": "n", "state": "ready"})])

    def answer(request: Recorded) -> Reply:
        return as_json({"message": "exists"}, 400) if request.method == "POST" else next(found)

    volume, _ = await _get_or_make(face, answer)
    assert volume.id == "vol-2"


async def test_a_volume_that_cannot_be_made_says_why(face: str) -> None:
    def answer(request: Recorded) -> Reply:
        failed = {"id": "v", "name": "n", "state": "error", "errorReason": "no space"}
        return as_json(failed) if request.method == "POST" else as_json({}, 404)

    with pytest.raises(DaytonaError, match="Failed to get volume: volume 'n' could not be made: no space"):
        await _get_or_make(face, answer)


async def _get_or_make(face: str, answer: Callable[[Recorded], Reply]) -> tuple[Any, list[str]]:
    with StubServer(answer) as server:
        config = DaytonaConfig(api_key="KEY", api_url=f"{server.url}/api")
        client: Any = AwaitBlocking(Daytona(config)) if face == "blocking" else AsyncDaytona(config)
        try:
            volume = await client.volume.get("n", create=True)
            return volume, [request.path for request in server.requests]
        finally:
            await client.close()
