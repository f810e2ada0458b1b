"""JSON-RPC with heads: every split of the bytes gives the same events, and answers find their questions."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from daytona.protocols.jsonrpc import (
    Answer,
    Asked,
    Dialogue,
    Event,
    Limits,
    ProtocolError,
    Refusal,
    Told,
    encode,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.text(min_size=1, max_size=20)
cuts = st.lists(st.integers(0, 2000), max_size=8)


def fragments(data: bytes, at: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


def receive(dialogue: Dialogue, data: bytes, at: list[int]) -> list[Event]:
    return [event for piece in fragments(data, at) for event in dialogue.receive(piece)]


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def plain(raw: Any) -> Any:
    return json.loads(bytes(raw))


@given(st.lists(st.tuples(names, values), max_size=5), cuts)
def test_what_one_side_asks_the_other_side_reads(questions: list[tuple[str, Any]], at: list[int]) -> None:
    ours, theirs = Dialogue(), Dialogue()
    sent = [ours.request(method, params) for method, params in questions]
    asked = receive(theirs, b"".join(data for _, data in sent), at)
    assert [(event.id, event.method, plain(event.params)) for event in asked if isinstance(event, Asked)] == [
        (number, method, params) for (number, _), (method, params) in zip(sent, questions, strict=True)
    ]


@given(st.permutations(range(4)), st.lists(values, min_size=4, max_size=4), cuts)
def test_answers_find_their_questions_in_any_order(
    order: list[int], results: list[Any], at: list[int]
) -> None:
    ours, theirs = Dialogue(), Dialogue()
    asked = [theirs.receive(ours.request("m")[1])[0] for _ in results]
    assert ours.waiting == {1, 2, 3, 4}
    replies = b"".join(theirs.answer(asked[index], results[index]) for index in order)  # type: ignore[arg-type]
    answers = receive(ours, replies, at)
    assert [(event.id - 1, plain(event.result)) for event in answers if isinstance(event, Answer)] == [
        (index, results[index]) for index in order
    ]
    assert not ours.waiting


@given(names, values, cuts)
def test_what_is_told_needs_no_answer(method: str, params: Any, at: list[int]) -> None:
    (event,) = receive(Dialogue(), Dialogue().notify(method, params), at)
    assert isinstance(event, Told)
    assert (event.method, plain(event.params)) == (method, params)


@given(st.binary(max_size=200), cuts)
def test_any_bytes_are_events_or_a_protocol_error(data: bytes, at: list[int]) -> None:
    dialogue = Dialogue(Limits(head=64, body=64))
    try:
        receive(dialogue, data, at)
    except ProtocolError:
        with pytest.raises(ProtocolError, match="over"):
            dialogue.receive(b"")


@given(st.binary(max_size=100))
def test_any_body_is_an_event_or_a_protocol_error(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert len(Dialogue().receive(framed(body))) == 1


def test_a_refusal_has_a_code_and_a_text() -> None:
    ours = Dialogue()
    number, _ = ours.request("textDocument/completion")
    refusal = {"id": number, "error": {"code": -32601, "message": "no such method", "data": [1]}}
    assert ours.receive(encode(refusal)) == [Refusal(number, -32601, "no such method")]
    assert not ours.waiting


def test_a_result_that_was_left_out_is_null() -> None:
    ours = Dialogue()
    number, _ = ours.request("shutdown")
    (event,) = ours.receive(framed(b'{"jsonrpc":"2.0","id":1}'))
    assert isinstance(event, Answer)
    assert (event.id, plain(event.result)) == (number, None)


def test_other_heads_are_allowed_beside_the_length() -> None:
    body = b'{"method":"m"}'
    head = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:%d\r\n\r\n" % len(body)
    assert isinstance(Dialogue().receive(head + body)[0], Told)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"Starting the server...\r\n\r\n", "says no length"),
        (b"Content-Length: -1\r\n\r\n", "says no length"),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "says no length"),
        (b"Content-Length: 999999999999\r\n\r\n", "too long"),
        (b"x" * 5000, "too long"),
        (framed(b"[]"), "no JSON-RPC"),
        (framed(b'{"id":1.5}'), "no JSON-RPC"),
        (framed(b'{"id":7,"result":1}'), "answer to 7"),
        (framed(b'{"id":null,"error":{"code":-32700,"message":"cannot parse"}}'), "cannot parse"),
    ],
)
def test_what_is_no_json_rpc_ends_the_dialogue(data: bytes, why: str) -> None:
    dialogue = Dialogue()
    with pytest.raises(ProtocolError, match=why):
        dialogue.receive(data)
    with pytest.raises(ProtocolError, match="over"):
        dialogue.receive(b"")


def test_an_answer_counts_once() -> None:
    ours = Dialogue()
    ours.request("m")
    answer = encode({"id": 1, "result": None})
    assert len(ours.receive(answer)) == 1
    with pytest.raises(ProtocolError):
        ours.receive(answer)
