"""One stage of a build while its instructions are done: each that changes files runs in a sandbox over those before it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from daytona.protocols.expansion import ExpandError, expand
from daytona_plugins.local.images import bringing
from daytona_plugins.local.images.dockerfile import (
    Arg,
    Copy,
    DockerfileError,
    Health,
    Instruction,
    Mark,
    Place,
    Program,
    Run,
    RunMount,
    Set,
    Trigger,
)
from daytona_plugins.local.images.image import Healthcheck
from daytona_plugins.local.images.machine import build_environment, host_key
from daytona_plugins.local.images.showing import Scene, Shown, nothing
from daytona_plugins.local.images.steps import StepError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

    from daytona_plugins.local.images.context import Selection
    from daytona_plugins.local.images.image import Image
    from daytona_plugins.local.images.log import BuildLog
    from daytona_plugins.local.images.site import Site
    from daytona_plugins.local.images.steps import Workshop
    from daytona_plugins.local.runtime.spec import Network

    Act = Callable[[BuildLog], Awaitable[str]]
    Source = Callable[[str], Awaitable[Image]]


class Options(TypedDict):
    """Whose copied files become, and what may be done with them."""

    chown: str
    chmod: str


_CANNOT_REPLACE: Final = (
    "Over this machine's own system an ordinary user can add packages, and not replace those that are there. "
    "Install mmdebstrap, or import an image (`daytona local image import`), to build over a system of its own."
)


class StageWorker:
    """The image so far, and its variables.

    Args:
        site: What it shares with the other stages.
        image: What it begins with.
        arguments: The variables of the stage that it begins with.
        source: Returns the image that `--from` or `from=` names.
    """

    def __init__(self, site: Site, image: Image, arguments: Mapping[str, str], source: Source) -> None:
        self.image = image
        self.arguments = dict(arguments)
        self._site = site
        self._source = source
        self._has_command = False

    async def do(self, heading: str, instruction: Instruction) -> None:
        """Do one instruction."""
        try:
            await self._do(heading, instruction)
        except ExpandError as error:
            raise DockerfileError(instruction.line, str(error)) from error

    async def _do(self, heading: str, instruction: Instruction) -> None:
        match instruction:
            case Run():
                await self._run(heading, instruction)
            case Copy(source=str(source)):
                await self._copy_from(heading, instruction, source)
            case Copy():
                await self._copy(heading, instruction)
            case Place(word="WORKDIR"):
                await self._work_in(heading, self._path(self._expanded(instruction.value)))
            case Place():
                self.image = self.image.with_config(user=self._expanded(instruction.value))
            case Set():
                self._set(instruction)
            case Arg():
                self._declare(instruction)
            case Program():
                self._program(instruction)
            case Mark():
                self._mark(instruction)
            case Health():
                self._health(instruction)
            case Trigger():
                self.image = self.image.with_config(
                    triggers=(*self.image.config.triggers, instruction.instruction)
                )

    # Steps that change files --------------------------------------------------------------------------------------

    async def _run(self, heading: str, run: Run) -> None:
        config = self.image.config
        command = [*config.shell, run.command] if isinstance(run.command, str) else list(run.command)
        env = {**self.arguments, **config.env}
        shown = [await self._shown(mount) for mount in self._visible(run)]
        name = self._name("RUN", command, env, run.script, run.network, *(each.fact for each in shown))

        async def act(log: BuildLog) -> str:
            scene = Scene(self._site.workshop, shown)
            network: Network = "host" if run.network else "none"
            async with (
                scene.mounts() as mounts,
                self._site.workshop.layer(self.image, name, mounts=mounts, network=network) as step,
            ):
                await scene.fill(step)
                began = time.monotonic()
                code = await step.run(
                    command,
                    cwd=config.workdir or "/",
                    env=build_environment() | env,
                    user=config.user,
                    output=log.write,
                    script=str(run.command) if run.script else "",
                )
                if code != 0:
                    raise StepError(_failed(run, code, log, self.image))
            return f"done in {time.monotonic() - began:.1f} s"

        await self._layer(heading, name, act)

    def _visible(self, run: Run) -> list[RunMount]:
        """Return the mounts that show something; that others are empty is said."""
        for mount in run.mounts:
            if mount.kind in ("secret", "ssh"):
                self._site.say(f"WARNING: line {run.line}: builds get no {mount.kind} {mount.name} here")
        return [mount for mount in run.mounts if mount.kind not in ("secret", "ssh")]

    async def _shown(self, mount: RunMount) -> Shown:
        target = self._path(self._expanded(mount.target)).rstrip("/")
        if mount.kind == "cache":
            return Shown(target, cache=self._expanded(mount.name), shared=mount.shared)
        if mount.kind == "tmpfs":
            return Shown(target)
        source = self._expanded(mount.source)
        if mount.image is None:
            selection = self._site.context.select([source or "."])
            return Shown(target, _Selected(selection, await asyncio.to_thread(selection.digest)))
        image = await self._source(self._expanded(mount.image))
        return Shown(target, _Inside(self._site.workshop, image, posixpath.join("/", source)))

    async def _copy(self, heading: str, copy: Copy) -> None:
        async with bringing.brought(copy, self._expanded, self._site) as found:
            destination = self._path(self._expanded(copy.destination))
            options = self._options(copy)
            name = self._name(
                "COPY", await asyncio.to_thread(found.digest), destination, options, copy.unpack
            )

            async def act(_log: BuildLog) -> str:
                async with self._site.workshop.layer(self.image, name) as step:
                    async for selection, unpack in found.selections():
                        await step.unpack(
                            selection.archive(),
                            destination,
                            single=found.single,
                            open_archives=unpack,
                            **options,
                        )
                return f"{found.count} entries"

            await self._layer(heading, name, act)

    async def _copy_from(self, heading: str, copy: Copy, name_of_source: str) -> None:
        if copy.excluded or copy.heredocs:
            raise DockerfileError(copy.line, "COPY --from takes neither --exclude nor here-documents here")
        source = await self._source(self._expanded(name_of_source))
        wanted = tuple(posixpath.join("/", self._expanded(path)) for path in copy.paths)
        destination = self._path(self._expanded(copy.destination))
        options = self._options(copy)
        name = self._name("COPY --from", _identity(source), wanted, destination, options)

        async def act(_log: BuildLog) -> str:
            workshop = self._site.workshop
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
            async with self._site.workshop.layer(self.image, name) as step:
                await step.unpack(nothing(), directory, single=False)
            return "done"

        await self._layer(heading, name, act)
        self.image = self.image.with_config(workdir=directory)

    async def _layer(self, heading: str, name: str, act: Act) -> None:
        """Find the layer or make it, and put it on top."""
        workshop, layers = self._site.workshop, self._site.workshop.layers
        async with workshop.turn(name):
            if layers.has(name):
                self._site.say(f"{heading}\ncached")
            else:
                self._site.log.line(heading)
                self._site.log.line(await act(self._site.log))
        if not layers.is_empty(name):
            self.image = self.image.with_layer(name)

    # Steps that change the configuration --------------------------------------------------------------------------

    def _declare(self, argument: Arg) -> None:
        if argument.default is not None:
            self.arguments[argument.name] = self._expanded(argument.default)
        elif argument.name in self._site.arguments or argument.name not in self.arguments:
            self.arguments[argument.name] = self._site.arguments.get(argument.name, "")

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
            # The arguments that an image below has are those of its own program.
            kept = self.image.config.cmd if self._has_command else None
            self.image = self.image.with_config(entrypoint=command or None, cmd=kept)
        else:
            self._has_command = True
            self.image = self.image.with_config(cmd=command or None)

    def _mark(self, mark: Mark) -> None:
        values = tuple(self._expanded(value) for value in mark.values)
        config = self.image.config
        if mark.word == "EXPOSE":
            ports = (port if "/" in port else f"{port}/tcp" for port in values)
            self.image = self.image.with_config(exposed=tuple(dict.fromkeys((*config.exposed, *ports))))
        elif mark.word == "VOLUME":
            self.image = self.image.with_config(volumes=tuple(dict.fromkeys((*config.volumes, *values))))
        elif mark.word == "STOPSIGNAL":
            self.image = self.image.with_config(stop_signal=values[0])

    def _health(self, health: Health) -> None:
        if health.command is None:
            found = Healthcheck()
        elif isinstance(health.command, str):
            found = Healthcheck(test=("CMD-SHELL", health.command), options=dict(health.options))
        else:
            found = Healthcheck(test=("CMD", *health.command), options=dict(health.options))
        self.image = self.image.with_config(healthcheck=found)

    # What instructions have in common -----------------------------------------------------------------------------

    def _options(self, copy: Copy) -> Options:
        return {"chown": self._expanded(copy.chown or ""), "chmod": self._expanded(copy.chmod or "")}

    def _expanded(self, text: str) -> str:
        return expand(text, {**self.arguments, **self.image.config.env})

    def _path(self, path: str) -> str:
        """Return where a path of an instruction lies; a final slash is kept, because it means a directory."""
        whole = posixpath.join("/", self.image.config.workdir, path)
        directory = whole.endswith(("/", "/."))
        return posixpath.normpath(whole).rstrip("/") + "/" * directory or "/"

    def _name(self, *facts: object) -> str:
        config = self.image.config
        identity = (_identity(self.image), config.user, config.workdir, *facts)
        return hashlib.sha256(repr(identity).encode("utf-8", "surrogateescape")).hexdigest()[:32]


class _Selected(NamedTuple):
    """Files of the context, for a command to see."""

    selection: Selection
    fact: object

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool]]:
        yield self.selection.archive(), self.selection.single


class _Inside(NamedTuple):
    """Files of another image, for a command to see."""

    workshop: Workshop
    image: Image
    path: str

    @property
    def fact(self) -> object:
        return (_identity(self.image), self.path)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[tuple[AsyncIterator[bytes], bool]]:
        async with self.workshop.look_into(self.image) as step, step.pack((self.path,)) as found:
            yield found


def _identity(image: Image) -> tuple[object, ...]:
    return (image.base, host_key() if image.base == "host" else "", image.layers)


def _failed(run: Run, code: int, log: BuildLog, image: Image) -> str:
    text = f"{run.text}: exit code {code}\n{log.end()}"
    if image.base == "host" and os.getuid() != 0 and "dpkg: error" in text:
        return f"{text}\n{_CANNOT_REPLACE}"
    return text
