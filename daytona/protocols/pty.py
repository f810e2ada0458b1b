"""A terminal's WebSocket, from the client's side: what its messages mean, and how its program ended.

Binary messages are output. A text message is output too, unless it is a JSON object that calls itself a control message:

    {"type": "control", "status": "connected"}                               output follows from here
    {"type": "control", "status": "exited", "exitCode": 7, "exitReason": …}  newer servers, before they close
    {"type": "control", "status": "error", "error": …}                       there is no such terminal; nothing follows

Older servers tell the end in the close frame alone: its reason is `{"exitCode": …, "exitReason": …}`, and its code is
1011 for every exit code but 0, so 1011 is no fault here. Without such a reason 1000 means 0. A connection that just
breaks says nothing: the exit code stays unknown, and the program may well run on.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final, cast

import msgspec

from .messages import Binary, Closed, Lost, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .messages import Event

__all__ = [
    "DEFAULT_COLS",
    "DEFAULT_ROWS",
    "EXIT_CONTROL",
    "MESSAGE_LIMIT",
    "Terminal",
    "envs_token",
    "frames",
]

EXIT_CONTROL: Final = "X-Daytona-Pty-Exit-Control"
"""The subprotocol of clients that understand `exited`."""
ENVS_PREFIX: Final = "X-Daytona-Pty-Envs~"
MESSAGE_LIMIT: Final = 64 * 1024
"""Bytes of the longest message that a server takes."""
DEFAULT_COLS: Final = 80
DEFAULT_ROWS: Final = 24


def envs_token(envs: Mapping[str, str]) -> str:
    """Return the subprotocol that carries the variables of a new terminal."""
    encoded = base64.urlsafe_b64encode(json.dumps(dict(envs)).encode())
    return ENVS_PREFIX + encoded.decode("ascii").rstrip("=")


def frames(data: bytes) -> Sequence[bytes]:
    """Return input in messages that a server takes."""
    if 0 < len(data) <= MESSAGE_LIMIT:
        return (data,)
    return [data[start : start + MESSAGE_LIMIT] for start in range(0, len(data), MESSAGE_LIMIT)]


class Terminal:
    """What is known of a terminal from the messages received so far."""

    def __init__(self) -> None:
        self.connected = False
        """Whether the server has said that it is attached."""
        self.exited = False
        """Whether the server has said that the program ended; output may still follow."""
        self.ended = False
        """Whether nothing follows any more."""
        self.exit_code: int | None = None
        self.error: str | None = None
        self._text: list[str] = []

    @property
    def running(self) -> bool:
        """Whether input makes sense."""
        return self.connected and not self.exited and not self.ended

    def receive(self, event: Event) -> bytes:
        """Return the output that *event* brings, `b""` when it brings none."""
        match event:
            case Binary():
                return event.data
            case Text():
                self._text.append(event.data)
                return self._whole_text() if event.last else b""
            case Closed():
                self._close(event.code, event.reason)
            case Lost():
                self.lose("the connection was lost; the program may still be running")
            case _:
                pass
        return b""

    def lose(self, error: str | None) -> None:
        """End without news of the program: its exit code stays unknown, and so does *error* if one is known already."""
        self.ended = True
        self.error = error if self.error is None and self.exit_code is None else self.error

    def _whole_text(self) -> bytes:
        text = "".join(self._text)
        self._text.clear()
        message = _object(text)
        if message is None or message.get("type") != "control":
            return text.encode()
        self._control(message)
        return b""

    def _control(self, message: Mapping[str, object]) -> None:
        match message.get("status"):
            case "connected":
                self.connected = True
            case "exited":
                self.connected = self.exited = True
                self._exit(message)
            case "error":
                self.ended = True
                self.error = (
                    _text(message.get("error")) or "the server reports an error and does not say which"
                )
            case _:
                pass  # a newer server's news

    def _close(self, code: int, reason: str) -> None:
        self.ended = True
        message = _object(reason)
        if message is not None:
            self._exit(message)
        elif code != 1000:
            self.lose(f"{reason or 'the server closed the connection'} (close code {code})")
        if code == 1000 and self.exit_code is None and self.error is None:
            self.exit_code = 0

    def _exit(self, message: Mapping[str, object]) -> None:
        """Take the end of the program out of a control message or a close reason; a second one adds what is missing."""
        code = message.get("exitCode")
        if isinstance(code, int) and not isinstance(code, bool):
            self.exit_code = code
        self.error = _text(message.get("error")) or _text(message.get("exitReason")) or self.error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _object(text: str) -> dict[str, object] | None:
    """Return *text* as a JSON object, None when it is anything else."""
    if not text.startswith("{"):
        return None
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None
