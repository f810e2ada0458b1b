"""Transfers that stand still are given up; slow ones are not, nor those that wait for the program itself."""

from __future__ import annotations

import json
import threading
import time
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from daytona import (
    DaytonaConfig,
    DaytonaConnectionTimeoutError,
    DaytonaValidationError,
    FileDownloadRequest,
    FileUpload,
)
from tests.conftest import open_client
from tests.wire.raw_server import Peer, RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

MEBIBYTE = 1024 * 1024
LARGE = 24 * MEBIBYTE
"""More than all buffers between two programs of one machine hold."""

PART = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=B\r\nConnection: close\r\n\r\n"
CONTENT = b"0123456789"
NEVER = threading.Event()


async def _streamed(fs: Any, **limits: Any) -> bytes:
    async with aclosing(fs.download_file_stream("f", **limits)) as pieces:
        return b"".join([piece async for piece in pieces])


async def _downloaded(fs: Any, **limits: Any) -> bytes:
    return bytes(await fs.download_file("f", **limits))


async def _one_of_many(fs: Any, **limits: Any) -> bytes:
    (answer,) = await fs.download_files([FileDownloadRequest("f")], **limits)
    return bytes(answer.result)


async def _upload(fs: Any, **limits: Any) -> None:
    await fs.upload_file(bytes(LARGE), "f", **limits)


async def _upload_many(fs: Any, **limits: Any) -> None:
    await fs.upload_files([FileUpload(bytes(LARGE), "f")], **limits)


async def _upload_stream(fs: Any, **limits: Any) -> None:
    await fs.upload_file_stream([bytes(MEBIBYTE)] * (LARGE // MEBIBYTE), "f", **limits)


DOWNLOADS = [_streamed, _downloaded, _one_of_many]
UPLOADS = [_upload, _upload_many, _upload_stream]


@asynccontextmanager
async def _files(face: str, serve: Callable[[Peer], None]) -> AsyncIterator[Any]:
    """Yield the files of a sandbox whose toolbox is *serve*."""

    def api(peer: Peer) -> None:
        peer.request()
        peer.answer(json.dumps({"id": "sb-1", "toolboxProxyUrl": f"{toolbox.url}/toolbox"}).encode())

    with RawServer(serve) as toolbox, RawServer(api) as server:
        async with open_client(face, DaytonaConfig(api_key="k", api_url=server.url)) as daytona:
            yield (await daytona.get("sb-1")).fs


def _sends_nothing(peer: Peer) -> None:
    peer.request()
    peer.wait_until_left()


def _stops_in_the_middle(peer: Peer) -> None:
    peer.request()
    peer.send(HEAD + PART + CONTENT)
    peer.wait_until_left()


def _sends_slowly(peer: Peer) -> None:
    peer.request()
    peer.send(HEAD + PART)
    for digit in CONTENT:
        NEVER.wait(0.12)
        peer.send(bytes([digit]))
    peer.send(b"\r\n--B--\r\n")


def _takes_nothing(peer: Peer) -> None:
    peer.wait_until_closed()


def _takes_slowly(peer: Peer) -> None:
    peer.take_chunked(lambda: NEVER.wait(0.05))
    peer.answer(json.dumps({"files": [{"path": "f", "bytes": LARGE}]}).encode())


def _takes_all(peer: Peer) -> None:
    peer.take_chunked(lambda: None)
    peer.answer(json.dumps({"files": [{"path": "f", "bytes": 2}]}).encode())


@pytest.mark.parametrize("serve", [_sends_nothing, _stops_in_the_middle])
@pytest.mark.parametrize("download", DOWNLOADS)
async def test_a_download_that_stands_still_is_given_up(face: str, serve: Any, download: Any) -> None:
    async with _files(face, serve) as fs:
        with pytest.raises(DaytonaConnectionTimeoutError, match=r"nothing moved for 0\.1 seconds") as caught:
            await download(fs, timeout=None, stall_timeout=0.1)
    assert (caught.value.outcome, caught.value.retryable) == ("unknown", True)


@pytest.mark.parametrize("download", DOWNLOADS[:2])
async def test_a_slow_download_goes_on_for_longer_than_it_may_stand_still(face: str, download: Any) -> None:
    async with _files(face, _sends_slowly) as fs:
        assert await download(fs, timeout=None, stall_timeout=1.0) == CONTENT


@pytest.mark.parametrize("upload", UPLOADS)
async def test_an_upload_that_stands_still_is_given_up(face: str, upload: Any) -> None:
    async with _files(face, _takes_nothing) as fs:
        with pytest.raises(DaytonaConnectionTimeoutError, match=r"nothing moved for 0\.1 seconds"):
            await upload(fs, timeout=None, stall_timeout=0.1)


async def test_a_slow_upload_goes_on_for_longer_than_it_may_stand_still(face: str) -> None:
    async with _files(face, _takes_slowly) as fs:
        await _upload_stream(fs, timeout=None, stall_timeout=1.0)


async def test_an_answer_to_an_upload_that_does_not_come_is_given_up(face: str) -> None:
    async with _files(face, _sends_nothing) as fs:
        with pytest.raises(DaytonaConnectionTimeoutError, match="nothing moved"):
            await fs.upload_file(b"x", "f", timeout=None, stall_timeout=0.1)


async def test_what_the_program_itself_takes_is_no_standing_still(face: str) -> None:
    def slow() -> Iterator[bytes]:
        for _ in range(2):
            time.sleep(0.4)
            yield b"x"

    async with _files(face, _takes_all) as fs:
        await fs.upload_file_stream(slow(), "f", stall_timeout=0.3)
    async with (
        _files(face, _sends_slowly) as fs,
        aclosing(fs.download_file_stream("f", stall_timeout=0.3)) as pieces,
    ):
        received = 0
        async for piece in pieces:
            time.sleep(0.4)  # noqa: ASYNC251 - the whole program is busy
            received += len(piece)
    assert received == len(CONTENT)


async def test_the_whole_time_is_limited_all_the_same(face: str) -> None:
    async with _files(face, _sends_slowly) as fs:
        with pytest.raises(DaytonaConnectionTimeoutError, match="took longer than its timeout"):
            await fs.download_file("f", timeout=0.4, stall_timeout=60)
        with pytest.raises(DaytonaValidationError, match="timeout=-1"):
            await fs.download_file("f", stall_timeout=-1)
