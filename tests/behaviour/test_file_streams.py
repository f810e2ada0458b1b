"""Files as streams: any source, piece by piece, watched, ended early, and never whole in memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaError,
    DaytonaFileNotFoundError,
    DaytonaInvalidFilePathError,
    DaytonaValidationError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.local.platform_process import Platform

MEBIBYTE = 1024 * 1024
LARGE = int(os.environ.get("TEST_TRANSFER_MIB", "256")) * MEBIBYTE
"""How much passes each way in the test of memory; with TEST_TRANSFER_MIB=2048 it takes minutes."""
CONTENT = os.urandom(3 * MEBIBYTE + 17)


async def collect(stream: Any) -> bytes:
    return b"".join([piece async for piece in stream])


class AsyncReader:
    """An open file of the asynchronous kind."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    async def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def pieces() -> Iterator[bytes]:
    for start in range(0, len(CONTENT), 100_000):
        yield CONTENT[start : start + 100_000]


async def async_pieces() -> AsyncIterator[bytes]:
    for piece in pieces():
        yield piece


SOURCES = {
    "bytes": lambda path: CONTENT,
    "bytearray": lambda path: bytearray(CONTENT),
    "memoryview": lambda path: memoryview(CONTENT),
    "path": str,
    "path object": lambda path: path,
    "open file": lambda path: path.open("rb"),
    "file in memory": lambda path: io.BytesIO(CONTENT),
    "list": lambda path: list(pieces()),
    "iterator": lambda path: pieces(),
}
ASYNC_SOURCES = {"async iterator": async_pieces, "async file": lambda: AsyncReader(CONTENT)}


@pytest.mark.parametrize("kind", SOURCES)
async def test_every_source_arrives(box: Callable[[], Any], folder: str, kind: str, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(CONTENT)
    source = SOURCES[kind](local)
    async with box() as sandbox:
        await sandbox.fs.upload_file_stream(source, f"{folder}/new/f ☃")
        assert await collect(sandbox.fs.download_file_stream(f"{folder}/new/f ☃")) == CONTENT
    if kind == "open file":
        assert not source.closed
        source.close()


@pytest.mark.faces("asyncio", "trio")
@pytest.mark.parametrize("kind", ASYNC_SOURCES)
async def test_every_asynchronous_source_arrives(box: Callable[[], Any], folder: str, kind: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file_stream(ASYNC_SOURCES[kind](), f"{folder}/f")
        assert await collect(await sandbox.fs.download_file_stream(f"{folder}/f")) == CONTENT


async def test_one_file_is_uploaded_from_memory_or_an_open_file(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file(bytearray(b"array"), f"{folder}/array")
        await sandbox.fs.upload_file(io.BytesIO(b"file"), f"{folder}/file")
        assert await sandbox.fs.download_file(f"{folder}/array") == b"array"
        assert await sandbox.fs.download_file(f"{folder}/file") == b"file"


async def test_what_has_no_bytes_is_refused(box: Callable[[], Any], folder: str, tmp_path: Path) -> None:
    async with box() as sandbox:
        for source in (None, 17, str(tmp_path / "absent"), io.StringIO("text"), ["text"], [1, 2]):
            with pytest.raises(DaytonaValidationError, match="Failed to upload file: "):
                await sandbox.fs.upload_file_stream(source, f"{folder}/f")
        await sandbox.fs.upload_file_stream(b"fine", f"{folder}/f")


@pytest.mark.parametrize("source", [b"", io.BytesIO(b""), []], ids=["bytes", "file", "list"])
async def test_an_empty_file_is_a_file(box: Callable[[], Any], folder: str, source: Any) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file_stream(source, f"{folder}/empty")
        assert (await sandbox.fs.get_file_info(f"{folder}/empty")).size == 0
        assert await collect(sandbox.fs.download_file_stream(f"{folder}/empty")) == b""


async def test_progress_is_told(box: Callable[[], Any], folder: str) -> None:
    sent, received = [], []
    async with box() as sandbox:
        await sandbox.fs.upload_file_stream(CONTENT, f"{folder}/f", on_progress=sent.append)
        stream = sandbox.fs.download_file_stream(f"{folder}/f", on_progress=received.append)
        so_far = 0
        async for piece in stream:
            so_far += len(piece)
            assert (received[-1].bytes_received, received[-1].total_bytes) == (so_far, len(CONTENT))
    assert [progress.bytes_sent for progress in sent] == sorted({progress.bytes_sent for progress in sent})
    assert sent[-1].bytes_sent == received[-1].bytes_received == len(CONTENT)


@pytest.mark.faces("asyncio", "trio")
async def test_asynchronous_callbacks_are_awaited(box: Callable[[], Any], folder: str) -> None:
    seen = []

    async def note(progress: Any) -> None:
        seen.append(type(progress).__name__)

    async with box() as sandbox:
        await sandbox.fs.upload_file_stream(b"x", f"{folder}/f", on_progress=note)
        await collect(sandbox.fs.download_file_stream(f"{folder}/f", on_progress=note))
    assert seen == ["UploadProgress", "DownloadProgress"]


async def test_a_callback_that_fails_ends_the_transfer(box: Callable[[], Any], folder: str) -> None:
    def fail(progress: Any) -> None:
        raise ZeroDivisionError

    async with box() as sandbox:
        with pytest.raises(ZeroDivisionError):
            await sandbox.fs.upload_file_stream(CONTENT, f"{folder}/f", on_progress=fail)
        await sandbox.fs.upload_file_stream(CONTENT, f"{folder}/f")
        with pytest.raises(ZeroDivisionError):
            await collect(sandbox.fs.download_file_stream(f"{folder}/f", on_progress=fail))


async def test_transfers_are_cancelled(box: Callable[[], Any], folder: str) -> None:
    cancel = threading.Event()
    async with box() as sandbox:
        with pytest.raises(DaytonaError, match="Failed to upload file: Upload cancelled: "):
            await sandbox.fs.upload_file_stream(
                pieces(), f"{folder}/f", on_progress=lambda progress: cancel.set(), cancel_event=cancel
            )
        with pytest.raises(DaytonaError, match="Upload cancelled") as caught:
            await sandbox.fs.upload_file_stream(b"x", f"{folder}/never", cancel_event=cancel)
        assert caught.value.outcome == "not_sent"
        await sandbox.fs.upload_file_stream(CONTENT * 4, f"{folder}/f")
        with pytest.raises(DaytonaError, match="Failed to download file: Download cancelled: "):
            await collect(sandbox.fs.download_file_stream(f"{folder}/f", cancel_event=cancel))
        cancel.clear()
        stream = sandbox.fs.download_file_stream(
            f"{folder}/f", on_progress=lambda progress: cancel.set(), cancel_event=cancel
        )
        with pytest.raises(DaytonaError, match="Download cancelled"):
            await collect(stream)
        assert [entry.name for entry in await sandbox.fs.list_files(folder)] == ["f"]


async def test_a_stream_may_be_left_early(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.upload_file_stream(CONTENT * 4, f"{folder}/f")
        for _ in range(20):  # more often than there are connections
            stream = sandbox.fs.download_file_stream(f"{folder}/f")
            async for piece in stream:
                assert piece
                break
            await stream.aclose()


async def test_failures_have_types_while_iterating(box: Callable[[], Any], folder: str) -> None:
    async with box() as sandbox:
        await sandbox.fs.create_folder(folder, "755")
        with pytest.raises(DaytonaFileNotFoundError, match="Failed to download file: ") as caught:
            await collect(sandbox.fs.download_file_stream(f"{folder}/absent"))
        assert (caught.value.status_code, caught.value.sandbox_id) == (404, sandbox.id)
        with pytest.raises(DaytonaInvalidFilePathError):
            await collect(sandbox.fs.download_file_stream(folder))
        with pytest.raises(DaytonaError, match=folder):
            await sandbox.fs.upload_file_stream(b"x", folder)


# -- Memory -------------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, functools, hashlib, json, os, resource, sys

face, sandbox_id, path, local, size = sys.argv[1:]
SIZE, PIECE = int(size), 2**20
block = os.urandom(PIECE)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def pieces():
    for _ in range(SIZE // PIECE):
        yield block

def blocking():
    from daytona import Daytona
    with Daytona() as daytona:
        fs = daytona.get(sandbox_id).fs
        fs.upload_file(b"warm", path + "-small")
        before = peak()
        fs.upload_file_stream(pieces(), path)
        received = hashlib.sha256()
        for piece in fs.download_file_stream(path):
            received.update(piece)
        fs.download_file(path, local)
        fs.upload_file_stream(local, path)
        fs.delete_file(path)
    return before, received

async def asynchronous():
    from daytona import AsyncDaytona
    async with AsyncDaytona() as daytona:
        fs = (await daytona.get(sandbox_id)).fs
        await fs.upload_file(b"warm", path + "-small")
        before = peak()
        async def source():
            for piece in pieces():
                yield piece
        await fs.upload_file_stream(source(), path)
        received = hashlib.sha256()
        async for piece in await fs.download_file_stream(path):
            received.update(piece)
        await fs.download_file(path, local)
        await fs.upload_file_stream(local, path)
        await fs.delete_file(path)
    return before, received

if face == "blocking":
    before, received = blocking()
elif face == "asyncio":
    before, received = asyncio.run(asynchronous())
else:
    import trio
    before, received = trio.run(asynchronous)
grown = peak() - before
wanted = hashlib.sha256()
for piece in pieces():
    wanted.update(piece)
print(json.dumps({"same": wanted.digest() == received.digest(), "grown": grown, "size": os.path.getsize(local)}))
"""


@pytest.mark.parametrize("world", ["blocking", "asyncio", "trio"])
def test_a_large_file_passes_in_little_memory(
    platform: Platform, shared_id: str, folder: str, tmp_path: Path, world: str
) -> None:
    arguments = [world, shared_id, f"{folder}/big", str(tmp_path / "big"), str(LARGE)]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    environ = {**platform.variables, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["same"], seen["size"]) == (True, LARGE)
    assert seen["grown"] < 32 * MEBIBYTE
