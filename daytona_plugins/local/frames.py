"""What goes over the connection between the SSH server and a program in a sandbox: frames of a kind, a length and bytes.

Either side can speak at any time. Input is sent on credit: the platform sends no more than `CREDIT` bytes that the agent has
not reported as taken, so a program that does not read holds up nothing but its own input, and signals still arrive.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

CREDIT: Final = 256 * 1024
UPGRADE: Final = (("Upgrade", "daytona-frames"), ("Connection", "Upgrade"))

_HEAD: Final = struct.Struct(">BI")


class Kind(enum.IntEnum):
    """What a frame is about."""

    START = 1
    """To the agent: what to run, a `Start`."""
    INPUT = 2
    INPUT_END = 3
    TAKEN = 4
    """To the platform: how many bytes of input the program has taken, as decimal digits."""
    SIGNAL = 5
    """To the agent: the name of a signal, without SIG."""
    RESIZE = 6
    """To the agent: a `Size`."""
    OUTPUT = 7
    ERRORS = 8
    """To the platform: what came on standard error."""
    ENDED = 9
    """To the platform: an `Ended`, and nothing after it."""


class Size(msgspec.Struct):
    """A terminal's size, in characters."""

    rows: int
    cols: int


class Start(msgspec.Struct):
    """What to run: *command* in a shell, or a login shell when there is none; on a terminal, or on pipes."""

    command: str | None
    env: dict[str, str]
    terminal: Size | None


class Ended(msgspec.Struct):
    """How a program ended: with an exit code, by the signal of this name, or never started, for this reason."""

    code: int | None = None
    signal: str | None = None
    failure: str | None = None


def frame(kind: Kind, data: bytes = b"") -> bytes:
    """Return one frame."""
    return _HEAD.pack(kind, len(data)) + data


def message(kind: Kind, content: Start | Size | Ended) -> bytes:
    """Return one frame that holds a message."""
    return frame(kind, msgspec.json.encode(content))


class Frames:
    """Takes bytes as they come, and gives back frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Kind, bytes]]:
        """Return the frames that *data* completes."""
        self._buffer += data
        found: list[tuple[Kind, bytes]] = []
        while len(self._buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer)
            end = _HEAD.size + length
            if len(self._buffer) < end:
                break
            found.append((Kind(kind), bytes(self._buffer[_HEAD.size : end])))
            del self._buffer[:end]
        return found


async def received(receive: Callable[[], Awaitable[bytes]]) -> AsyncGenerator[tuple[Kind, bytes]]:
    """Yield frames until the other side hangs up."""
    frames = Frames()
    while data := await receive():
        for found in frames.feed(data):
            yield found
