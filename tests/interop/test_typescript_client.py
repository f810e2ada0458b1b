"""The official TypeScript client works against the embedded platform, and so does one that is much older."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peer import OLDER_CLIENTS, SCRIPTS, cache

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform

TOLD = {"0.218.0": "stopped", "0.205.1": "stopped", "0.190.1": "started"}
"""In which state each version believes a sandbox to be that was stopped without it: the older one hears of no events."""

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

BETWEEN = {"0.205.1"}
CALLS = {"0.218.0": 75, "0.205.1": 75, "0.190.1": 65}
"""At least how many things each version can do."""

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def package(version: str) -> Path:
    """Return a directory with the official client, installed on first use and kept for the next run."""
    directory = cache() / f"official-typescript-{version}"
    directory.mkdir(exist_ok=True)
    if not (directory / "complete").exists():
        install = [
            "npm",
            "install",
            "--no-fund",
            "--no-audit",
            "--prefix",
            str(directory),
            f"@daytonaio/sdk@{version}",
        ]
        subprocess.run(install, check=True, capture_output=True)
        (directory / "complete").touch()
    return directory


VERSIONS = [version for version in TOLD if version not in BETWEEN or OLDER_CLIENTS == "all"]


def run(name: str, version: str, platform: Platform, **variables: str) -> Any:
    """Return what a script prints as its last line of JSON; node looks for packages beside the program."""
    script = package(version) / name
    shutil.copy(SCRIPTS / f"typescript_{name}", script)
    address = {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}
    done = subprocess.run(
        ["node", str(script)],
        env=platform.variables | address | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_typescript_client_makes_uses_and_deletes_a_sandbox(version: str, platform: Platform) -> None:
    listens = {"EVENTS": "yes"} if TOLD[version] == "stopped" else {}
    assert run("session.mjs", version, platform, **listens) == {
        "state": "started",
        "exec": [3, "km\n"],
        "code": "42\n",
        "download": "bytes",
        "files": ["up.txt"],
        "told": TOLD[version],
        "everything": EVERYTHING,
        "deleted": ["DaytonaNotFoundError", 404],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_that_a_typescript_client_has_works(version: str, platform: Platform) -> None:
    seen = run("everything.mjs", version, platform)
    assert seen["failed"] == {}
    assert seen["calls"] >= CALLS[version]
