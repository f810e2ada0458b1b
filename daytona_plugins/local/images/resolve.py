"""From the name of an image to the image, in a fixed order, and never to another one without saying so.

1. the local table: what was made here
2. `host`, the programs of this machine; `scratch`, nothing
3. an alias: the names that people use for Debian, Ubuntu and Python

This version pulls nothing from registries and imports no archives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.images import standin
from daytona_plugins.local.images.image import HOST, Image
from daytona_plugins.local.images.machine import description
from daytona_plugins.local.images.table import ImageTable, alias_of, normal_name

if TYPE_CHECKING:
    from daytona_plugins.local.images.layers import Layers
    from daytona_plugins.local.images.log import BuildLog


class ResolveError(Exception):
    """No image of this name is to be had."""


class Resolver:
    """Finds images by name."""

    def __init__(self, layers: Layers, table: ImageTable) -> None:
        self._layers = layers
        self._table = table

    async def resolve(self, name: str, log: BuildLog | None) -> Image:
        """Return the image called *name*, and say in the *log* what it turned out to be.

        Raises:
            ResolveError: There is none; the text says where it was looked for.
        """
        return await self._resolve(name, log, frozenset())

    async def _resolve(self, name: str, log: BuildLog | None, seen: frozenset[str]) -> Image:
        if name in seen:
            raise ResolveError(f"the alias {name!r} leads back to itself")
        contents = self._table.read()
        if entry := contents.images.get(normal_name(name)):
            return _said(entry.image, log, f"{name} is {entry.image.resolved}")
        if name == "host":
            return _said(_with_note(HOST, f"host: {description()}"), log, f"host is {description()}")
        if name == "scratch":
            return Image(base="none", resolved="scratch")
        if alias := alias_of(name, contents.aliases):
            return await self._follow(name, *alias, log, seen)
        raise ResolveError(_not_found(name))

    async def _follow(
        self, name: str, pattern: str, target: str, log: BuildLog | None, seen: frozenset[str]
    ) -> Image:
        if target == "python":
            found = await standin.python(name, self._layers)
        elif target == "debian":
            found = standin.debian(name)
        else:
            _say(log, f"{name} is {target} (alias {pattern})")
            return await self._resolve(target, log, seen | {name})
        for difference in found.differences:
            _say(log, f"WARNING: {difference}")
        return _said(found.image, log, f"{name} is {found.image.resolved} (built-in alias {pattern})")


def _said(image: Image, log: BuildLog | None, text: str) -> Image:
    _say(log, text)
    return image


def _say(log: BuildLog | None, text: str) -> None:
    if log is not None:
        log.line(text)


def _with_note(image: Image, resolved: str) -> Image:
    return msgspec.structs.replace(image, resolved=resolved)


def _not_found(name: str) -> str:
    return (
        f"image {name!r} not found. This version pulls nothing from registries; it knows images made here, host "
        "(this machine's programs), scratch, and the names debian:12, ubuntu and python:3.x, which stand for host."
    )
