"""Addresses of files that anybody may use for a while: made on the three faces, used by a plain program."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def fetch(url: str, data: bytes | None = None) -> tuple[int, bytes]:
    """Use an address the way a program does that has no key."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_a_file_goes_in_and_out_by_address(box: Callable[[], Any], folder: str) -> None:
    path = f"{folder}/a b&c=☃.txt"
    async with box() as sandbox:
        status, _ = fetch(await sandbox.upload_url(path, ttl_seconds=60), b"by address")
        assert status == 200
        assert await sandbox.fs.download_file(path) == b"by address"
        assert fetch(await sandbox.download_url(path, 0)) == (200, b"by address")


async def test_rotation_takes_every_address_back(connect: Callable[[], Any]) -> None:
    async with connect() as daytona, await daytona.create() as sandbox:
        await sandbox.fs.upload_file(b"x", "f")
        old = await sandbox.download_url("f")
        await sandbox.rotate_signing_key()
        assert fetch(old)[0] == 401
        assert fetch(await sandbox.download_url("f")) == (200, b"x")
