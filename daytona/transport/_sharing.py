"""One does what many want: callers that want the same at the same time wait for the first of them.

What the first one meets stays its own. Its deadline may be shorter, it may be cancelled, its request may fail: then the next
of those who wait does it again, with a deadline of its own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import DaytonaTimeoutError
from ._deadline import left

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._driver import Driver, Gate

__all__ = ["Sharing"]

T = TypeVar("T")


class _Flight:
    """Something under way, and those who wait for it."""

    def __init__(self) -> None:
        self.gates: list[Gate] = []
        self.landed = False
        self.result: Any = None


class Sharing:
    """What is under way in one client, by key."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._flights: dict[object, _Flight] = {}
        self._lock = threading.Lock()

    async def do(self, key: object, act: Callable[[Callable[[], None]], Awaitable[T]]) -> T:
        """Return what *act* returns, or what that of another caller with the same *key* does.

        Args:
            key: What is wanted.
            act: Is called with a function that lets nobody else join from then on: those who come later may want to know
                more than what is being asked now.

        Raises:
            DaytonaTimeoutError: The caller's deadline passed first.
        """
        key = (self._driver.world(), key)
        while True:
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    flight = self._flights[key] = _Flight()
                    break
                gate = self._driver.gate()
                flight.gates.append(gate)
            await self._wait(gate)
            if flight.landed:
                return cast("T", flight.result)
        return await self._lead(key, flight, act)

    async def _lead(
        self, key: object, flight: _Flight, act: Callable[[Callable[[], None]], Awaitable[T]]
    ) -> T:
        def go_alone() -> None:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]

        try:
            flight.result = result = await act(go_alone)
            flight.landed = True
            return result
        finally:
            go_alone()
            for gate in flight.gates:
                gate.open()

    async def _wait(self, gate: Gate) -> None:
        try:
            await gate.wait(left())
        except TimeoutError as error:
            raise DaytonaTimeoutError("The operation took longer than its timeout") from error
