"""The driver of whatever event loop is running: asyncio or trio, found out at each call.

So an async client needs no loop when it is made, and the same object serves any number of loops.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ..protocols.pool import Origin
    from ._driver import Background, Driver, Gate, Stream

__all__ = ["NativeDriver"]

T = TypeVar("T")


class NativeDriver:
    """Delegates to the driver of the running loop."""

    def __init__(self) -> None:
        self._asyncio: Driver | None = None
        self._trio: Driver | None = None

    @property
    def _running(self) -> Driver:
        # A program that has not imported trio is not running on it; and importing either takes as long as all of ours.
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_task():
            return self._trio or self._import_trio()
        return self._asyncio or self._import_asyncio()

    def _import_trio(self) -> Driver:
        from ._trio import TrioDriver

        self._trio = TrioDriver()
        return self._trio

    def _import_asyncio(self) -> Driver:
        from ._asyncio import AsyncioDriver

        self._asyncio = AsyncioDriver()
        return self._asyncio

    def world(self) -> object:
        """Return what connections are bound to.

        Raises:
            RuntimeError: No event loop is running.
        """
        return self._running.world()

    def is_over(self, world: object) -> bool:
        """Return whether an event loop, whichever kind it is of, has ended."""
        return any(driver.is_over(world) for driver in (self._asyncio, self._trio) if driver is not None)

    async def connect(self, origin: Origin, timeout: float | None) -> Stream:
        """Return a plain connection."""
        return await self._running.connect(origin, timeout)

    def gate(self) -> Gate:
        """Return a closed gate."""
        return self._running.gate()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._running.sleep(seconds)

    async def run(self, function: Callable[[], T]) -> T:
        """Return what *function* returns, from a worker thread."""
        return await self._running.run(function)

    async def shielded(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what must be done also when the task around it has been cancelled."""
        await self._running.shielded(act)

    def start_soon(self, act: Callable[[], Coroutine[Any, Any, None]]) -> Background | None:
        """Do *act* beside the caller, in a task of the running loop."""
        return self._running.start_soon(act)
