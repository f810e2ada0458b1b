"""From the name of an image to the image, in a fixed order, and never to another one without saying so.

1. the local table: imported, pulled or made here
2. `host`, the programs of this machine; `scratch`, nothing
3. `oci:DIR`, `archive:FILE`, `dir:PATH`
4. a registry: the one in the name, or a mirror that the user trusts
5. an alias: one that the user wrote, or a built-in one
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.images import bootstrap, changeable, standin
from daytona_plugins.local.images.image import HOST, Image
from daytona_plugins.local.images.imports import SCHEMES, load
from daytona_plugins.local.images.machine import description
from daytona_plugins.local.images.registry import PullError, parse_reference, pull
from daytona_plugins.local.images.table import Entry, ImageTable, alias_of, normal_name
from daytona_plugins.local.images.unpack import ArchiveError

if TYPE_CHECKING:
    from daytona_plugins.local.images.layers import Layers
    from daytona_plugins.local.images.log import BuildLog
    from daytona_plugins.local.images.registry import FindLogin


class NotCachedError(Exception):
    """Something of an image has to be made first."""


class ResolveError(Exception):
    """No image of this name is to be had."""


class Resolver:
    """Finds images by name."""

    def __init__(self, layers: Layers, table: ImageTable, login: FindLogin = lambda _address: None) -> None:
        self._layers = layers
        self._table = table
        self._login = login
        self._making = asyncio.Lock()

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
            return _said(HOST.with_source(f"host: {description()}"), log, f"host is {description()}")
        if name == "scratch":
            return Image(base="none", resolved="scratch")
        if name.startswith(SCHEMES):
            return await self._load(name, log)
        if pulled := await self._pull(name, contents.mirrors, log):
            return pulled
        if alias := alias_of(name, contents.aliases):
            return await self._follow(name, *alias, log, seen)
        raise ResolveError(_not_found(name))

    async def _follow(
        self, name: str, pattern: str, target: str, log: BuildLog | None, seen: frozenset[str]
    ) -> Image:
        if target == "python":
            made_here = await self._debian(log)
            found = await asyncio.to_thread(standin.python, name, self._layers, made_here)
        elif target == "debian":
            found = standin.debian(name, await self._debian(log))
        else:
            _say(log, f"{name} is {target} (alias {pattern})")
            return await self._resolve(target, log, seen | {name})
        await self._make_changeable(found.image, log)
        for difference in found.differences:
            _say(log, f"WARNING: {difference}")
        image = msgspec.structs.replace(found.image, differences=found.differences)
        return _said(image, log, f"{name} is {image.resolved} (built-in alias {pattern})")

    async def _load(self, name: str, log: BuildLog | None) -> Image:
        if log is None:
            raise NotCachedError
        try:
            return _said(await asyncio.to_thread(load, name, self._layers), log, f"unpacked {name}")
        except ArchiveError as error:
            raise ResolveError(str(error)) from error

    async def _pull(self, name: str, mirrors: tuple[str, ...], log: BuildLog | None) -> Image | None:
        """Return the image from the registry in the name, or from the first mirror that has it."""
        try:
            named = bool(parse_reference(name).registry)
        except PullError:
            return None
        for mirror in [""] if named else mirrors:
            if log is None:
                raise NotCachedError
            try:
                image = await asyncio.to_thread(pull, name, self._layers, mirror, self._login)
            except (PullError, ArchiveError) as error:
                if isinstance(error, ArchiveError):
                    raise ResolveError(str(error)) from error
                if named:
                    raise ResolveError(f"image {name!r} cannot be pulled: {error}. {_OTHERWISE}") from error
                log.line(f"WARNING: {error}")
            else:
                self._table.add(name, Entry(image=image, source=mirror or "registry", added_at=time.time()))
                return _said(image, log, f"pulled {image.resolved}")
        return None

    async def _make_changeable(self, image: Image, log: BuildLog | None) -> None:
        """Make what an ordinary user needs to install packages over this machine's system, if the image has it."""
        layer = changeable.layer_name()
        if layer not in image.layers or self._layers.has(layer):
            return
        if log is None:
            raise NotCachedError
        log.line("preparing this machine's system for packages of an ordinary user, once")
        await asyncio.to_thread(changeable.make, self._layers)

    async def _debian(self, log: BuildLog | None) -> Image | None:
        """Return the Debian made here, making it now where that can be done."""
        if entry := self._table.read().images.get(normal_name(bootstrap.name_of(bootstrap.SUITE))):
            return entry.image
        if not bootstrap.available():
            return None
        if log is None:
            raise NotCachedError
        log.line("making a Debian from its packages, once")
        try:
            async with self._making:
                return await bootstrap.bootstrap(self._layers, self._table, log.write)
        except bootstrap.BootstrapError as error:
            log.line(f"WARNING: no Debian could be made here: {error}")
            return None


def _said(image: Image, log: BuildLog | None, text: str) -> Image:
    _say(log, text)
    return image


def _say(log: BuildLog | None, text: str) -> None:
    if log is not None:
        log.line(text)


_OTHERWISE = "Give it a name here with `daytona local image import NAME SOURCE`."


def _not_found(name: str) -> str:
    return (
        f"image {name!r} not found. Looked in: the local table (`daytona local image list`); host and scratch; "
        "oci:DIR, archive:FILE and dir:PATH; the registry in the name, and trusted mirrors "
        "(`daytona local image mirror URL`); aliases (`daytona local image alias PATTERN TARGET`). "
        f"{_OTHERWISE}"
    )
