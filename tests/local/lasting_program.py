"""A program that does not end by itself, and starts one that nobody would find: both hold a pipe that tells of their end."""

from __future__ import annotations

import os
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class Lasting:
    """The program, in a directory of its own."""

    def __init__(self, directory: Path, name: str) -> None:
        pipe = directory / "held"
        os.mkfifo(pipe)
        self._held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.path = directory / name
        self.path.write_text(f"#!/bin/sh\nexec 3> {pipe}\nsetsid sleep 600 &\necho begun\nsleep 600\n")
        self.path.chmod(0o755)

    def has_ended(self, seconds: float) -> bool:
        """Return whether nothing of it is left, waiting up to *seconds* for that."""
        poll = select.poll()
        poll.register(self._held, 0)  # only that nobody holds the other end any more
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        os.close(self._held)


@contextmanager
def lasting_program(directory: Path, name: str) -> Generator[Lasting]:
    """Make such a program."""
    directory.mkdir()
    program = Lasting(directory, name)
    try:
        yield program
    finally:
        program.close()
