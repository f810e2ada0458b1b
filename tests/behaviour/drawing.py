"""A real matplotlib for the Python of a sandbox: wheels fetched with pip, unpacked where nothing has to be installed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.interop.peer import cache

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform

SITE = "/tmp/site of charts"


def install_matplotlib(platform: Platform, sandbox_id: str) -> None:
    """Put matplotlib into `SITE` of a sandbox, or skip the test and say why that cannot be."""
    asked = platform.execute(sandbox_id, "python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'")
    if asked["exitCode"]:
        pytest.skip("there is no python3 in the sandbox")
    for wheel in _fetch_wheels(asked["result"].strip()):
        place = f"/toolbox/{sandbox_id}/files/upload-v2?path=/tmp/{wheel.name}"
        assert platform.call("POST", place, wheel.read_bytes()).status == 200
    unpack = f'cd /tmp && for wheel in *.whl; do python3 -m zipfile -e $wheel "{SITE}" && rm $wheel; done'
    assert platform.execute(sandbox_id, unpack) == {"exitCode": 0, "result": ""}


def _fetch_wheels(version: str) -> list[Path]:
    """Return the wheels of matplotlib and all it needs, kept for the next run."""
    directory = cache() / f"matplotlib-{version}"
    complete = directory / "complete"
    if not complete.exists():
        command = ["download", "--quiet", "--only-binary=:all:", "--python-version", version]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *command, "--dest", str(directory), "matplotlib"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"pip cannot fetch matplotlib for Python {version}: {done.stderr.strip()[-300:]}")
        complete.touch()
    return sorted(directory.glob("*.whl"))
