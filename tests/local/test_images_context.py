"""Which uploaded files COPY takes; names in archives are keys, and lead nowhere."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from daytona_plugins.local.images.context import Context, ContextError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {"a.txt": b"a", "b.txt": b"b", "d/x": b"x", "d/e/y": b"y", "../up": b"u", "/abs/z": b"z"}


def write(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        device = tarfile.TarInfo("device")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    return path


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    opened = Context([write(tmp_path / "h" / "context.tar", FILES)])
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("patterns", "names", "single"),
    [
        (["a.txt"], {"a.txt"}, True),
        (["./a.txt"], {"a.txt"}, True),
        (["*.txt"], {"a.txt", "b.txt"}, False),
        (["a.*"], {"a.txt"}, True),
        (["d"], {"x", "e/y"}, False),
        (["d/"], {"x", "e/y"}, False),
        (["d/*/y"], {"y"}, True),
        (["a.txt", "d/x"], {"a.txt", "x"}, False),
        (["../up"], {"up"}, True),
        (["abs/z"], {"z"}, True),
        (["/abs"], {"z"}, False),
        (["."], {"a.txt", "b.txt", "d/x", "d/e/y", "../up", "abs/z"}, False),
    ],
)
def test_what_copy_takes(context: Context, patterns: list[str], names: set[str], single: bool) -> None:
    selection = context.select(patterns)
    assert (set(selection.entries), selection.single) == (names, single)


@pytest.mark.parametrize("pattern", ["nothing", "d/*.txt", "device", "/etc/passwd", "d/../../a.txt"])
def test_what_was_not_uploaded_is_not_there(context: Context, pattern: str) -> None:
    with pytest.raises(ContextError, match="is not in the build context"):
        context.select([pattern])


def test_the_digest_is_about_content_and_names(tmp_path: Path) -> None:
    digests = set()
    for number, files in enumerate(({"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "other": b""})):
        context = Context([write(tmp_path / str(number) / "context.tar", files)])
        digests.add(context.select(["a" if "a" in files else "b"]).digest())
        context.close()
    assert len(digests) == 3


def test_an_upload_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="the context gone was not uploaded"):
        Context([tmp_path / "gone" / "context.tar"])
    damaged = write(tmp_path / "bad" / "context.tar", {})
    damaged.write_bytes(b"no archive at all" * 100)
    with pytest.raises(ContextError, match="the context bad is damaged"):
        Context([damaged])
