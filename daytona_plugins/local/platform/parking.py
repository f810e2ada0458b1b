"""Sandboxes parked ahead: complete ones that nobody has asked for yet, for whoever asks next.

A parked sandbox is like the last one that was asked for, but for what is its own: its id, which it keeps, and the
environment, which its agent is told when somebody claims it. All else that a client gives (name, labels, intervals) is in
the record only. It has no record until then, so it is in no list and no count, and it ends with the platform.

Nobody asks for it twice: what a sandbox was used for cannot be seen in another one. Where it does not fit, or has died
unnoticed, the sandbox is made from the beginning, by the same call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

import msgspec

from daytona_plugins.local.platform.agent_environment import change_environment, warm_up
from daytona_plugins.local.runtime.runner import SpawnError, remove_tree
from daytona_plugins.local.work import Work

if TYPE_CHECKING:
    from daytona_plugins.local.paths import Paths
    from daytona_plugins.local.platform.agent_connection import AgentPool
    from daytona_plugins.local.platform.driver import Driver, Running
    from daytona_plugins.local.runtime.spec import SandboxSpec

logger = logging.getLogger(__name__)

LULL: Final = 0.05
"""After so many seconds in which no sandbox was started, one is parked."""
PATIENCE: Final = 5.0
"""Seconds within which a parked sandbox has to answer, so as not to be replaced."""
READ_AT_START: Final = frozenset({"HOME", "TZ", "NO_VNC_PORT"})
"""Variables that an agent looks at once; it cannot be told of them later."""


class Parked(NamedTuple):
    """A sandbox that waits to be claimed."""

    spec: SandboxSpec
    running: Running


class Parking:
    """Owns the parked sandboxes; borrows the driver that makes them, and is one itself.

    Args:
        agents: Keeps the connection by which one was told whose it is, for what it is asked next.
        size: How many there are at a time; with 0 this only passes on.
    """

    def __init__(self, driver: Driver, paths: Paths, agents: AgentPool, size: int) -> None:
        self._driver = driver
        self._agents = agents
        self._paths = paths
        self._size = size
        self._next: SandboxSpec | None = None
        self._waiting: list[Parked] = []
        self._claimed: dict[str, Parked] = {}
        self._work = Work()
        self._watchers = Work()
        self._lull: asyncio.TimerHandle | None = None
        self._spawning = 0

    @property
    def waiting(self) -> list[str]:
        """The ids of the sandboxes that can be claimed."""
        return [parked.spec.id for parked in self._waiting]

    async def settle(self, known: set[str]) -> None:
        """Remove what the last process has parked; what it had given away by then is *known*."""
        for mark in self._paths.parked.iterdir():
            if mark.name not in known:
                await remove_tree(self._paths.sandbox(mark.name))
            mark.unlink()

    def claim(self, wanted: SandboxSpec) -> str | None:
        """Return the id of a parked sandbox that fits, if there is one: for `spawn`, or else for `give_back`."""
        for parked in self._waiting:
            if _shape(parked.spec) == _shape(wanted) and _can_become(parked.spec.env, wanted.env):
                self._waiting.remove(parked)
                self._claimed[parked.spec.id] = parked
                return parked.spec.id
        return None

    def give_back(self, sandbox_id: str) -> None:
        """Park a claimed sandbox again, which has been told nothing yet."""
        self._waiting.append(self._claimed.pop(sandbox_id))

    def expect(self, spec: SandboxSpec) -> None:
        """Park sandboxes like this one from now on; the environment is to be what all have in common."""
        if self._size and _may_be_parked(spec):
            self._next = spec

    async def spawn(self, spec: SandboxSpec) -> Running:
        """Return the sandbox that was claimed under this id, or else a new one.

        Raises:
            SpawnError: It could not be built.
        """
        self._spawning += 1
        try:
            return await self._claimed_one(spec) or await self._driver.spawn(spec)
        finally:
            self._spawning -= 1
            self._wait_for_a_lull()

    async def close(self) -> None:
        """End everything that is parked; a sandbox may be spawned after that, but none is parked again."""
        self._size = 0
        await self._work.finish()
        unused, self._waiting = [*self._waiting, *self._claimed.values()], []
        for parked in unused:
            self._work.begin(self._discard(parked))
        await self._work.finish()
        await self._watchers.cancel()

    async def _claimed_one(self, spec: SandboxSpec) -> Running | None:
        parked = self._claimed.pop(spec.id, None)
        if parked is None:
            return None
        added = dict(spec.env.items() - parked.spec.env.items())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                # Asked even if there is nothing to tell: the answer shows that it lives.
                if await change_environment(self._agents, parked.running.socket_path, added, unset=()):
                    self._mark(spec.id).unlink()
                    return parked.running
        await self._discard(parked)
        return None

    def _wait_for_a_lull(self) -> None:
        if self._lull is not None:
            self._lull.cancel()
        if self._next is not None:
            self._lull = asyncio.get_running_loop().call_later(LULL, self._use_the_lull)

    def _use_the_lull(self) -> None:
        if self._size and not self._spawning:
            self._spawning += 1
            self._work.begin(self._fill())

    async def _fill(self) -> None:
        assert self._next is not None
        shape = _shape(self._next)
        try:
            for outdated in [parked for parked in self._waiting if _shape(parked.spec) != shape]:
                self._waiting.remove(outdated)
                await self._discard(outdated)
            while len(self._waiting) < self._size:
                await self._park(self._next)
        except (
            SpawnError,
            OSError,
        ) as error:  # whoever asks for such a sandbox is told why, and so tries again
            logger.warning("no sandbox could be parked: %s", error)
        finally:
            self._spawning -= 1

    async def _park(self, like: SandboxSpec) -> None:
        identity = str(uuid4())
        spec = msgspec.structs.replace(
            like,
            id=identity,
            hostname=identity,
            upper=str(self._paths.sandbox(identity)),
            env=like.env | {"DAYTONA_SANDBOX_ID": identity},
        )
        self._mark(identity).touch(mode=0o600)
        try:
            parked = Parked(spec, await self._driver.spawn(spec))
        except (SpawnError, OSError):
            await self._forget(spec)
            raise
        await warm_up(self._agents, parked.running.socket_path)
        self._agents.forget(parked.running.socket_path)  # it may wait for longer than connections do
        self._waiting.append(parked)
        self._watchers.begin(self._watch(parked))

    async def _watch(self, parked: Parked) -> None:
        """Forget a sandbox that ends before anybody has claimed it."""
        await parked.running.wait()
        if parked in self._waiting:
            self._waiting.remove(parked)
            await self._discard(parked)

    async def _discard(self, parked: Parked) -> None:
        self._agents.forget(parked.running.socket_path)
        await parked.running.stop(grace=0)
        await self._forget(parked.spec)

    async def _forget(self, spec: SandboxSpec) -> None:
        await remove_tree(Path(spec.upper))
        self._mark(spec.id).unlink()

    def _mark(self, sandbox_id: str) -> Path:
        """Return the file by which a later process knows that the files of this sandbox are nobody's."""
        return self._paths.parked / sandbox_id


def _may_be_parked(spec: SandboxSpec) -> bool:
    """Return whether nobody notices that it has been running for a while, and whether nothing of it can go meanwhile."""
    return not (spec.entrypoint or spec.mounts or spec.layers or spec.trust or spec.network != "host")


def _shape(spec: SandboxSpec) -> SandboxSpec:
    """Return what two sandboxes have in common that can stand for each other."""
    return msgspec.structs.replace(spec, id="", hostname="", upper="", env={})


def _can_become(told: dict[str, str], wanted: dict[str, str]) -> bool:
    """Return whether an agent with the environment *told* only has to be told more."""
    new = {name for name in wanted if wanted[name] != told.get(name)}
    return told.keys() <= wanted.keys() and not new & READ_AT_START
