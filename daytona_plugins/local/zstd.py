"""Zstandard, by whichever means this machine has: Python from 3.14, the package `backports.zstd`, or the program `zstd`."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Generator

MAGIC: Final = b"\x28\xb5\x2f\xfd"
READ_SIZE: Final = 256 * 1024


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next piece."""
        ...


class MissingError(Exception):
    """This machine cannot read it."""


class _Module(Protocol):
    def open(self, file: Readable, mode: str) -> IO[bytes]: ...


@contextmanager
def decompressed(source: Readable) -> Generator[Readable]:
    """Open what is in *source*, whether it is compressed in this way or not.

    Raises:
        MissingError: It is, and there is nothing here that understands it.
    """
    whole = _Peeked(source)
    if not whole.begins_with(MAGIC):
        yield whole
    elif module := _module():
        with module.open(whole, "rb") as content:
            yield content
    elif program := shutil.which("zstd"):
        with _piped(program, whole) as content:
            yield content
    else:
        raise MissingError(
            "it is compressed with zstd, which this machine does not have; "
            "install the Debian package zstd, or the Python package backports.zstd"
        )


class _Peeked:
    """A stream whose first bytes have been looked at."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._ahead = b""

    def begins_with(self, magic: bytes) -> bool:
        while len(self._ahead) < len(magic) and (piece := self._source.read(len(magic) - len(self._ahead))):
            self._ahead += piece
        return self._ahead == magic

    def read(self, size: int = -1, /) -> bytes:
        if not self._ahead:
            return self._source.read(size)
        if size < 0:
            piece, self._ahead = self._ahead, b""
            return piece + self._source.read()
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return piece


def _module() -> _Module | None:
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return cast("_Module", importlib.import_module(name))
    return None


@contextmanager
def _piped(program: str, source: Readable) -> Generator[Readable]:
    """Let the program do it; a thread feeds it, because it does not read while we do not."""
    process = subprocess.Popen([program, "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (the machine's own)
    assert process.stdin is not None
    assert process.stdout is not None
    feeder = threading.Thread(target=_feed, args=(source, process.stdin))
    feeder.start()
    try:
        yield process.stdout
    finally:
        process.stdout.close()
        feeder.join()
        process.wait()


def _feed(source: Readable, pipe: IO[bytes]) -> None:
    with suppress(BrokenPipeError), pipe:
        while piece := source.read(READ_SIZE):
            pipe.write(piece)
