"""The official TypeScript client works against the embedded platform."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.interop.peer import SCRIPTS, cache

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform

VERSION = "0.218.0"

EVERYTHING = {
    "files": {
        "details": 8,
        "find": [[2, "two"]],
        "search": ["d/a.txt", "d/e/b.txt"],
        "replace": [True],
        "many": ["one\n2\n", "error"],
        "stream": "stream",
        "left": ["up.txt"],
    },
    "sessions": {
        "command": [4, "o\n", "e\n"],
        "streamed": {"out": "got word\n", "err": "e\n"},
        "logs": ["got word\n", "e\n"],
        "exitCode": 0,
        "session": [4, 0],
        "list": ["s"],
        "left": [],
    },
    "terminals": {
        "ended": [7, True, True],
        "size": [5, 6],
        "info": ["u", 7, 8],
        "list": ["u"],
        "killed": 137,
        "left": [],
    },
}
"""What the script sees of files, of sessions with their logs, and of terminals."""

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture
def package() -> Path:
    """A directory with the official client, installed on first use and kept for the next run."""
    directory = cache() / f"official-typescript-{VERSION}"
    directory.mkdir(exist_ok=True)
    if not (directory / "complete").exists():
        install = [
            "npm",
            "install",
            "--no-fund",
            "--no-audit",
            "--prefix",
            str(directory),
            f"@daytonaio/sdk@{VERSION}",
        ]
        subprocess.run(install, check=True, capture_output=True)
        (directory / "complete").touch()
    return directory


def test_the_typescript_client_makes_uses_and_deletes_a_sandbox(package: Path, platform: Platform) -> None:
    script = package / "session.mjs"
    shutil.copy(SCRIPTS / "typescript_session.mjs", script)  # node looks for packages beside the program
    endpoint = platform.endpoint
    variables = {"DAYTONA_API_URL": endpoint.api_url, "DAYTONA_API_KEY": endpoint.api_key}
    done = subprocess.run(
        ["node", str(script)],
        env=platform.variables | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "state": "started",
        "exec": [3, "km\n"],
        "code": "42\n",
        "download": "bytes",
        "files": ["up.txt"],
        "told": "stopped",
        "everything": EVERYTHING,
        "deleted": ["DaytonaNotFoundError", 404],
    }
