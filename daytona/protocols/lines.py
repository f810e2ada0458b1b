"""Bytes in, whole lines of text out: however the bytes were cut, no line is joined to another or torn apart."""

from __future__ import annotations

import codecs

__all__ = ["LineSplitter"]


class LineSplitter:
    """Collects UTF-8 until a line is complete; bytes that are no UTF-8 are replaced."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._begun = ""

    def receive(self, data: bytes) -> list[str]:
        """Return the lines that *data* completes, without their ends."""
        *lines, self._begun = (self._begun + self._decode(data)).split("\n")
        return [line.removesuffix("\r") for line in lines]

    def end(self) -> list[str]:
        """Return what is left as a line, if anything is; there will be no more bytes."""
        left = self._begun + self._decode(b"", final=True)
        self._begun = ""
        return [left] if left else []
