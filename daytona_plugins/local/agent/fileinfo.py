"""What a file looks like on the wire."""

from __future__ import annotations

import os
import stat
import time
from typing import Final

from daytona_plugins.local.agent.errors import printable

# The letters Go puts before the nine of rwx, in its order.
_SPECIAL_BITS: Final = ((stat.S_ISUID, "u"), (stat.S_ISGID, "g"))
_KINDS: Final = (
    (stat.S_ISDIR, "d"),
    (stat.S_ISLNK, "L"),
    (stat.S_ISBLK, "D"),
    (stat.S_ISFIFO, "p"),
    (stat.S_ISSOCK, "S"),
)


def describe(path: str, *, with_path: bool = False) -> dict[str, object]:
    """Return the FileInfo of *path*, of the target if it is a link.

    Raises:
        OSError: There is no such file.
    """
    status = os.stat(path)
    info: dict[str, object] = {
        "name": printable(base_name(path)),
        "size": status.st_size,
        "mode": go_mode(status.st_mode),
        "modTime": _go_time(status.st_mtime_ns),
        "modifiedAt": _rfc3339(status.st_mtime_ns),
        "isDir": stat.S_ISDIR(status.st_mode),
        "owner": str(status.st_uid),
        "group": str(status.st_gid),
        "permissions": f"{status.st_mode & 0o777:04o}",
    }
    if with_path:
        info["path"] = printable(path)
    return info


def base_name(path: str) -> str:
    """Return the last element of *path*, trailing slashes aside."""
    return os.path.basename(path.rstrip("/")) or "/"


def go_mode(mode: int) -> str:
    """Return a mode as Go writes it: letters for what the file is, then rwx three times."""
    letters = "".join(letter for is_kind, letter in _KINDS if is_kind(mode))
    letters += "".join(letter for bit, letter in _SPECIAL_BITS if mode & bit)
    letters += "Dc" if stat.S_ISCHR(mode) else ""
    letters += "t" if mode & stat.S_ISVTX else ""
    return (letters or "-") + stat.filemode(stat.S_IFREG | (mode & 0o777))[1:]


def _go_time(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(seconds)
    return time.strftime("%Y-%m-%d %H:%M:%S", local) + _fraction(fraction) + time.strftime(" %z %Z", local)


def _rfc3339(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(seconds)
    offset = time.strftime("%z", local)
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + _fraction(fraction) + zone


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0").rstrip(".")
