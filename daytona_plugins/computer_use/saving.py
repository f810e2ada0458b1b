"""An answer's body as a local file that appears whole or not at all."""

from __future__ import annotations

import os
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daytona.service import Api


async def save(api: Api, path: str, destination: str) -> None:
    """Write what a GET of *path* answers to *destination*, piece by piece."""
    run = api.transport.run
    answer = await api.stream("GET", path)
    try:
        part = _Part(Path(destination))
        await run(part.open)
        try:
            while piece := await answer.read():
                await run(partial(part.write, piece))
            await run(part.keep)
        finally:
            part.discard()
    finally:
        answer.abort()


class _Part:
    """The file while it grows, under another name beside its destination."""

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self._path = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}.part")

    def open(self) -> None:
        self._destination.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("xb")

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def keep(self) -> None:
        self._file.close()
        os.replace(self._path, self._destination)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
