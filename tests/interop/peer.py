"""The official client, in an environment of its own: it shares an import name with ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
VERSION = "0.226.1"
OLDER_CLIENTS = os.environ.get("OLDER_CLIENTS")
"""With "all", each older version is tried on each face, and those between the oldest and the newest too."""
SCRIPTS = Path(__file__).parent / "scripts"


def official_python(version: str = VERSION) -> Path:
    """Return an interpreter that has the official client."""
    return python_with(f"official-{version}", f"daytona=={version}")


def python_with(name: str, *requirements: str) -> Path:
    """Return an interpreter that has packages of PyPI, installed on first use and kept for the next run."""
    directory = cache() / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = directory / "bin" / "python"
    complete = directory / "complete"
    if not complete.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(directory)])
        _run([str(python), "-m", "pip", "install", "--quiet", *requirements])
        complete.touch()
    return python


def cache() -> Path:
    """Return where nox keeps its environments: one place to throw away."""
    cache = Path(os.environ.get("NOX_ENVDIR", ROOT / ".nox"))
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def run_official(
    script: str,
    arguments: Sequence[str] = (),
    *,
    variables: Mapping[str, str] | None = None,
    directory: Path,
    version: str = VERSION,
) -> Any:
    """Return what a script of `scripts/` prints as its last line of JSON, run by the official client."""
    python = official_python(version)
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("DAYTONA_", "PYTHON"))
    }
    done = subprocess.run(
        [str(python), str(SCRIPTS / script), *arguments],
        env=environ | dict(variables or {}),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{script} failed\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
