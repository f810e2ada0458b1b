"""How services call their callers back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


async def tell(callback: Callable[[T], Awaitable[None] | None] | None, value: T) -> None:
    """Call *callback*, if there is one, and await what it returns when it is an async one."""
    if callback is not None:
        answer = callback(value)
        if answer is not None:
            await answer
