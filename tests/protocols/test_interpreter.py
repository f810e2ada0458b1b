"""The chunks of a run in the interpreter, and the codes that end it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from daytona import (
    DaytonaConnectionError,
    DaytonaProcessExecutionTimeoutError,
    ExecutionError,
    OutputMessage,
    RichResult,
)
from daytona.protocols.interpreter import Run
from daytona.protocols.messages import Binary, Closed, Lost, Text


def chunk(kind: str, **facts: Any) -> str:
    return json.dumps({"type": kind, "text": "", "name": "", "value": "", "traceback": "", **facts})


@given(
    st.sampled_from(["stdout", "stderr"]), st.text(), st.lists(st.integers(0, 400), max_size=4), st.booleans()
)
def test_output_arrives_whole_whatever_its_pieces(
    kind: str, text: str, places: list[int], binary: bool
) -> None:
    whole = chunk(kind, text=text)
    data: str | bytes = whole.encode() if binary else whole
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    run, found = Run(), list[object]()
    for start, end in itertools.pairwise(edges):
        piece, last = data[start:end], end == len(data)
        event = Binary(piece, last) if isinstance(piece, bytes) else Text(piece, last)
        found += [value] if (value := run.receive(event)) is not None else []
    assert found == [OutputMessage(output=text, stream=kind)]  # type: ignore[arg-type]


def test_an_exception_and_a_result_are_told() -> None:
    run = Run()
    error = run.receive(Text(chunk("error", name="E", value="v", traceback="t"), True))
    assert error == ExecutionError(name="E", value="v", traceback="t")
    result = run.receive(Text(chunk("result", data={"text/plain": "1", "text/html": "<b>1</b>"}), True))
    assert result == RichResult(data={"text/plain": "1", "text/html": "<b>1</b>"})
    assert isinstance(result, RichResult)
    assert result.text == "1"


@pytest.mark.parametrize(
    "text", [chunk("control", text="completed"), chunk("progress"), "{}", '{"type": "later", "data": null}']
)
def test_what_is_nothing_to_tell_is_not_told(text: str) -> None:
    run = Run()
    assert run.receive(Text(text, True)) is None
    assert not run.ended


@pytest.mark.parametrize("text", ["no json", "[1]", '"x"', '{"type":'])
def test_what_is_no_chunk_is_an_error(text: str) -> None:
    with pytest.raises(DaytonaConnectionError, match="no chunk"):
        Run().receive(Text(text, True))


@pytest.mark.parametrize("code", [1000, 1005])
def test_a_plain_close_ends_the_run(code: int) -> None:
    run = Run()
    assert run.receive(Closed(code, "")) is None
    assert run.ended


def test_4008_is_a_timeout() -> None:
    with pytest.raises(DaytonaProcessExecutionTimeoutError):
        Run().receive(Closed(4008, ""))


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1001, "worker process ended"), (1002, "invalid JSON payload"), (1008, "x"), (1011, "y")],
)
def test_every_other_code_is_an_error_with_its_reason(code: int, reason: str) -> None:
    with pytest.raises(DaytonaConnectionError) as caught:
        Run().receive(Closed(code, reason))
    assert caught.value.message == f"{reason} (close code {code})"


def test_a_connection_lost_before_the_end_is_an_error() -> None:
    with pytest.raises(DaytonaConnectionError, match="before the code had ended"):
        Run().receive(Lost())


def test_a_connection_lost_after_the_end_is_none() -> None:
    run = Run()
    run.receive(Text(chunk("control", text="completed"), True))
    run.receive(Lost())
    assert run.ended
