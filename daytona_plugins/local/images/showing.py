"""What one command of a build sees and no later step: `RUN --mount`.

A directory is mounted from outside; a single file lies in the layer while the command runs, and is taken out of it
afterwards, which lets whatever it hid be seen again. What a command writes to either is lost, except to a cache.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from daytona_plugins.local.runtime.spec import Mount

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from daytona_plugins.local.images.steps import Step, Workshop


class Content(Protocol):
    """Files that a command is to see."""

    @property
    def fact(self) -> object:
        """What tells this content from another one."""
        ...

    def open(self) -> AbstractAsyncContextManager[tuple[AsyncIterator[bytes], bool]]:
        """Open a tar archive of them, with whether it is one file."""
        ...


class Shown(NamedTuple):
    """A place, and what is to be seen there; without content it is a cache of that name, or an empty directory."""

    target: str
    content: Content | None = None
    cache: str = ""
    shared: bool = True

    @property
    def fact(self) -> object:
        """What a layer depends on: the content of a cache is no part of that."""
        return (self.target, self.content.fact if self.content else "")


class Scene:
    """The places of one command."""

    def __init__(self, workshop: Workshop, shown: list[Shown]) -> None:
        self._workshop = workshop
        self._shown = shown
        self._filling: list[tuple[str, AsyncIterator[bytes], bool]] = []

    @asynccontextmanager
    async def mounts(self) -> AsyncGenerator[list[Mount]]:
        """Yield the directories to mount, which are there for as long as the block runs."""
        async with AsyncExitStack() as stack:
            found = [await self._prepared(each, stack) for each in self._shown]
            yield [mount for mount in found if mount is not None]

    async def _prepared(self, shown: Shown, stack: AsyncExitStack) -> Mount | None:
        archive: AsyncIterator[bytes] = nothing()
        single = False
        if shown.content is not None:
            archive, single = await stack.enter_async_context(shown.content.open())
        self._filling.append((shown.target, archive, single))
        if single:
            return None
        made = (
            self._workshop.cache(shown.cache, shared=shown.shared)
            if shown.cache
            else self._workshop.directory()
        )
        return Mount(source=str(await stack.enter_async_context(made)), target=shown.target)

    async def fill(self, step: Step) -> None:
        """Put the content in place, from inside."""
        for target, archive, single in self._filling:
            step.passing.append(await step.unpack(archive, target, single=single))


async def nothing() -> AsyncGenerator[bytes, None]:
    """Yield an archive of no files."""
    yield bytes(1024)
