"""The directories of a platform."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from daytona_plugins.local.paths import Paths


def test_sandboxes_are_kept_far_from_each_other_where_the_file_system_can(paths: Paths) -> None:
    change("+T", paths.runtime)
    assert "T" in attributes(paths.sandboxes)
    assert "T" in attributes(paths.blanks)
    assert "T" not in attributes(paths.data)


def test_other_attributes_stay(paths: Paths) -> None:
    change("+d", paths.sandboxes)
    change("-T", paths.sandboxes)
    paths.make()
    assert {"d", "T"} <= set(attributes(paths.sandboxes))


def test_a_file_system_without_attributes_will_do(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    monkeypatch.setattr("fcntl.ioctl", refuse)
    paths.sandboxes.rmdir()
    paths.make()
    assert paths.sandboxes.is_dir()


def change(attribute: str, directory: Path) -> None:
    """Change an attribute by the system's own program, where the file system has any."""
    if shutil.which("chattr") is None:
        pytest.skip("needs the Debian package e2fsprogs")
    if subprocess.run(["chattr", attribute, directory], capture_output=True).returncode:
        pytest.skip("this file system has no attributes of directories")


def attributes(directory: Path) -> str:
    """Return what `lsattr` prints before the name."""
    shown = subprocess.run(["lsattr", "-d", directory], capture_output=True, text=True, check=True)
    return shown.stdout.split()[0]
