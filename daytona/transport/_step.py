"""Running coroutines that never suspend: how the blocking face shares its code with the async ones.

Over the blocking driver every `await` returns at once, after the call it stands for has blocked. Such a coroutine ends
at its first `send(None)`, so no event loop is needed and none is started. A coroutine that does suspend awaited
something foreign (asyncio.sleep, say); `SuspendedError` names the place.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

__all__ = ["BlockingStream", "Done", "SuspendedError", "same", "step"]

T = TypeVar("T")
U = TypeVar("U")


class SuspendedError(RuntimeError):
    """A blocking operation awaited something that needs an event loop."""


def step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]  # StopIteration carries no type
    stuck: Any = coroutine  # its type leaves out what a native coroutine shows of itself
    place = _innermost(stuck.cr_frame, stuck.cr_code, stuck.cr_await)
    coroutine.close()
    raise SuspendedError(f"a blocking call awaited something that needs an event loop, in {place}")


def same(value: T) -> T:
    """Return *value*: how the items of a `BlockingStream` are converted that need no conversion."""
    return value


def _innermost(frame: Any, code: Any, awaited: Any) -> str:
    """Return the place of the last coroutine of those that await each other."""
    while hasattr(awaited, "cr_frame"):
        frame, code, awaited = awaited.cr_frame, awaited.cr_code, awaited.cr_await
    return (
        f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})" if frame is not None else code.co_qualname
    )


class Done(Coroutine[Any, Any, None]):
    """What a blocking call has done, for programs that await it all the same.

    The official blocking client has some methods that are coroutines, so its programs write `asyncio.run(method(…))`.
    Ours do their work when they are called; awaiting what they return adds nothing to it.
    """

    def __init__(self, _result: None = None) -> None:
        pass

    def send(self, _value: object) -> None:
        """End at once."""
        raise StopIteration

    def throw(self, kind: Any, error: Any = None, trace: Any = None) -> None:
        """Let an error pass."""
        raise error if error is not None else kind

    def close(self) -> None:
        """Do nothing: there is nothing left to do."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


class BlockingStream(Iterator[U], Generic[T, U]):
    """An async generator of *T*, pulled by an ordinary `for` that sees *U*.

    Leaving the loop early leaves the generator suspended where it was: use `with` or `close` to end it at once, or let
    the garbage collector do it.
    """

    def __init__(self, source: AsyncGenerator[T], convert: Callable[[T], U]) -> None:
        self._source = source
        self._convert = convert

    def __next__(self) -> U:
        try:
            return self._convert(_step_generator(self._source, self._source.__anext__()))
        except StopAsyncIteration:
            raise StopIteration from None

    def __enter__(self) -> BlockingStream[T, U]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the stream: what it holds open is released now."""
        _step_generator(self._source, self._source.aclose())

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.close()


_NO_HOOKS = (None, None)


def _step_generator(source: Any, awaitable: Any) -> Any:
    """Step one pull of an async generator, out of sight of a loop that may be running in this thread (a notebook's).

    Such a loop would adopt the generator through the interpreter's hooks and finish it later, in its own way.
    """
    hooks = sys.get_asyncgen_hooks()
    if hooks != _NO_HOOKS:
        sys.set_asyncgen_hooks(None, None)
    try:
        awaitable.send(None)
    except StopIteration as finished:
        return finished.value
    finally:
        if hooks != _NO_HOOKS:
            sys.set_asyncgen_hooks(*hooks)
    place = _innermost(source.ag_frame, source.ag_code, source.ag_await)
    # Thrown in where it waits, so that the generator ends.
    awaitable.throw(
        SuspendedError(f"a blocking stream awaited something that needs an event loop, in {place}")
    )
    raise AssertionError("the generator went on after its end")  # pragma: no cover
