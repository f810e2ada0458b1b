"""An SFTP server for the files that the agent sees, which are those of its sandbox and no others.

It does what OpenSSH's does in version 3 of the protocol, and what of its extensions `sftp`, `scp` and `sshfs` use. Paths are
bytes and go to the operating system as they are.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from typing import TYPE_CHECKING, Final

from daytona_plugins.local.agent.sftp_packets import (
    PACKET_LIMIT,
    READ_LIMIT,
    Attributes,
    Fields,
    OpenFlag,
    Packets,
    Status,
    Type,
    attributes,
    name,
    packet,
    string,
    uint32,
    uint64,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION: Final = 3
OPEN_LIMIT: Final = 256
_NAMES_AT_ONCE: Final = 100

_STATUS_OF: Final = {
    errno.ENOENT: Status.NO_SUCH_FILE,
    errno.ENOTDIR: Status.NO_SUCH_FILE,
    errno.EBADF: Status.NO_SUCH_FILE,
    errno.ELOOP: Status.NO_SUCH_FILE,
    errno.EPERM: Status.PERMISSION_DENIED,
    errno.EACCES: Status.PERMISSION_DENIED,
    errno.EFAULT: Status.PERMISSION_DENIED,
    errno.ENAMETOOLONG: Status.BAD_MESSAGE,
    errno.EINVAL: Status.BAD_MESSAGE,
}

_EXTENSIONS: Final = {
    b"posix-rename@openssh.com": b"1",
    b"hardlink@openssh.com": b"1",
    b"fsync@openssh.com": b"1",
    b"statvfs@openssh.com": b"2",
    b"limits@openssh.com": b"1",
}


class _File:
    """An open file."""

    def __init__(self, descriptor: int, *, appends: bool) -> None:
        self.descriptor = descriptor
        self.appends = appends

    def close(self) -> None:
        os.close(self.descriptor)


class _Directory:
    """A directory that is being listed."""

    def __init__(self, path: bytes) -> None:
        self._entries = os.scandir(path)
        self.listed: Iterator[tuple[bytes, os.stat_result]] = itertools.chain(
            ((dots, os.stat(os.path.join(path, dots))) for dots in (b".", b"..")), self._rest()
        )

    def _rest(self) -> Iterator[tuple[bytes, os.stat_result]]:
        for entry in self._entries:
            try:
                yield entry.name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed meanwhile
                continue

    def close(self) -> None:
        self._entries.close()


class SftpServer:
    """One conversation; `answer` blocks on files, so it belongs into a thread, one call at a time."""

    def __init__(self) -> None:
        self._packets = Packets()
        self._open: dict[bytes, _File | _Directory] = {}
        self._numbers = itertools.count()
        self._operations: dict[int, Callable[[Fields], bytes | None]] = {
            Type.OPEN: self._open_file,
            Type.CLOSE: self._close,
            Type.READ: self._read,
            Type.WRITE: self._write,
            Type.LSTAT: lambda fields: _found(os.lstat(fields.path())),
            Type.STAT: lambda fields: _found(os.stat(fields.path())),
            Type.FSTAT: lambda fields: _found(os.fstat(self._file(fields).descriptor)),
            Type.SETSTAT: lambda fields: _change(fields.path(), fields.attributes()),
            Type.FSETSTAT: lambda fields: _change(self._file(fields).descriptor, fields.attributes()),
            Type.OPENDIR: lambda fields: self._opened(_Directory(fields.path())),
            Type.READDIR: self._list,
            Type.REMOVE: lambda fields: os.unlink(fields.path()),
            Type.MKDIR: _make_directory,
            Type.RMDIR: lambda fields: os.rmdir(fields.path()),
            Type.REALPATH: lambda fields: _names([name(os.path.realpath(fields.path()))]),
            Type.RENAME: _rename,
            Type.READLINK: lambda fields: _names([name(os.readlink(fields.path()))]),
            # OpenSSH has the target first, unlike the draft, and so has everybody else.
            Type.SYMLINK: lambda fields: os.symlink(fields.path(), fields.path()),
            Type.EXTENDED: self._extended,
        }
        self._extended_operations: dict[bytes, Callable[[Fields], bytes | None]] = {
            b"posix-rename@openssh.com": lambda fields: os.rename(fields.path(), fields.path()),
            b"hardlink@openssh.com": lambda fields: os.link(fields.path(), fields.path()),
            b"fsync@openssh.com": lambda fields: os.fsync(self._file(fields).descriptor),
            b"statvfs@openssh.com": lambda fields: _space(os.statvfs(fields.path())),
            b"limits@openssh.com": lambda _fields: _limits(),
        }

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets that *data* completes.

        Raises:
            BadPacketError: It is not SFTP.
        """
        return self._packets.feed(data)

    def answer(self, content: bytes) -> bytes:
        """Do what a packet asks for, and return the answer to it.

        Raises:
            BadPacketError: It is not SFTP.
        """
        kind, fields = content[0], Fields(content[1:])
        if kind == Type.INIT:
            extensions = [string(part) for pair in _EXTENSIONS.items() for part in pair]
            return packet(Type.VERSION, uint32(VERSION), *extensions)
        number = uint32(fields.uint32())
        answer = self._carry_out(kind, fields)
        return string(answer[:1] + number + answer[1:])

    def close(self) -> None:
        """Close all files that the client has left open."""
        for handle in self._open.values():
            handle.close()
        self._open.clear()

    def _carry_out(self, kind: int, fields: Fields) -> bytes:
        operation = self._operations.get(kind)
        if operation is None:
            return _status(Status.OP_UNSUPPORTED, "not supported")
        try:
            return operation(fields) or _status(Status.OK, "")
        except OSError as error:
            text = os.strerror(error.errno) if error.errno else str(error)
            return _status(_STATUS_OF.get(error.errno or 0, Status.FAILURE), text)
        except (ValueError, OverflowError) as error:  # a NUL in a path, an offset beyond what files can have
            return _status(Status.BAD_MESSAGE, str(error))

    def _extended(self, fields: Fields) -> bytes | None:
        operation = self._extended_operations.get(fields.string())
        return operation(fields) if operation else _status(Status.OP_UNSUPPORTED, "not supported")

    # -- Files ----------------------------------------------------------------------------------------------------

    def _open_file(self, fields: Fields) -> bytes:
        path, wanted = fields.path(), OpenFlag(fields.uint32())
        mode = fields.attributes().permissions
        descriptor = os.open(path, _flags(wanted), 0o666 if mode is None else stat.S_IMODE(mode))
        return self._opened(_File(descriptor, appends=bool(wanted & OpenFlag.APPEND)))

    def _opened(self, handle: _File | _Directory) -> bytes:
        if len(self._open) >= OPEN_LIMIT:
            handle.close()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        number = uint32(next(self._numbers))
        self._open[number] = handle
        return bytes([Type.HANDLE]) + string(number)

    def _close(self, fields: Fields) -> None:
        handle = self._open.pop(fields.string(), None)
        if handle is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        handle.close()

    def _file(self, fields: Fields) -> _File:
        handle = self._open.get(fields.string())
        if not isinstance(handle, _File):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return handle

    def _read(self, fields: Fields) -> bytes:
        file, offset, size = self._file(fields), fields.uint64(), fields.uint32()
        data = os.pread(file.descriptor, min(size, READ_LIMIT), offset)
        return bytes([Type.DATA]) + string(data) if data else _status(Status.EOF, "end of file")

    def _write(self, fields: Fields) -> None:
        file, offset, data = self._file(fields), fields.uint64(), memoryview(fields.string())
        while data:
            written = (
                os.write(file.descriptor, data) if file.appends else os.pwrite(file.descriptor, data, offset)
            )
            offset, data = offset + written, data[written:]

    def _list(self, fields: Fields) -> bytes:
        handle = self._open.get(fields.string())
        if not isinstance(handle, _Directory):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        found = [name(*entry) for entry in itertools.islice(handle.listed, _NAMES_AT_ONCE)]
        return _names(found) if found else _status(Status.EOF, "end of directory")


def _flags(wanted: OpenFlag) -> int:
    flags = {
        OpenFlag.READ | OpenFlag.WRITE: os.O_RDWR,
        OpenFlag.WRITE: os.O_WRONLY,
    }.get(wanted & (OpenFlag.READ | OpenFlag.WRITE), os.O_RDONLY)
    flags |= os.O_NOCTTY | os.O_NONBLOCK  # opening a named pipe must not wait for its other end
    for flag, meaning in (
        (OpenFlag.APPEND, os.O_APPEND),
        (OpenFlag.CREATE, os.O_CREAT),
        (OpenFlag.TRUNCATE, os.O_TRUNC),
        (OpenFlag.EXCLUSIVE, os.O_EXCL),
    ):
        flags |= meaning if wanted & flag else 0
    return flags


def _make_directory(fields: Fields) -> None:
    path, mode = fields.path(), fields.attributes().permissions
    os.mkdir(path, 0o777 if mode is None else stat.S_IMODE(mode))


def _rename(fields: Fields) -> None:
    """Rename what does not take the place of anything, as version 3 has it; `posix-rename` may."""
    source, target = fields.path(), fields.path()
    if os.path.lexists(target):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(source, target)


def _change(place: bytes | int, wanted: Attributes) -> None:
    if wanted.size is not None:
        os.truncate(place, wanted.size)
    if wanted.owner is not None:
        os.chown(place, *wanted.owner)
    if wanted.permissions is not None:
        os.chmod(place, stat.S_IMODE(wanted.permissions))
    if wanted.times is not None:
        os.utime(place, wanted.times)


def _status(status: Status, text: str) -> bytes:
    return bytes([Type.STATUS]) + uint32(status) + string(text.encode()) + string(b"en")


def _found(found: os.stat_result) -> bytes:
    return bytes([Type.ATTRS]) + attributes(found)


def _names(entries: list[bytes]) -> bytes:
    return bytes([Type.NAME]) + uint32(len(entries)) + b"".join(entries)


def _space(found: os.statvfs_result) -> bytes:
    numbers = (
        found.f_bsize, found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree,
        found.f_favail, found.f_fsid, found.f_flag & (os.ST_RDONLY | os.ST_NOSUID), found.f_namemax,
    )  # fmt: skip
    return bytes([Type.EXTENDED_REPLY]) + b"".join(map(uint64, numbers))


def _limits() -> bytes:
    numbers = (PACKET_LIMIT, READ_LIMIT, READ_LIMIT, OPEN_LIMIT)
    return bytes([Type.EXTENDED_REPLY]) + b"".join(map(uint64, numbers))
