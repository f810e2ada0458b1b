"""One sandbox that the tests of a file share, seen from the face of each."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.local.platform_process import Platform


@pytest.fixture(scope="module")
def shared_id(platform: Platform) -> Iterator[str]:
    """The id of a sandbox that stays started while the tests of a file share it, each in a folder of its own."""
    sandbox_id = str(platform.create(name=f"shared-{uuid.uuid4().hex[:8]}", autoStopInterval=0)["id"])
    yield sandbox_id
    platform.api("DELETE", f"/sandbox/{sandbox_id}")


@pytest.fixture
def box(connect: Callable[[], Any], shared_id: str) -> Callable[[], Any]:
    """Return a function that opens the shared sandbox with a client of the test's face."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with connect() as daytona:
            yield await daytona.get(shared_id)

    return opened


@pytest.fixture
def session(box: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that opens a session: its sandbox, and its name."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Any, str]]:
        async with box() as sandbox:
            name = f"s-{uuid.uuid4().hex[:8]}"
            await sandbox.process.create_session(name)
            try:
                yield sandbox, name
            finally:
                await sandbox.process.delete_session(name)

    return opened


@pytest.fixture
def folder() -> str:
    """A name that no other test uses, for a directory."""
    return f"t-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def unique() -> str:
    """A name that no other test uses, for a sandbox."""
    return f"s-{uuid.uuid4().hex[:10]}"


async def ended(process: Any, session_id: str, command_id: str) -> int:
    """Return a command's exit code when it has one, read from the end of its log."""
    async for _event in process.stream_session_command_logs(session_id, command_id):
        pass
    code = (await process.get_session_command(session_id, command_id)).exit_code
    assert code is not None
    return int(code)
