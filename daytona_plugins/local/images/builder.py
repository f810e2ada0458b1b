"""Builds what a Dockerfile describes: each step that changes files runs in a sandbox over the steps before it.

A layer is named by everything that decided what is in it (the layers below, the instruction, the variables, the files
copied), so a step that was done before is found by its name and not done again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
import time
from typing import TYPE_CHECKING, Final, TypedDict

from daytona_plugins.local.images.context import Context, ContextError
from daytona_plugins.local.images.dockerfile import (
    Arg,
    Copy,
    Dockerfile,
    DockerfileError,
    Instruction,
    Note,
    Place,
    Program,
    Run,
    Set,
    parse,
)
from daytona_plugins.local.images.expand import expand
from daytona_plugins.local.images.machine import build_environment, host_key
from daytona_plugins.local.images.resolve import NotCachedError, ResolveError
from daytona_plugins.local.images.steps import StepError, Workshop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from pathlib import Path

    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.log import BuildLog
    from daytona_plugins.local.images.resolve import Resolver

    Act = Callable[[BuildLog], Awaitable[str]]


class Options(TypedDict):
    """Whose copied files become, and what may be done with them."""

    chown: str
    chmod: str


_CANNOT_REPLACE: Final = (
    "Over this machine's own system an ordinary user can add packages, and not replace those that are there. "
    "Install mmdebstrap, or import an image (`daytona local image import`), to build over a system of its own."
)


class BuildError(Exception):
    """An image could not be built; the text names the step and ends with what it printed."""


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
                return await _Build(dockerfile, context, self._workshop, self._resolver, log).run()
            finally:
                context.close()
        except (DockerfileError, ContextError, ResolveError, StepError) as error:
            raise BuildError(str(error)) from error


class _Build:
    """One run; *log* None means that nothing may be done, only found."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        context: Context,
        workshop: Workshop,
        resolver: Resolver,
        log: BuildLog | None,
    ) -> None:
        self._dockerfile = dockerfile
        self._context = context
        self._workshop = workshop
        self._resolver = resolver
        self._log = log
        self._built: dict[int, Image] = {}
        self._globals: dict[str, str] = {}

    async def run(self) -> Image:
        for argument in self._dockerfile.arguments:
            self._globals[argument.name] = expand(argument.default or "", self._globals)
        return await self._stage(len(self._dockerfile.stages) - 1)

    async def _stage(self, number: int) -> Image:
        """Return a stage's image; stages that the last one does not need are never built."""
        if number not in self._built:
            stage = self._dockerfile.stages[number]
            self._say(stage.text)
            name = expand(stage.image, self._globals)
            worker = _Stage(self, await self._named(name, number), len(stage.instructions))
            for index, instruction in enumerate(stage.instructions, 1):
                await worker.do(index, instruction)
            self._built[number] = worker.image
        return self._built[number]

    async def _named(self, name: str, before: int) -> Image:
        """Return the image of an earlier stage, or of the name."""
        for number, stage in enumerate(self._dockerfile.stages[:before]):
            if name.lower() == stage.name:
                return await self._stage(number)
        return await self._resolver.resolve(name, self._log)

    async def source(self, name: str) -> Image:
        """Return the image that `--from` names."""
        if name.isdecimal() and int(name) < len(self._dockerfile.stages):
            return await self._stage(int(name))
        return await self._named(name, len(self._dockerfile.stages))

    def _say(self, text: str) -> None:
        if self._log is not None:
            self._log.line(text)

    @property
    def log(self) -> BuildLog:
        """Where to say what is being done.

        Raises:
            NotCachedError: Nothing may be done.
        """
        if self._log is None:
            raise NotCachedError
        return self._log

    @property
    def context(self) -> Context:
        return self._context

    @property
    def workshop(self) -> Workshop:
        return self._workshop

    @property
    def globals(self) -> dict[str, str]:
        return self._globals

    def say_cached(self, heading: str) -> None:
        self._say(f"{heading}\ncached")


class _Stage:
    """One stage while its instructions are done: the image so far, and its variables."""

    def __init__(self, build: _Build, image: Image, length: int) -> None:
        self.image = image
        self._build = build
        self._length = length
        self._arguments: dict[str, str] = {}

    async def do(self, index: int, instruction: Instruction) -> None:
        """Do one instruction."""
        heading = f"[{index}/{self._length}] {instruction.text}"
        match instruction:
            case Run():
                await self._run(heading, instruction)
            case Copy():
                await self._copy(heading, instruction)
            case Place(word="WORKDIR"):
                await self._work_in(heading, self._path(self._expanded(instruction.value)))
            case Place():
                self.image = self.image.with_config(user=self._expanded(instruction.value))
            case Set():
                self._set(instruction)
            case Arg():
                default = instruction.default if instruction.default is not None else None
                value = (
                    self._build.globals.get(instruction.name, "")
                    if default is None
                    else self._expanded(default)
                )
                self._arguments[instruction.name] = value
            case Program():
                self._program(instruction)
            case Note():
                pass

    async def _run(self, heading: str, run: Run) -> None:
        config = self.image.config
        command = [*config.shell, run.command] if isinstance(run.command, str) else list(run.command)
        env = {**self._arguments, **config.env}

        async def act(log: BuildLog) -> str:
            async with self._build.workshop.layer(self.image, name) as step:
                began = time.monotonic()
                code = await step.run(
                    command,
                    cwd=config.workdir or "/",
                    env=build_environment() | env,
                    user=config.user,
                    output=log.write,
                )
                if code != 0:
                    raise StepError(_failed(run, code, log, self.image))
            return f"done in {time.monotonic() - began:.1f} s"

        name = self._name("RUN", command, env)
        await self._layer(heading, name, act)

    async def _copy(self, heading: str, copy: Copy) -> None:
        destination = self._path(self._expanded(copy.destination))
        paths = tuple(self._expanded(path) for path in copy.paths)
        options: Options = {
            "chown": self._expanded(copy.chown or ""),
            "chmod": self._expanded(copy.chmod or ""),
        }
        if copy.source is not None:
            await self._copy_from(heading, await self._build.source(copy.source), paths, destination, options)
            return
        selection = self._build.context.select(paths)
        name = self._name(
            "COPY", await asyncio.to_thread(selection.digest), destination, options, copy.unpack
        )

        async def act(_log: BuildLog) -> str:
            async with self._build.workshop.layer(self.image, name) as step:
                await step.unpack(
                    selection.archive(),
                    destination,
                    single=selection.single,
                    open_archives=copy.unpack,
                    **options,
                )
            return f"{len(selection.entries)} entries"

        await self._layer(heading, name, act)

    async def _copy_from(
        self, heading: str, source: Image, paths: tuple[str, ...], destination: str, options: Options
    ) -> None:
        wanted = tuple(posixpath.join("/", path) for path in paths)
        name = self._name("COPY --from", _identity(source), wanted, destination, options)

        async def act(_log: BuildLog) -> str:
            workshop = self._build.workshop
            async with (
                workshop.look_into(source) as other,
                other.pack(wanted) as (archive, single),
                workshop.layer(self.image, name) as step,
            ):
                await step.unpack(archive, destination, single=single, **options)
            return "done"

        await self._layer(heading, name, act)

    async def _work_in(self, heading: str, path: str) -> None:
        directory = path.rstrip("/") or "/"
        name = self._name("WORKDIR", directory)

        async def act(_log: BuildLog) -> str:
            async with self._build.workshop.layer(self.image, name) as step:
                await step.unpack(_empty_archive(), directory, single=False)
            return "done"

        await self._layer(heading, name, act)
        self.image = self.image.with_config(workdir=directory)

    async def _layer(self, heading: str, name: str, act: Act) -> None:
        """Find the layer or make it, and put it on top."""
        layers = self._build.workshop.layers
        if layers.has(name):
            self._build.say_cached(heading)
        else:
            self._build.log.line(heading)
            self._build.log.line(await act(self._build.log))
        if not layers.is_empty(name):
            self.image = self.image.with_layer(name)

    def _set(self, instruction: Set) -> None:
        pairs = {self._expanded(key): self._expanded(value) for key, value in instruction.pairs}
        config = self.image.config
        if instruction.word == "ENV":
            self.image = self.image.with_config(env={**config.env, **pairs})
        else:
            self.image = self.image.with_config(labels={**config.labels, **pairs})

    def _program(self, program: Program) -> None:
        shell = self.image.config.shell
        command = (*shell, program.command) if isinstance(program.command, str) else program.command
        if program.word == "SHELL":
            self.image = self.image.with_config(shell=command)
        elif program.word == "ENTRYPOINT":
            self.image = self.image.with_config(entrypoint=command or None, cmd=None)
        else:
            self.image = self.image.with_config(cmd=command or None)

    def _expanded(self, text: str) -> str:
        return expand(text, {**self._arguments, **self.image.config.env})

    def _path(self, path: str) -> str:
        """Return where a path of an instruction lies; a final slash is kept, because it means a directory."""
        whole = posixpath.join("/", self.image.config.workdir, path)
        directory = whole.endswith(("/", "/."))
        return posixpath.normpath(whole).rstrip("/") + "/" * directory or "/"

    def _name(self, *facts: object) -> str:
        config = self.image.config
        identity = (_identity(self.image), config.user, config.workdir, *facts)
        return hashlib.sha256(repr(identity).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _identity(image: Image) -> tuple[object, ...]:
    return (image.base, host_key() if image.base == "host" else "", image.layers)


def _failed(run: Run, code: int, log: BuildLog, image: Image) -> str:
    text = f"{run.text}: exit code {code}\n{log.end()}"
    if image.base == "host" and os.getuid() != 0 and "dpkg: error" in text:
        return f"{text}\n{_CANNOT_REPLACE}"
    return text


async def _empty_archive() -> AsyncGenerator[bytes, None]:
    yield bytes(1024)
