"""Who wants to know when something that the platform remembers has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[object, object], None]


class Changes:
    """Tells of each change once it can be read: what was there before, and what is now (None for nothing)."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call *listener* with every change from now on; it must not wait."""
        self._listeners.append(listener)

    def tell(self, before: object, now: object) -> None:
        """Tell everybody, in the order in which they came."""
        for listener in self._listeners:
            listener(before, now)
