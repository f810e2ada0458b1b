"""Programs of the platform's own environment that sandboxes see: a language server that was installed beside it.

They are bound read-only below `/run`, so that they are in no layer and no snapshot. A sandbox finds them after its own.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from daytona_plugins.local.runtime import kernel

LENT: Final = "/run/daytona/bin"
PROGRAMS: Final = ("ty",)
"""Single files that need nothing but the C library."""


def find_programs() -> dict[str, str]:
    """Return the programs there are to lend, by name."""
    scripts = os.path.dirname(sys.executable)
    paths = {name: os.path.realpath(os.path.join(scripts, name)) for name in PROGRAMS}
    return {name: path for name, path in paths.items() if os.access(path, os.X_OK)}


def lend(programs: dict[str, str], root: str) -> None:
    """Show *programs* in the sandbox that is being built at *root*."""
    for name, source in programs.items():
        target = f"{root}{LENT}/{name}"
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o755))
        kernel.bind(source, target, read_only=True)
