"""Streams that may be awaited first: both `async for x in f()` and `async for x in await f()` work."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


class AwaitableStream(AsyncGenerator[T]):
    """An async generator that is its own result when it is awaited; it begins to work at its first item."""

    def __init__(self, source: AsyncGenerator[T]) -> None:
        self._source = source

    def __await__(self) -> Generator[None, None, Self]:
        return self
        yield  # a generator without steps: awaiting it takes no time

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Any:
        return self._source.__anext__()

    def asend(self, value: None) -> Any:
        return self._source.asend(value)

    def athrow(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
        /,
    ) -> Any:
        return self._source.athrow(value if isinstance(value, BaseException) else kind)

    def aclose(self) -> Any:
        return self._source.aclose()


def awaitable(method: Callable[P, AsyncGenerator[T]]) -> Callable[P, AwaitableStream[T]]:
    """Let the streams that *method* returns be awaited."""

    @functools.wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> AwaitableStream[T]:
        return AwaitableStream(method(*args, **kwargs))

    return run
