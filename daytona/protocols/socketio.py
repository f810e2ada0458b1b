"""Events that a platform pushes: Socket.IO 5 over Engine.IO 4, as texts of a WebSocket, both sides of it.

Only what the platform uses is here: the default namespace, events without binary parts or acknowledgements, and no other
transport than the WebSocket. A text begins with the digit of its Engine.IO packet; 4 carries a Socket.IO packet, which has
a digit of its own:

    S  0{"sid":…,"pingInterval":…}      opened
    C  40{"token":…}                    let me in
    S  40{"sid":…}                      you are in       or  44{"message":…}   refused
    S  42["sandbox.state.updated",{…}]  an event
    S  2          C  3                  are you there? yes
"""

from __future__ import annotations

import msgspec

__all__ = [
    "PATH",
    "PING",
    "PONG",
    "QUERY",
    "Accepted",
    "Closed",
    "Connect",
    "Event",
    "Message",
    "Opened",
    "Other",
    "Pinged",
    "Ponged",
    "Refused",
    "accept",
    "connect",
    "emit",
    "open_packet",
    "parse",
    "parse_connect",
    "refuse",
    "subject_of",
]

PATH = "/socket.io/"
QUERY = {"EIO": "4", "transport": "websocket"}
PING, PONG = "2", "3"


class Opened(msgspec.Struct, frozen=True, rename="camel"):
    """The server has opened the conversation; times are milliseconds."""

    sid: str = ""
    ping_interval: int = 25000
    ping_timeout: int = 20000


class Accepted(msgspec.Struct, frozen=True):
    """The server has let the client in."""


class Refused(msgspec.Struct, frozen=True):
    """The server has not."""

    message: str = ""


class Event(msgspec.Struct, frozen=True):
    """Something has happened."""

    name: str
    payload: msgspec.Raw = msgspec.Raw(b"null")


class Pinged(msgspec.Struct, frozen=True):
    """The server wants a `PONG`."""


class Ponged(msgspec.Struct, frozen=True):
    """The client is there."""


class Closed(msgspec.Struct, frozen=True):
    """The other side ends the conversation."""


class Other(msgspec.Struct, frozen=True):
    """A packet that means nothing here."""


class Connect(msgspec.Struct, frozen=True):
    """A client wants to be let in."""

    token: str = ""


Message = Opened | Accepted | Refused | Event | Pinged | Ponged | Closed | Other


class _Id(msgspec.Struct):
    id: str = ""


class _Subject(msgspec.Struct):
    id: str = ""
    sandbox: _Id | None = None


_decode_subject = msgspec.json.Decoder(_Subject).decode
_decode_opened = msgspec.json.Decoder(Opened).decode
_decode_refused = msgspec.json.Decoder(Refused).decode
_decode_event = msgspec.json.Decoder(tuple[str, msgspec.Raw]).decode


def parse(text: str) -> Message:
    """Return what a text from the server says; one that makes no sense says nothing."""
    try:
        return _parse(text)
    except msgspec.DecodeError:
        return Other()


def _parse(text: str) -> Message:
    match text[:1], text[1:2]:
        case "0", _:
            return _decode_opened(text[1:])
        case "4", "0":
            return Accepted()
        case "4", "2":
            return Event(*_decode_event(text[2:]))
        case "4", "4":
            return _decode_refused(text[2:] or "{}")
        case ("1", _) | ("4", "1"):
            return Closed()
        case "2", _:
            return Pinged()
        case "3", _:
            return Ponged()
        case _:
            return Other()


def parse_connect(text: str) -> Connect | None:
    """Return what a client wants to be let in with, None when it says something else."""
    if not text.startswith("40"):
        return None
    try:
        return msgspec.json.decode(text[2:] or "{}", type=Connect)
    except msgspec.DecodeError:
        return None


def subject_of(event: Event) -> str:
    """Return the id of the sandbox that an event is about; another thing's id, or nothing, when it is about none."""
    try:
        found = _decode_subject(event.payload)
    except msgspec.DecodeError:
        return ""
    return found.sandbox.id if found.sandbox is not None else found.id


def open_packet(sid: str, ping_interval: float, ping_timeout: float, max_payload: int) -> str:
    """Return the server's first text; times are seconds."""
    return "0" + _json(
        {
            "sid": sid,
            "upgrades": [],
            "pingInterval": int(ping_interval * 1000),
            "pingTimeout": int(ping_timeout * 1000),
            "maxPayload": max_payload,
        }
    )


def connect(token: str) -> str:
    """Return what a client asks to be let in with."""
    return "40" + _json({"token": token})


def accept(sid: str) -> str:
    """Return the text that lets a client in."""
    return "40" + _json({"sid": sid})


def refuse(message: str) -> str:
    """Return the text that does not."""
    return "44" + _json({"message": message})


def emit(name: str, payload: object) -> str:
    """Return the text of an event."""
    return "42" + _json([name, payload])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
