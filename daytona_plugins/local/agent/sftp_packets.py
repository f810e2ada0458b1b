"""SFTP version 3, as OpenSSH speaks it: packets from and to bytes (draft-ietf-secsh-filexfer-02)."""

from __future__ import annotations

import enum
import stat
import struct
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import os

PACKET_LIMIT: Final = 256 * 1024
READ_LIMIT: Final = PACKET_LIMIT - 1024

_UINT32: Final = struct.Struct(">I")
_UINT64: Final = struct.Struct(">Q")


class BadPacketError(Exception):
    """What arrived is not SFTP."""


class Type(enum.IntEnum):
    """What a packet is."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Status(enum.IntEnum):
    """How a request ended."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class OpenFlag(enum.IntFlag):
    """How a file is to be opened."""

    READ = 1
    WRITE = 2
    APPEND = 4
    CREATE = 8
    TRUNCATE = 16
    EXCLUSIVE = 32


class _AttributeFlag(enum.IntFlag):
    SIZE = 1
    OWNER = 2
    PERMISSIONS = 4
    TIMES = 8
    EXTENDED = 0x80000000


class Attributes(NamedTuple):
    """What a client wants to change of a file; None leaves it as it is."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    permissions: int | None = None
    times: tuple[int, int] | None = None


class Fields:
    """The fields of a packet, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def uint32(self) -> int:
        """Return a number."""
        return int(_UINT32.unpack(self._take(4))[0])

    def uint64(self) -> int:
        """Return a long number."""
        return int(_UINT64.unpack(self._take(8))[0])

    def string(self) -> bytes:
        """Return a string."""
        return self._take(self.uint32())

    def path(self) -> bytes:
        """Return a path; the empty one is the directory where logins begin."""
        return self.string() or b"."

    def attributes(self) -> Attributes:
        """Return the attributes of a file."""
        flags = self.uint32()
        found = Attributes(
            size=self.uint64() if flags & _AttributeFlag.SIZE else None,
            owner=(self.uint32(), self.uint32()) if flags & _AttributeFlag.OWNER else None,
            permissions=self.uint32() if flags & _AttributeFlag.PERMISSIONS else None,
            times=(self.uint32(), self.uint32()) if flags & _AttributeFlag.TIMES else None,
        )
        for _ in range(2 * self.uint32() if flags & _AttributeFlag.EXTENDED else 0):
            self.string()
        return found

    def _take(self, size: int) -> bytes:
        start, self._position = self._position, self._position + size
        if self._position > len(self._data):
            raise BadPacketError("a field ends after its packet")
        return self._data[start : self._position]


class Packets:
    """Takes bytes as they come, and gives back packets without their lengths."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets that *data* completes.

        Raises:
            BadPacketError: One is longer than clients may send.
        """
        self._buffer += data
        found: list[bytes] = []
        while len(self._buffer) >= 4:
            (length,) = _UINT32.unpack_from(self._buffer)
            if not 0 < length <= PACKET_LIMIT:
                raise BadPacketError(f"a packet of {length} bytes")
            if len(self._buffer) < 4 + length:
                break
            found.append(bytes(self._buffer[4 : 4 + length]))
            del self._buffer[: 4 + length]
        return found


def uint32(value: int) -> bytes:
    """Write a number; what does not fit is cut off."""
    return _UINT32.pack(value & 0xFFFFFFFF)


def uint64(value: int) -> bytes:
    """Write a long number."""
    return _UINT64.pack(value & 0xFFFFFFFFFFFFFFFF)


def string(value: bytes) -> bytes:
    """Write a string."""
    return uint32(len(value)) + value


def packet(kind: Type, *fields: bytes) -> bytes:
    """Write a packet."""
    return string(bytes([kind]) + b"".join(fields))


def attributes(found: os.stat_result) -> bytes:
    """Write the attributes of a file."""
    flags = _AttributeFlag.SIZE | _AttributeFlag.OWNER | _AttributeFlag.PERMISSIONS | _AttributeFlag.TIMES
    numbers = (found.st_uid, found.st_gid, found.st_mode, int(found.st_atime), int(found.st_mtime))
    return uint32(flags) + uint64(found.st_size) + b"".join(map(uint32, numbers))


def name(path: bytes, found: os.stat_result | None = None) -> bytes:
    """Write an entry of a directory, with the line that `ls -l` would show; or a path alone."""
    if found is None:
        return string(path) + string(path) + uint32(0)
    return string(path) + string(_long_name(path, found)) + attributes(found)


def _long_name(path: bytes, found: os.stat_result) -> bytes:
    when = time.strftime("%b %d %H:%M" if _is_recent(found) else "%b %d  %Y", time.localtime(found.st_mtime))
    line = f"{stat.filemode(found.st_mode)} {found.st_nlink:3} {found.st_uid:8} {found.st_gid:8}"
    return f"{line} {found.st_size:8} {when} ".encode() + path


def _is_recent(found: os.stat_result) -> bool:
    return abs(time.time() - found.st_mtime) < 180 * 24 * 3600
