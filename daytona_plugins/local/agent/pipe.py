"""One end of a pipe, for who must not block on it."""

from __future__ import annotations

import asyncio
import os
from typing import Final

READ_SIZE: Final = 64 * 1024


class Pipe:
    """A descriptor that is read or written, not both; `close` may be called twice."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._closed = False
        os.set_blocking(descriptor, False)

    async def read(self) -> bytes:
        """Return what has arrived; nothing at the end, when the last writer has closed its side."""
        while not self._closed:
            try:
                return os.read(self._descriptor, READ_SIZE)
            except BlockingIOError:
                await self._readable()
        return b""

    async def write(self, data: bytes) -> None:
        """Write all of *data*; what the reader does not want any more is dropped."""
        view = memoryview(data)
        while view and not self._closed:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                await self._writable()
            except BrokenPipeError:
                return

    def close(self) -> None:
        """Let go of it."""
        if not self._closed:
            self._closed = True
            os.close(self._descriptor)

    async def _readable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(self._descriptor)

    async def _writable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(self._descriptor)
