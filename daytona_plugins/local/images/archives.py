"""What a sandbox has written as one compressed file, by the machine's own `tar`, which knows marks and whiteouts."""

from __future__ import annotations

import os
import shutil
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.images.programs import running
from daytona_plugins.local.runtime.rootfs import WORK
from daytona_plugins.local.runtime.runner import remove_tree

if TYPE_CHECKING:
    from pathlib import Path

_FAITHFUL: Final = ("--numeric-owner", "--xattrs", "--xattrs-include=user.*")


class ArchiveError(Exception):
    """`tar` failed; the text is what it said."""


async def archive(directory: Path, file: Path) -> None:
    """Write *file* from *directory*, whole or not at all.

    Raises:
        ArchiveError: It could not be done.
    """
    file.parent.mkdir(mode=0o700, exist_ok=True)
    draft = file.with_suffix(".part")
    compression = "--zstd" if shutil.which("zstd") else "--gzip"
    exclude = f"--exclude=./{WORK}"
    try:
        await _tar(
            "--create", compression, f"--file={draft}", f"--directory={directory}", exclude, *_FAITHFUL, "."
        )
    except BaseException:
        _remove(draft)
        raise
    draft.replace(file)


async def restore(file: Path, directory: Path, draft: Path) -> None:
    """Make *directory* from *file*, whole or not at all, by way of *draft*.

    Raises:
        ArchiveError: It could not be done.
    """
    _make(draft)
    await _tar("--extract", "--preserve-permissions", f"--file={file}", f"--directory={draft}", *_FAITHFUL)
    await remove_tree(directory)
    _rename(draft, directory)


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)


def _make(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True)


def _rename(directory: Path, target: Path) -> None:
    directory.rename(target)


def _as_owner() -> tuple[str, ...]:
    """Programs may have closed their files to themselves; an ordinary user reads them as root of a user namespace."""
    unshare = shutil.which("unshare")
    return (unshare, "--user", "--map-root-user", "--") if os.getuid() != 0 and unshare else ()


async def _tar(*arguments: str) -> None:
    program = shutil.which("tar")
    if program is None:
        raise ArchiveError("this machine has no `tar`")
    # It does not go on writing behind the back of who comes next.
    async with running(*_as_owner(), program, *arguments, stderr=PIPE) as process:
        assert process.stderr is not None
        said = await process.stderr.read()
        code = await process.wait()
    if code:
        raise ArchiveError(f"tar: {said.decode('utf-8', 'replace').strip()}")
