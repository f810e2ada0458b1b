"""Builds under way and the logs of those that are over; equal builds are one build, whoever asked for it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from daytona_plugins.local.images import log as build_log
from daytona_plugins.local.images.errors import BuildError
from daytona_plugins.local.images.layers import Layers
from daytona_plugins.local.images.log import BuildLog
from daytona_plugins.local.images.logins import find_login
from daytona_plugins.local.images.table import ImageTable
from daytona_plugins.local.platform.records import GIB, BuildInfo
from daytona_plugins.local.platform.regions import ORGANIZATION_ID
from daytona_plugins.local.platform.snapshot_store import SnapshotStore
from daytona_plugins.local.runtime.usage import disk_of
from daytona_plugins.local.work import Work

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Generator

    from daytona_plugins.local.images.builder import Builder
    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.steps import Driver
    from daytona_plugins.local.paths import Paths

logger = logging.getLogger(__name__)

BUCKET = "daytona-volume-builds"


def contexts_directory(paths: Paths) -> Path:
    """Return where the files lie that clients have uploaded for builds."""
    return paths.objects / BUCKET / ORGANIZATION_ID


class Builds:
    """Everything that makes images; owns the layers."""

    def __init__(self, driver: Driver, paths: Paths) -> None:
        self.layers = Layers(paths)
        self._table = ImageTable(paths)
        self.snapshots = SnapshotStore(paths.database)
        self._driver = driver
        self._paths = paths
        self._logs = paths.data / "build-logs"
        self._running: dict[str, tuple[BuildLog, asyncio.Task[Image]]] = {}
        self._work = Work()
        self._pinned: set[str] = set()

    @cached_property
    def _builder(self) -> Builder:
        """What reads Dockerfiles and fetches images takes a third of the platform's own imports, and many build nothing."""
        from daytona_plugins.local.images.builder import Builder
        from daytona_plugins.local.images.resolve import Resolver
        from daytona_plugins.local.images.steps import Workshop

        resolver = Resolver(self.layers, self._table, partial(find_login, self._paths.database))
        return Builder(Workshop(self._driver, self.layers), resolver, contexts_directory(self._paths))

    async def open(self) -> None:
        """Make the directories, and remove what a process that was killed left half done."""
        self.layers.open()
        await self.layers.clean()

    async def close(self) -> None:
        """End every build; what is half done is removed."""
        await self._work.cancel()
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.snapshots.close()

    async def collect(self, used: set[str]) -> None:
        """Remove layers of sandboxes' files that nothing is made of any more; those of builds stay for the next build."""
        in_table = {layer for entry in self._table.read().images.values() for layer in entry.image.layers}
        in_snapshots = {layer for record in self.snapshots.all() for layer in record.image.layers}
        for name in self.layers.kept() - used - in_table - in_snapshots - self._pinned:
            self.layers.remove(name)

    @contextmanager
    def pinned(self, layer: str) -> Generator[None]:
        """Keep a layer that nothing is made of yet, for as long as the block runs."""
        self._pinned.add(layer)
        try:
            yield
        finally:
            self._pinned.discard(layer)

    def begin(self, work: Coroutine[object, object, None]) -> None:
        """Do something in the background that waits for builds; it is ended when the platform ends."""
        self._work.begin(work)

    async def find(self, info: BuildInfo) -> Image | None:
        """Return the image when nothing has to be done for it."""
        return await self._builder.find(info.dockerfile, info.context_hashes)

    async def image(self, info: BuildInfo) -> Image:
        """Return the image, building what is missing.

        Raises:
            BuildError: It could not be built.
        """
        if info.snapshot_ref not in self._running:
            log = BuildLog(self._log_file(info))
            self._running[info.snapshot_ref] = log, asyncio.ensure_future(self._build(info, log))
        return await asyncio.shield(self._running[info.snapshot_ref][1])

    async def size(self, image: Image) -> float:
        """Return what the layers of an image take on the disk, in GiB; the system of this machine takes nothing."""
        layers = self.layers.paths_of(image.layers)
        taken = await asyncio.to_thread(lambda: sum(disk_of(Path(layer)) for layer in layers))
        return round(taken / GIB, 6)

    def log(self, info: BuildInfo, *, follow: bool) -> AsyncGenerator[bytes, None] | None:
        """Return what the build has printed, and with *follow* what it will; None when it has not begun."""
        if follow and (running := self._running.get(info.snapshot_ref)):
            return running[0].follow()
        file = self._log_file(info)
        return build_log.read(file) if file.exists() else None

    async def _build(self, info: BuildInfo, log: BuildLog) -> Image:
        try:
            image = await self._builder.build(info.dockerfile, info.context_hashes, log)
            log.line(f"built: {image.resolved}, {len(image.layers)} layers")
            return image
        except BuildError as error:
            log.line(f"ERROR: {error}")
            raise
        except (
            Exception
        ) as error:  # the border of a build: a bug in it must not keep waiting whoever asked for it
            logger.exception("the build %s failed", info.snapshot_ref)
            log.line(f"ERROR: {error!r}")
            raise BuildError(f"the platform failed: {error!r}") from error
        finally:
            log.close()
            del self._running[info.snapshot_ref]

    def _log_file(self, info: BuildInfo) -> Path:
        return self._logs / f"{info.snapshot_ref.removeprefix('daytona-').partition(':')[0]}.log"
