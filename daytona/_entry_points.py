"""The entry points of what is installed, as `importlib.metadata` finds them.

Where a program has imported that already, it is asked. To import it for this alone takes longer than most programs take for
the rest of their imports, so there distributions that are installed as packagers agree on, as directories, are read here.
Where the path or the finders are of another kind, `importlib.metadata` is imported and asked after all.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from importlib.machinery import PathFinder
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import Distribution

__all__ = ["EntryPoint", "installed"]

SUFFIXES: Final = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """Something that a distribution offers under a name, in a group."""

    group: str
    name: str
    value: str
    """A module, and what is in it: `package.module:attribute`."""
    find_distribution: Callable[[], Distribution | None] = lambda: None

    @property
    def dist(self) -> Distribution | None:
        """Who offers it, if that is known."""
        return self.find_distribution()

    def load(self) -> object:
        """Import it."""
        module, _, attributes = self.value.partition("[")[0].partition(":")
        found: object = import_module(module.strip())
        for attribute in filter(None, attributes.strip().split(".")):
            found = getattr(found, attribute)
        return found


def installed(prefix: str) -> list[EntryPoint]:
    """Return the entry points in all groups whose names begin with *prefix*."""
    if "importlib.metadata" in sys.modules or not _all_is_in_directories():
        found = _as_the_standard_library_finds_them()
    else:
        found = _in_directories(sys.path, prefix)
    return [point for point in found if point.group.startswith(prefix)]


def _all_is_in_directories() -> bool:
    """Return whether there are neither archives on the path nor finders that may know of other distributions."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return finders == [PathFinder] and not any(
        entry.endswith(".egg") or os.path.isfile(entry) for entry in sys.path
    )


def _in_directories(path: list[str], prefix: str) -> Iterator[EntryPoint]:
    """Yield what the distributions on *path* offer; of two with the same name the first one counts."""
    seen: set[str] = set()
    for place in path:
        for info in _distributions_in(place or "."):
            name = _spelt_alike(os.path.basename(info).rpartition(".")[0].partition("-")[0])
            if name not in seen:
                seen.add(name)
                yield from _offered_by(info, prefix)


def _distributions_in(place: str) -> list[str]:
    try:
        return [f"{place}/{name}" for name in os.listdir(place) if name.lower().endswith(SUFFIXES)]
    except OSError:  # not there, or not for us: nothing is imported from it either
        return []


def _spelt_alike(name: str) -> str:
    """Return what all spellings of the name of a distribution have in common."""
    return name.lower().replace("-", "_").replace(".", "_")


def _offered_by(info: str, prefix: str) -> Iterator[EntryPoint]:
    try:
        with open(f"{info}/entry_points.txt", encoding="utf-8") as file:
            text = file.read()
    except OSError:  # most distributions offer nothing
        return
    if f"[{prefix}" in text:
        for group, name, value in parse(text):
            yield EntryPoint(group, name, value, partial(_distribution_at, info))


def parse(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and value of each line of an `entry_points.txt`."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield group, name.strip(), value.strip()


def _distribution_at(info: str) -> Distribution:
    from importlib.metadata import Distribution

    return Distribution.at(info)


def _as_the_standard_library_finds_them() -> Iterator[EntryPoint]:
    from importlib.metadata import entry_points

    found = entry_points()
    for point in chain.from_iterable(found.select(group=group) for group in found.groups):
        yield EntryPoint(point.group, point.name, point.value, partial(getattr, point, "dist", None))
