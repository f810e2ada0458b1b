"""User and group numbers by name, from the sandbox's own files.

The C library's look-ups would load modules that the sandbox's /etc/nsswitch.conf names into this process.
"""

from __future__ import annotations

from contextlib import suppress

from daytona_plugins.local.agent.whole_numbers import whole_number


def user_id(name: str) -> int:
    """Return the number of a user given by number or name.

    Raises:
        LookupError: There is no such user.
    """
    return _find("/etc/passwd", name)


def group_id(name: str) -> int:
    """Return the number of a group given by number or name.

    Raises:
        LookupError: There is no such group.
    """
    return _find("/etc/group", name)


def own_group_id(user: str) -> int | None:
    """Return the number of the group that a user, given by number or name, belongs to, or None when there is no such user."""
    fields = _account_of(user)
    return int(fields[3]) if fields and fields[3].isdecimal() else None


def home_directory(user: str) -> str:
    """Return the home directory of a user given by number or name, or nothing when there is none."""
    fields = _account_of(user)
    return fields[5] if fields else ""


def _account_of(user: str) -> list[str] | None:
    with suppress(FileNotFoundError), open("/etc/passwd", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split(":")
            if len(fields) > 5 and user in (fields[0], fields[2]):
                return fields
    return None


def _find(path: str, name: str) -> int:
    if (number := whole_number(name)) is not None:
        return number
    with suppress(FileNotFoundError), open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split(":")
            if fields[0] == name and len(fields) > 2 and fields[2].isdecimal():
                return int(fields[2])
    raise LookupError(f"{name!r} is not in {path}")
