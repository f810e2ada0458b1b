"""Zstandard by each of the means that machines have, or an error that names them."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys

import pytest

from daytona_plugins.local.zstd import MissingError, decompressed

CONTENT = bytes(range(256)) * 8000
MODULES = ("compression.zstd", "backports.zstd")
needs_program = pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the Debian package zstd")


@pytest.fixture
def compressed() -> bytes:
    return subprocess.run(["zstd", "-cq"], input=CONTENT, capture_output=True, check=True).stdout


def without_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, None)


@needs_program
@pytest.mark.parametrize("means", ["module", "program"])
def test_content_is_read_whatever_reads_it(
    monkeypatch: pytest.MonkeyPatch, compressed: bytes, means: str
) -> None:
    if means == "program":
        without_modules(monkeypatch)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
    with decompressed(io.BytesIO(compressed)) as content:
        pieces = iter(lambda: content.read(100_000), b"")
        assert b"".join(pieces) == CONTENT


@needs_program
def test_whoever_stops_reading_waits_for_nothing(monkeypatch: pytest.MonkeyPatch, compressed: bytes) -> None:
    without_modules(monkeypatch)
    with decompressed(io.BytesIO(compressed)) as content:
        assert content.read(5) == CONTENT[:5]


@needs_program
def test_a_machine_without_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, compressed: bytes
) -> None:
    without_modules(monkeypatch)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingError, match="Python package backports"), decompressed(io.BytesIO(compressed)):
        pass


@pytest.mark.parametrize("content", [b"", b"a", b"\x28\xb5", CONTENT])
def test_what_is_not_compressed_stays_what_it_is(content: bytes) -> None:
    with decompressed(io.BytesIO(content)) as same:
        assert same.read(2) + same.read() == content
