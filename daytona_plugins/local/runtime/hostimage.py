"""The "host" image: the programs of this machine, without its data.

A sandbox sees the live `/usr` and `/opt` through overlays. Everything else at the root comes from the skeleton.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Final

import msgspec

from daytona_plugins.local.runtime.lending import find_programs
from daytona_plugins.local.runtime.skeleton import (
    LIVE_TREES,
    MERGED_INTO_USR,
    PACKAGE_STATE,
    SYSTEM_PATH,
    make_skeleton,
    read_text,
)

PYTHON: Final = "/opt/daytona-python"


class Tree(msgspec.Struct, frozen=True):
    """A directory of the host seen through an overlay; the first layer lies on top."""

    target: str
    layers: list[str]


class HostImage(msgspec.Struct, frozen=True):
    """Where the parts of the image lie on the host, and what a sandbox needs to know to use them."""

    directory: str
    root: str
    empty: str
    """What a sandbox without the host's programs has below its layers."""
    mount_point: str
    trees: list[Tree]
    python: str | None
    """Bound at `PYTHON` when the host has no python3 of its own in `/usr/bin`."""
    lent: dict[str, str]
    """Programs of the platform's environment that sandboxes see too, by name."""
    env: dict[str, str]
    """What a process needs to find its programs and libraries."""
    resolv_conf: str


def prepare_host_image(data: Path) -> HostImage:
    """Return the image, making its skeleton in a data directory unless a fitting one is there."""
    current = make_skeleton(data)
    needs_python = not os.access("/usr/bin/python3", os.X_OK)
    return HostImage(
        directory=str(current),
        root=str(current / "root"),
        empty=str(current / "empty"),
        mount_point=str(current / "mnt"),
        trees=_trees(current),
        python=sys.base_prefix if needs_python else None,
        lent=find_programs(),
        env=_lent_python_env() if needs_python else {"PATH": SYSTEM_PATH},
        resolv_conf=read_text("/etc/resolv.conf"),
    )


def _lent_python_env() -> dict[str, str]:
    """An interpreter built with a shared library looks for it where it was installed, which is not where it is inside."""
    shared = bool(sysconfig.get_config_var("Py_ENABLE_SHARED"))
    return {"PATH": f"{SYSTEM_PATH}:{PYTHON}/bin"} | ({"LD_LIBRARY_PATH": f"{PYTHON}/lib"} if shared else {})


def _trees(current: Path) -> list[Tree]:
    names = [
        name
        for name in (*LIVE_TREES, *MERGED_INTO_USR, *PACKAGE_STATE)
        if _is_plain_directory(Path("/", name))
    ]
    return [Tree(name, _layers(current, name)) for name in names]


def _layers(current: Path, name: str) -> list[str]:
    own = current / name
    return [str(own), f"/{name}"] if own.is_dir() else [f"/{name}"]


def _is_plain_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
