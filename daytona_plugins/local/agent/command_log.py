"""What a command of a session has written: one file with both streams, read by as many as want while it grows."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Final

from daytona.protocols.logs import Demultiplexer, Multiplexer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from daytona.protocols.logs import Stream

logger = logging.getLogger(__name__)

CHUNK: Final = 32 * 1024


class CommandLog:
    """A log that grows until it is closed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._multiplexer = Multiplexer()
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._grown = asyncio.Event()

    def append(self, stream: Stream, data: bytes) -> None:
        """Add what a stream brought."""
        self._write(self._multiplexer.send(stream, data))

    def close(self) -> None:
        """End it; may be called twice."""
        self._write(self._multiplexer.finish())
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._tell()

    def read(self) -> bytes:
        """Return all of it, as it is now; nothing if somebody has removed the file."""
        try:
            with open(self._path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    async def follow(self) -> AsyncGenerator[bytes]:
        """Yield it from its beginning to its end, which may be yet to come."""
        try:
            file = open(self._path, "rb", buffering=0)  # noqa: SIM115, ASYNC230 - closed below; nothing here blocks
        except FileNotFoundError:
            return
        with file:
            while True:
                ended, grown = self._file is None, self._grown
                while chunk := file.read(CHUNK):
                    yield chunk
                if ended:
                    return
                await grown.wait()

    def _write(self, data: bytes) -> None:
        """Write all of *data*; a full disk loses output, and must not stop the command that made it."""
        if self._file is None or not data:
            return
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            logger.warning("output of a command is lost: %s: %s", self._path, error)
        self._tell()

    def _tell(self) -> None:
        """Wake who waits for more; each growth is an event of its own, so that none is missed."""
        self._grown.set()
        self._grown = asyncio.Event()


def combined(log: bytes) -> bytes:
    """Return a log without its markers."""
    demultiplexer = Demultiplexer()
    pieces = [*demultiplexer.receive(log), *demultiplexer.finish()]
    return b"".join(piece for _stream, piece in pieces)


async def without_markers(log: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield a log without its markers, as it comes."""
    demultiplexer = Demultiplexer()
    try:
        async for chunk in log:
            if data := b"".join(piece for _stream, piece in demultiplexer.receive(chunk)):
                yield data
        if data := b"".join(piece for _stream, piece in demultiplexer.finish()):
            yield data
    finally:
        await log.aclose()
