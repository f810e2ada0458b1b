"""Socket.IO, text by text."""

from __future__ import annotations

import json

import msgspec
import pytest

from daytona.protocols.socketio import (
    Accepted,
    Closed,
    Connect,
    Event,
    Message,
    Opened,
    Other,
    Pinged,
    Ponged,
    Refused,
    accept,
    connect,
    emit,
    open_packet,
    parse,
    parse_connect,
    refuse,
    subject_of,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}', Opened("x")),
        ('40{"sid":"x"}', Accepted()),
        ("40", Accepted()),
        ('44{"message":"Unauthorized"}', Refused("Unauthorized")),
        ("44", Refused()),
        ("41", Closed()),
        ("1", Closed()),
        ("2", Pinged()),
        ("3", Ponged()),
        ("6", Other()),
        ("", Other()),
        ("0", Other()),
        ("0{", Other()),
        ("42", Other()),
        ("42[]", Other()),
        ('42["name"]', Other()),
        ("42{}", Other()),
        ("451-[]", Other()),
        ("hello", Other()),
    ],
)
def test_what_a_server_says(text: str, said: Message) -> None:
    assert parse(text) == said


def test_both_sides_understand_each_other() -> None:
    assert parse(open_packet("s", 25.0, 20.0, 1000)) == Opened("s", 25000, 20000)
    assert parse_connect(connect("key")) == Connect("key")
    assert parse(accept("s")) == Accepted()
    assert parse(refuse("no")) == Refused("no")
    said = parse(emit("sandbox.created", {"id": "a"}))
    assert isinstance(said, Event)
    assert (said.name, json.loads(bytes(said.payload))) == ("sandbox.created", {"id": "a"})


@pytest.mark.parametrize("text", ["", "2", "40[", '40{"token":1}', '42["x",{}]'])
def test_who_says_something_else_is_not_let_in(text: str) -> None:
    assert parse_connect(text) is None


@pytest.mark.parametrize(
    ("payload", "subject"),
    [
        ('{"sandbox":{"id":"a","state":"started"},"oldState":"creating"}', "a"),
        ('{"id":"b","name":"x"}', "b"),
        ('{"volume":{"id":"c"}}', ""),
        ("[1]", ""),
        ("null", ""),
        ('{"id":7}', ""),
    ],
)
def test_the_sandbox_that_an_event_is_about(payload: str, subject: str) -> None:
    assert subject_of(Event("some.event", msgspec.Raw(payload.encode()))) == subject
