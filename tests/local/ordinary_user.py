"""Runs a file of tests again as a user without any rights, when we are root."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="we are an ordinary user already")


def run_as_ordinary_user(file: str) -> None:
    """Run the tests in *file* with an interpreter that an ordinary user can reach, and expect them to pass."""
    site_packages = sysconfig.get_path("purelib")
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not os.access(python, os.X_OK) or not _readable_by_others(Path(site_packages)):
        pytest.skip(f"no interpreter of our version that another user can run: {python}")
    tests = Path(file)
    result = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-B", "-m", "pytest", "-q",
         "-p", "no:cacheprovider", str(tests)],
        cwd=tests.parents[2],
        env={"PATH": os.defpath, "PYTHONPATH": f"{tests.parents[2]}:{site_packages}", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert " passed" in result.stdout


def _readable_by_others(path: Path) -> bool:
    return all(directory.stat().st_mode & 0o005 == 0o005 for directory in (path, *path.parents))
