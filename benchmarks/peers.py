"""Whom the client is measured beside, each in a virtual environment of its own, made on demand and kept."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Final

from tests.interop.peer import VERSION, cache as environments, official_python

__all__ = ["PINNED", "python_of"]

PINNED: Final = {
    "official": f"daytona=={VERSION}",
    "e2b": "e2b==2.63.0",
    "aiohttp": "aiohttp==3.14.5",
    "httpx": "httpx==0.28.1",
    "pyreqwest": "pyreqwest==0.15.1",
}


@cache
def python_of(client: str) -> str:
    """Return an interpreter that has *client*; "ours" is the one that runs this, with nothing that it lacks elsewhere.

    Raises:
        subprocess.CalledProcessError: It cannot be installed: there is no index to install from.
    """
    if client == "ours":
        return sys.executable
    if client == "official":
        return str(official_python())
    directory = environments() / f"bench-{PINNED[client]}-py{sys.version_info.major}.{sys.version_info.minor}"
    python, complete = directory / "bin" / "python", directory / "complete"
    if not complete.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PINNED[client]], check=True)
        complete.touch()
    return str(python)
