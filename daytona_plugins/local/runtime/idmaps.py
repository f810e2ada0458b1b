"""Which user and group ids exist in a sandbox; written from outside, where the right to do so is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FIRST_IDS: Final = 65536


def write_id_maps(pid: int) -> None:
    """Map one user for an ordinary user, and the first 65536 onto themselves for root.

    Root's files below an overlay belong to ids that must exist inside, or they could not be changed there.
    """
    if os.getuid() == 0:
        _write(f"/proc/{pid}/uid_map", _identity_map("/proc/self/uid_map"))
        _write(f"/proc/{pid}/gid_map", _identity_map("/proc/self/gid_map"))
    else:
        _write(f"/proc/{pid}/setgroups", "deny")
        _write(f"/proc/{pid}/uid_map", f"0 {os.getuid()} 1")
        _write(f"/proc/{pid}/gid_map", f"0 {os.getgid()} 1")


def _identity_map(own_map: str) -> str:
    """Return the ids that exist here, each as itself."""
    lines: list[str] = []
    for line in Path(own_map).read_text().splitlines():
        first, _outside, count = map(int, line.split())
        if first < FIRST_IDS:
            lines.append(f"{first} {first} {min(count, FIRST_IDS - first)}")
    return "\n".join(lines)


def _write(path: str, text: str) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(text.encode())
