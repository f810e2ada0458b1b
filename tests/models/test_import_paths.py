"""The places from which programs import, beside `daytona` itself."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import daytona


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("daytona._async.snapshot", "SnapshotState"),
        ("daytona._async.object_storage", "AsyncObjectStorage"),
        ("daytona._sync.daytona", "Daytona"),
        ("daytona._sync.sandbox", "Sandbox"),
        ("daytona.handle.async_pty_handle", "AsyncPtyHandle"),
        ("daytona.common.errors", "DaytonaError"),
    ],
)
@pytest.mark.parametrize("package", ["daytona", "daytona_sdk"])
@pytest.mark.filterwarnings("ignore:The package daytona_sdk is deprecated:DeprecationWarning")
def test_a_class_is_the_same_wherever_it_comes_from(module: str, name: str, package: str) -> None:
    found = import_module(module.replace("daytona", package, 1))
    assert getattr(found, name) is getattr(daytona, name)
    assert find_spec(module) is not None


def test_models_of_the_wire_are_where_they_were() -> None:
    from daytona.models.git import GitAddRequest

    assert import_module("daytona._sync.git").GitAddRequest is GitAddRequest


def test_a_name_that_is_nowhere_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        from daytona._sync.sandbox import Nothing  # noqa: F401  # pyright: ignore[reportMissingImports]


def test_the_former_name_of_the_package_warns() -> None:
    done = subprocess.run([sys.executable, "-c", "import daytona_sdk"], capture_output=True, text=True)
    assert "The package daytona_sdk is deprecated" in done.stderr
    assert done.returncode == 0
