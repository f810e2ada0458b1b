"""Packages that require `daytona` or `daytona-sdk` can be told that it is there."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

STAND_INS = Path(__file__).parents[1] / "stand-ins"


@pytest.mark.parametrize(
    ("name", "variables", "version"),
    [("daytona", {}, "0.226.1"), ("daytona-sdk", {"STAND_IN_VERSION": "0.140.0"}, "0.140.0")],
)
def test_a_stand_in_has_the_name_and_the_version_and_nothing_else(
    name: str, variables: dict[str, str], version: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--target", str(tmp_path), str(STAND_INS / name)], check=True, env=os.environ | variables
    )
    (installed,) = distributions(path=[str(tmp_path)])
    assert (installed.name, installed.version) == (name, version)
    assert installed.requires == ["daytona-anyio"]
    assert not (tmp_path / "daytona").exists()
