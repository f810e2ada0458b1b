"""Which user and group ids exist in a sandbox; written from outside, where the right to do so is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FIRST_IDS: Final = 65536
SHIFTED_TO: Final = 0x6FFF0000
"""The last 65536 of the ids that systemd sets aside for containers; no person and no service has one of them."""


def write_id_maps(pid: int, *, shifted: bool = False) -> None:
    """Map one user for an ordinary user; for root the first 65536, onto ids nobody has or else onto themselves.

    Root's files below an overlay belong to ids that must exist inside, or they could not be changed there.
    """
    if shifted:
        write_shifted_map(pid)
    elif os.getuid() == 0:
        _write(f"/proc/{pid}/uid_map", _identity_map("/proc/self/uid_map"))
        _write(f"/proc/{pid}/gid_map", _identity_map("/proc/self/gid_map"))
    else:
        _write(f"/proc/{pid}/setgroups", "deny")
        _write(f"/proc/{pid}/uid_map", f"0 {os.getuid()} 1")
        _write(f"/proc/{pid}/gid_map", f"0 {os.getgid()} 1")


def write_shifted_map(pid: int) -> None:
    """Map the first 65536 ids onto those from `SHIFTED_TO` on."""
    for kind in ("uid_map", "gid_map"):
        _write(f"/proc/{pid}/{kind}", f"0 {SHIFTED_TO} {FIRST_IDS}")


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
