"""What a build prints: kept in a file, and followed by any number of readers until the build ends."""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

READ_SIZE: Final = 64 * 1024
END_LENGTH: Final = 2000


class BuildLog:
    """The log of one build; whoever builds writes and closes it."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = file
        self.closed = False
        self._output: IO[bytes] = file.open("wb", buffering=0)
        self._grown = asyncio.Event()
        self._end = b""
        self._at_start_of_line = True

    def write(self, data: bytes) -> None:
        """Add output of a program as it came."""
        self._output.write(data)
        self._end = (self._end + data)[-END_LENGTH:]
        self._at_start_of_line = data.endswith(b"\n") if data else self._at_start_of_line
        self._wake()

    def line(self, text: str) -> None:
        """Add a line of our own, which begins at the left whatever was printed before."""
        self.write(b"\n" * (not self._at_start_of_line) + text.encode("utf-8", "replace") + b"\n")
        self._end = b""

    def end(self) -> str:
        """Return the last part of what was printed since the last line of our own."""
        return self._end.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Say that the build is over."""
        if not self.closed:
            self.closed = True
            self._output.close()
            self._wake()

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Yield everything from the beginning, and then what comes, until the build is over."""
        with self.file.open("rb") as reader:
            while True:
                grown, over = self._grown, self.closed
                while piece := reader.read(READ_SIZE):
                    yield piece
                if over:
                    return
                await grown.wait()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


async def read(file: Path) -> AsyncGenerator[bytes, None]:
    """Yield what a build printed that is over, or what one has printed so far."""
    with file.open("rb") as reader:
        while piece := reader.read(READ_SIZE):
            yield piece
