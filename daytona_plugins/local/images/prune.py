"""Removes layers that nothing is made of any more, caches of builds, and files that were uploaded for builds.

Mark and sweep: what is named by the table of images, by a snapshot or by a sandbox stays. Nobody may be making an image
meanwhile, in this process or another one; whoever does holds the same lock (`Layers.in_use`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from daytona_plugins.local.images.image import HOST, Image
from daytona_plugins.local.images.layers import KEPT
from daytona_plugins.local.runtime.runner import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from daytona_plugins.local.images.layers import Layers
    from daytona_plugins.local.images.table import ImageTable

RECENT: Final = 3600.0
"""Seconds for which an uploaded file may still be waiting for the request to build with it."""


class Pruned(NamedTuple):
    """What was removed."""

    layers: int
    caches: int
    contexts: int
    freed: int
    """Bytes."""


class _Holder(msgspec.Struct):
    """A sandbox or a snapshot, as far as it names layers."""

    image: Image = HOST


async def prune(layers: Layers, table: ImageTable, database: Path, contexts: Path) -> Pruned:
    """Remove what is not needed.

    Raises:
        InUseError: Images are being made.
    """
    with layers.alone():
        unused = sorted(set(layers.names()) - referenced(table, database))
        # What a sandbox has written is looked after by the platform, which knows who is about to use it.
        doomed = [layers.directory / name for name in unused if not name.startswith(KEPT)]
        caches = [*layers.caches()]
        uploads = [path for path in _directories(contexts) if time.time() - path.stat().st_mtime > RECENT]
        freed = 0
        for path in (*doomed, *caches, *uploads):
            freed += size_of(path)
            await _remove(path, layers)
        return Pruned(len(doomed), len(caches), len(uploads), freed)


def referenced(table: ImageTable, database: Path) -> set[str]:
    """Return the layers of every image that has a name, and of every snapshot and sandbox."""
    images = [entry.image for entry in table.read().images.values()]
    images += _images_in(database)
    return {layer for image in images for layer in image.layers}


def _images_in(database: Path) -> Iterator[Image]:
    if not database.exists():
        return
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        for name in sorted(tables & {"sandboxes", "snapshots"}):
            for (document,) in connection.execute(f"SELECT document FROM {name}"):  # noqa: S608 (one of two names)
                yield msgspec.json.decode(document, type=_Holder).image


def _directories(path: Path) -> Iterable[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


def size_of(path: Path) -> int:
    """Return how many bytes a directory takes on the disk."""
    total = 0
    for directory, _, files in os.walk(path):
        total += sum(os.lstat(os.path.join(directory, name)).st_blocks * 512 for name in files)
    return total


async def _remove(path: Path, layers: Layers) -> None:
    """Out of its place first, so that nobody finds half of it, whatever happens to this process."""
    draft = layers.draft()
    os.rename(path, draft)
    await remove_tree(draft)
