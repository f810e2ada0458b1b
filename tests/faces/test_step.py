"""Stepping: what the blocking face stands on."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from daytona.service import BlockingStream, step
from daytona.transport._step import SuspendedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


class Foreign:
    """Something that only an event loop can end."""

    def __await__(self) -> Generator[None]:
        yield


class Closing:
    """A stream that says when it has ended."""

    def __init__(self) -> None:
        self.ended = False

    async def items(self, error: Exception | None = None) -> AsyncGenerator[int]:
        try:
            yield 1
            if error is not None:
                raise error
            yield 2
        finally:
            self.ended = True


async def answer() -> int:
    return 42


async def fail() -> None:
    raise KeyError("x")


async def wait_for_a_loop() -> None:
    await Foreign()


async def outer() -> None:
    await wait_for_a_loop()


async def foreign_items() -> AsyncGenerator[int]:
    yield 1
    await wait_for_a_loop()


def same(value: int) -> int:
    return value


def line_of(function: Any, text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return next(first + i for i, line in enumerate(lines) if text in line)


def test_a_result_is_returned() -> None:
    assert step(answer()) == 42


def test_an_error_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError, match="x"):
        step(fail())


def test_a_foreign_await_is_named_with_function_file_and_line() -> None:
    with pytest.raises(SuspendedError) as caught:
        step(outer())
    place = f"wait_for_a_loop ({__file__}:{line_of(wait_for_a_loop, 'Foreign')})"
    assert place in str(caught.value)


def test_a_foreign_await_in_a_stream_is_named_with_function_file_and_line() -> None:
    stream = BlockingStream(foreign_items(), same)
    assert next(stream) == 1
    with pytest.raises(SuspendedError) as caught:
        next(stream)
    assert f"wait_for_a_loop ({__file__}:{line_of(wait_for_a_loop, 'Foreign')})" in str(caught.value)


def test_a_coroutine_that_suspended_is_closed() -> None:
    coroutine = outer()
    with pytest.raises(SuspendedError):
        step(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


def test_a_stream_is_an_iterator() -> None:
    source = Closing()
    assert list(BlockingStream(source.items(), lambda item: item * 10)) == [10, 20]
    assert source.ended


def test_a_stream_that_is_left_in_a_with_block_ends_there() -> None:
    source = Closing()
    with BlockingStream(source.items(), same) as stream:
        assert next(stream) == 1
        assert not source.ended
    assert source.ended
    assert list(stream) == []


def test_a_stream_may_be_closed_twice_and_unused() -> None:
    stream = BlockingStream(Closing().items(), same)
    stream.close()
    stream.close()
    assert list(stream) == []


def test_a_stream_that_is_forgotten_ends() -> None:
    source = Closing()
    stream = BlockingStream(source.items(), same)
    next(stream)
    del stream
    gc.collect()
    assert source.ended


def test_an_error_in_a_stream_is_raised_as_it_is() -> None:
    source = Closing()
    stream = BlockingStream(source.items(KeyError("x")), same)
    next(stream)
    with pytest.raises(KeyError):
        next(stream)
    assert source.ended


def test_stepping_works_where_a_loop_is_running() -> None:
    """As in a notebook: the loop must not adopt the generators of blocking streams."""

    async def cell() -> tuple[int, list[int]]:
        return step(answer()), list(BlockingStream(Closing().items(), same))

    assert asyncio.run(cell()) == (42, [1, 2])
