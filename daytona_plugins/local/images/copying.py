"""Copies of what sandboxes have written: with whiteouts, marks of the overlay, hard links, owners and modes.

Whoever copies a sandbox that runs holds its processes still meanwhile, so that the copy shows its files at one moment.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    Seen = dict[tuple[int, int], Path]


def copy_layer(source: Path, target: Path) -> None:
    """Copy a writable layer, which may be in use, to *target*, which must not exist."""
    target.mkdir(mode=0o700, parents=True)
    seen: Seen = {}
    for tree in sorted(source.iterdir()):
        if (files := tree / "files").is_dir():
            (target / tree.name).mkdir(mode=0o755)
            _copy_directory(files, target / tree.name / "files", seen)


def _copy_directory(source: Path, target: Path, seen: Seen) -> None:
    target.mkdir(mode=0o700)
    with _readable(source), os.scandir(source) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed while we were copying
                _copy(Path(entry.path), target / entry.name, seen)
    _copy_facts(source, target)


def _copy(source: Path, target: Path, seen: Seen) -> None:
    status = source.lstat()
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        _copy_directory(source, target, seen)
        return
    if status.st_nlink > 1 and (first := seen.setdefault((status.st_dev, status.st_ino), target)) != target:
        os.link(first, target, follow_symlinks=False)
        return
    if kind == stat.S_IFLNK:
        target.symlink_to(os.readlink(source))
    elif kind == stat.S_IFREG:
        with _readable(source):
            shutil.copyfile(source, target)
    elif kind == stat.S_IFSOCK:
        return  # its server is not copied either
    else:
        os.mknod(target, status.st_mode, status.st_rdev)
    _copy_facts(source, target)


def _copy_facts(source: Path, target: Path) -> None:
    status = source.lstat()
    if os.getuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        for name in os.listxattr(source):
            if name.startswith("user."):
                os.setxattr(target, name, os.getxattr(source, name))
        target.chmod(stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


@contextmanager
def _readable(path: Path) -> Generator[None]:
    """Programs may have closed their own files to themselves; as an ordinary user we need the right to read."""
    mode = stat.S_IMODE(path.stat().st_mode)
    needed = 0o500 if path.is_dir() else 0o400
    if os.getuid() == 0 or mode & needed == needed:
        yield
        return
    path.chmod(mode | needed)
    try:
        yield
    finally:
        path.chmod(mode)
