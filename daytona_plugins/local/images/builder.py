"""Builds what a Dockerfile describes: its stages in the order in which they need each other.

A layer is named by everything that decided what is in it (the layers below, the instruction, the variables, the files
copied), so a step that was done before is found by its name and not done again.
"""

from __future__ import annotations

import asyncio
import os
import platform
from functools import partial
from typing import TYPE_CHECKING, Final

from daytona.protocols.expansion import ExpandError, expand
from daytona_plugins.local.images.context import Context, ContextError
from daytona_plugins.local.images.dockerfile import Dockerfile, DockerfileError, parse, parse_trigger
from daytona_plugins.local.images.errors import BuildError
from daytona_plugins.local.images.fetch import FetchError
from daytona_plugins.local.images.oci import ARCHITECTURES
from daytona_plugins.local.images.resolve import NotCachedError, ResolveError
from daytona_plugins.local.images.site import Site
from daytona_plugins.local.images.stage import StageWorker
from daytona_plugins.local.images.steps import StepError, Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from daytona_plugins.local.images import dockerfile as parsed
    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.log import BuildLog
    from daytona_plugins.local.images.resolve import Resolver

ONE_OWNER: Final = (
    "as an ordinary user: all files belong to one user, and what changes their owners changes nothing"
)
ARCHITECTURE: Final = ARCHITECTURES.get(platform.machine(), platform.machine())


class Builder:
    """Builds images; `contexts` is where uploaded files lie, one directory a hash."""

    def __init__(self, workshop: Workshop, resolver: Resolver, contexts: Path) -> None:
        self._workshop = workshop
        self._resolver = resolver
        self._contexts = contexts

    async def build(self, dockerfile: str, hashes: Sequence[str], log: BuildLog) -> Image:
        """Return the image that *dockerfile* and the uploaded files describe.

        Raises:
            BuildError: A step failed, or something is not there.
        """
        return await self._build(dockerfile, hashes, log)

    async def find(self, dockerfile: str, hashes: Sequence[str]) -> Image | None:
        """Return the image if nothing has to be done for it."""
        try:
            return await self._build(dockerfile, hashes, None)
        except (NotCachedError, BuildError):
            return None

    async def _build(self, text: str, hashes: Sequence[str], log: BuildLog | None) -> Image:
        try:
            dockerfile = parse(text)
            context = await asyncio.to_thread(
                Context, [self._contexts / name / "context.tar" for name in hashes]
            )
            try:
                site = Site(context, self._workshop, _automatic_arguments(), log)
                return await _Build(dockerfile, site, self._resolver, log).run()
            finally:
                context.close()
        except (DockerfileError, ContextError, FetchError, ResolveError, StepError) as error:
            raise BuildError(str(error)) from error


class _Build:
    """One run; *log* None means that nothing may be done, only found."""

    def __init__(self, dockerfile: Dockerfile, site: Site, resolver: Resolver, log: BuildLog | None) -> None:
        self._dockerfile = dockerfile
        self._site = site
        self._resolver = resolver
        self._log = log
        self._done: dict[int, StageWorker] = {}

    async def run(self) -> Image:
        """Return the image of the last stage."""
        if os.getuid() != 0:
            self._site.say(ONE_OWNER)
        for argument in self._dockerfile.arguments:
            self._site.arguments[argument.name] = self._expanded(argument.default or "", argument.line)
        return (await self._stage(len(self._dockerfile.stages) - 1)).image

    async def _stage(self, number: int) -> StageWorker:
        """Return a stage that is done; stages that the last one does not need are never built."""
        if number not in self._done:
            stage = self._dockerfile.stages[number]
            self._site.say(stage.text)
            self._refuse_other_platforms(stage)
            worker = await self._begun(stage, number)
            for index, instruction in enumerate(stage.instructions, 1):
                await worker.do(f"[{index}/{len(stage.instructions)}] {instruction.text}", instruction)
            self._done[number] = worker
        return self._done[number]

    async def _begun(self, stage: parsed.Stage, number: int) -> StageWorker:
        """Return the stage with what the image has to say that it begins with."""
        name = self._expanded(stage.image, stage.line)
        earlier = await self._earlier(name, number)
        image = earlier.image if earlier else await self._resolver.resolve(name, self._log)
        inherited: Mapping[str, str] = earlier.arguments if earlier else {}
        worker = StageWorker(
            self._site, image.with_config(triggers=()), inherited, partial(self._source, number)
        )
        for text in image.config.triggers:
            for instruction in parse_trigger(text):
                await worker.do(f"[ONBUILD] {instruction.text}", instruction)
        return worker

    async def _earlier(self, name: str, before: int) -> StageWorker | None:
        for number, stage in enumerate(self._dockerfile.stages[:before]):
            if name.lower() == stage.name:
                return await self._stage(number)
        return None

    async def _source(self, before: int, name: str) -> Image:
        """Return the image that `--from` or `from=` names in the stage *before*."""
        if name.isdecimal() and int(name) < before:
            return (await self._stage(int(name))).image
        earlier = await self._earlier(name, before)
        return earlier.image if earlier else await self._resolver.resolve(name, self._log)

    def _refuse_other_platforms(self, stage: parsed.Stage) -> None:
        wanted = self._expanded(stage.platform or "", stage.line)
        here = f"linux/{ARCHITECTURE}"
        if wanted and wanted != here and not wanted.startswith(f"{here}/"):
            raise DockerfileError(stage.line, f"FROM --platform={wanted}: this machine is {here}")

    def _expanded(self, text: str, line: int) -> str:
        try:
            return expand(text, self._site.arguments)
        except ExpandError as error:
            raise DockerfileError(line, str(error)) from error


def _automatic_arguments() -> dict[str, str]:
    """Return what every Dockerfile may ask for without having been given it."""
    facts = {"PLATFORM": f"linux/{ARCHITECTURE}", "OS": "linux", "ARCH": ARCHITECTURE, "VARIANT": ""}
    return {side + name: value for side in ("TARGET", "BUILD") for name, value in facts.items()}
