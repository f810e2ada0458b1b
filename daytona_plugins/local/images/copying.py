"""Copies of what sandboxes have written: with whiteouts, marks of the overlay, hard links, owners and modes.

`freeze` holds the processes of a sandbox still meanwhile, so that a copy shows its files at one moment.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

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


@contextmanager
def freeze(process_1: int | None) -> Generator[None]:
    """Hold every process of a sandbox but its first, the agent, still while the block runs."""
    held = list(_hold_all(process_1)) if process_1 is not None else []
    try:
        yield
    finally:
        # Children first: a shell that finds its child going again never learns that it was held.
        for pid in reversed(held):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _hold_all(process_1: int) -> Iterator[int]:
    """Go from parents to children, until a whole round finds nobody new."""
    held: set[int] = set()
    found = True
    while found:
        found = False
        for pid in _descendants(process_1):
            if pid not in held and not _is_stopped(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    found = True
                    yield pid
                held.add(pid)


def _descendants(pid: int) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        with suppress(FileNotFoundError, ProcessLookupError):
            current = waiting.pop()
            for task in Path(f"/proc/{current}/task").iterdir():
                children = [int(child) for child in (task / "children").read_text().split()]
                waiting += children
                yield from children


def _is_stopped(pid: int) -> bool:
    """Return whether somebody else holds the process, or it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
