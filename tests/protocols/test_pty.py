"""The messages of a terminal: what is output, what is news, and how the program ended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from daytona.protocols.messages import Binary, Closed, Lost, Ponged, Text
from daytona.protocols.pty import MESSAGE_LIMIT, Terminal, envs_token, frames


def control(**facts: Any) -> Text:
    return Text(json.dumps({"type": "control", **facts}), True)


def connected() -> Terminal:
    terminal = Terminal()
    terminal.receive(control(status="connected"))
    return terminal


def is_control(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("type") == "control"


@given(st.binary(), st.booleans())
def test_binary_is_output_whatever_it_holds(data: bytes, last: bool) -> None:
    assert connected().receive(Binary(data, last)) == data


@given(
    st.one_of(
        st.text(), st.recursive(st.none() | st.integers() | st.text(), lambda v: st.lists(v)).map(json.dumps)
    ).filter(lambda text: not is_control(text)),
    st.integers(0, 50),
)
def test_text_that_is_no_control_message_is_output_whatever_its_pieces(text: str, place: int) -> None:
    terminal = connected()
    first = terminal.receive(Text(text[:place], False))
    assert first + terminal.receive(Text(text[place:], True)) == text.encode()
    assert terminal.running


@pytest.mark.parametrize("text", ["[1]", "7", "null", '"text"', "{}", '{"type": "other"}', '{"type":', "{"])
def test_json_that_is_no_control_object_is_output(text: str) -> None:
    assert connected().receive(Text(text, True)) == text.encode()


def test_connected_is_news_also_in_pieces() -> None:
    terminal = Terminal()
    assert not terminal.connected
    terminal.receive(Text('{"status":"conn', False))
    terminal.receive(Text('ected","type":"control"}', True))
    assert terminal.running


def test_unknown_news_is_nothing() -> None:
    terminal = connected()
    assert terminal.receive(control(status="resized", cols=3)) == b""
    assert terminal.receive(Ponged(b"")) == b""
    assert terminal.running


ENDS = [
    (Closed(1000, '{"exitCode":0}'), 0, None),
    (Closed(1000, ""), 0, None),
    (Closed(1000, "bye"), 0, None),
    (Closed(1000, "{}"), 0, None),
    (Closed(1000, "[1]"), 0, None),
    (Closed(1011, '{"exitCode":7,"exitReason":"non-zero exit"}'), 7, "non-zero exit"),
    (Closed(1011, '{"exitCode":-1,"exitReason":"non-zero exit"}'), -1, "non-zero exit"),
    (Closed(1011, '{"exitCode":137,"exitReason":"SIGKILL"}'), 137, "SIGKILL"),
    (Closed(1011, '{"exitCode":1,"exitReason":"a","error":"b"}'), 1, "b"),
    (Closed(1008, "slow consumer"), None, "slow consumer (close code 1008)"),
    (Closed(1009, ""), None, "the server closed the connection (close code 1009)"),
    (Closed(1005, ""), None, "the server closed the connection (close code 1005)"),
]


@pytest.mark.parametrize(("event", "exit_code", "error"), ENDS)
def test_the_close_frame_tells_the_end(event: Closed, exit_code: int | None, error: str | None) -> None:
    terminal = connected()
    assert terminal.receive(event) == b""
    assert (terminal.exit_code, terminal.error, terminal.ended, terminal.running) == (
        exit_code,
        error,
        True,
        False,
    )


def test_a_lost_connection_leaves_the_exit_code_unknown() -> None:
    terminal = connected()
    terminal.receive(Lost())
    assert terminal.ended
    assert terminal.exit_code is None
    assert "may still be running" in (terminal.error or "")


@pytest.mark.parametrize("last", [Closed(1011, ""), Closed(1000, ""), Lost(), Closed(1011, '{"exitCode":7}')])
def test_exited_counts_whatever_follows(last: Closed | Lost) -> None:
    terminal = Terminal()
    terminal.receive(control(status="exited", exitCode=7, exitReason="non-zero exit"))
    assert terminal.connected
    assert not terminal.running
    assert not terminal.ended
    assert terminal.receive(Binary(b"last words", True)) == b"last words"
    terminal.receive(last)
    assert (terminal.exit_code, terminal.error) == (7, "non-zero exit")


def test_an_error_ends_and_the_dropped_connection_does_not_hide_it() -> None:
    terminal = Terminal()
    terminal.receive(control(status="error", error="PTY session x not found"))
    terminal.receive(Lost())
    assert terminal.ended
    assert not terminal.connected
    assert terminal.error == "PTY session x not found"


@given(st.binary(max_size=200), st.integers(0, 3))
def test_input_is_cut_into_messages_that_a_server_takes(tail: bytes, whole: int) -> None:
    data = b"x" * (whole * MESSAGE_LIMIT) + tail
    pieces = list(frames(data))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= MESSAGE_LIMIT for piece in pieces)


def test_variables_travel_as_the_recorded_client_sends_them() -> None:
    assert envs_token({"A": "b"}) == "X-Daytona-Pty-Envs~eyJBIjogImIifQ"
