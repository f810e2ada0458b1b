"""The secret that lets programs onto the X server: without it, whoever shares its network could look on."""

from __future__ import annotations

import secrets
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_LOCAL: Final = 256
_PROTOCOL: Final = b"MIT-MAGIC-COOKIE-1"


class Authority:
    """A file of X authorities with one new secret.

    The server reads it when it starts, and again when it has changed; clients look for the number of their display.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._secret = secrets.token_bytes(16)
        self.write("")

    def write(self, number: str) -> None:
        """Write the secret for a display; "" stands for any."""
        fields = (socket.gethostname().encode(), number.encode(), _PROTOCOL, self._secret)
        entry = struct.pack(">H", _LOCAL) + b"".join(
            struct.pack(">H", len(field)) + field for field in fields
        )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.unlink(missing_ok=True)
        self.file.touch(mode=0o600)
        self.file.write_bytes(entry)
