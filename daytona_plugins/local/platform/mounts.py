"""Where in a sandbox a volume is shown: what clients ask for, and what may not be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.runtime.spec import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORBIDDEN_TARGETS = ("/proc", "/sys", "/dev", "/boot", "/etc", "/bin", "/sbin", "/lib", "/lib64")


class MountRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A volume at a place in a sandbox, as a client asks for it and as it is told of it."""

    volume_id: str
    mount_path: str
    subpath: str | None = None


def problems_of(request: MountRequest) -> list[str]:
    """Return why a volume cannot be mounted like this."""
    return [*_problems_of_target(request.mount_path), *_problems_of_subpath(request.subpath or "")]


def _problems_of_target(path: str) -> list[str]:
    problems: list[str] = []
    if not path.startswith("/") or "\0" in path:
        problems.append(f"mount path {path!r} is not absolute")
    if path.strip("/") == "":
        problems.append("a volume cannot be mounted at the root")
    if {".", ".."} & {*path.split("/")}:
        problems.append(f"mount path {path!r} has relative segments")
    if "//" in path:
        problems.append(f"mount path {path!r} has an empty segment")
    if any(path == taken or path.startswith(f"{taken}/") for taken in FORBIDDEN_TARGETS):
        problems.append(f"mount path {path!r} belongs to the system")
    return problems


def _problems_of_subpath(path: str) -> list[str]:
    problems: list[str] = []
    if path.startswith("/") or "\0" in path:
        problems.append(f"subpath {path!r} is not relative")
    if {".", ".."} & {*path.split("/")}:
        problems.append(f"subpath {path!r} has relative segments")
    if "//" in path:
        problems.append(f"subpath {path!r} has an empty segment")
    return problems


def mounts_of(requests: Iterable[MountRequest], directory: Path) -> tuple[Mount, ...]:
    """Return the directories below *directory* that a sandbox gets to see."""
    return tuple(
        Mount(
            source=str(directory / request.volume_id),
            target=request.mount_path.rstrip("/"),
            subpath=request.subpath or "",
        )
        for request in requests
    )
