"""What has changed in a project since a server was asked last: it reads files itself, and relies on us to say when."""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATED: Final = 1
CHANGED: Final = 2
DELETED: Final = 3
"""The protocol's numbers for what can happen to a file."""

SKIPPED: Final = frozenset({"node_modules", "venv", "__pycache__"})
"""Directories that are not looked into, as are those whose names begin with a dot."""
ENTRIES: Final = 50_000
"""How many files are looked at, so that nobody waits long: of a project with more, changes in a part are told."""

Files = dict[str, tuple[int, int]]
"""Paths, and what tells a file's content from an earlier one."""


def look(root: str, endings: tuple[str, ...]) -> Files:
    """Return the files below *root* with one of the *endings*."""
    found: Files = {}
    for entry in itertools.islice(_walk(root), ENTRIES):
        if entry.name.endswith(endings):
            with contextlib.suppress(OSError):  # gone between two looks
                status = entry.stat()
                found[entry.path] = (status.st_mtime_ns, status.st_size)
    return found


def changes(before: Files, after: Files) -> Iterator[tuple[str, int]]:
    """Yield the paths that differ, and how."""
    for path in before.keys() - after.keys():
        yield path, DELETED
    for path, seen in after.items():
        if before.get(path) != seen:
            yield path, CHANGED if path in before else CREATED


def _walk(root: str) -> Iterator[os.DirEntry[str]]:
    waiting = [root]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield entry
                elif entry.name not in SKIPPED and not entry.name.startswith("."):
                    waiting.append(entry.path)
