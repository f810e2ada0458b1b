"""What programs do with the official client's models, which are pydantic's, they can do with ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from tests.interop.peer import ROOT, run_official

DIFFERENT = {
    "missing keyword": "a TypeError, as of any constructor",
    "state as text": "the word itself",
}
"""What is another on purpose, and how."""


def _seen(directory: Path, variables: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = run_official("models_usage.py", variables=variables, directory=directory)
    return found


def test_programs_see_the_same(tmp_path: Path) -> None:
    """Both run beside the official client's own pydantic: ours is found first, with the one package that it needs for this."""
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "msgspec").symlink_to(Path(msgspec.__file__).parent)
    theirs = _seen(tmp_path)
    ours = _seen(tmp_path, {"PYTHONPATH": os.pathsep.join([str(ROOT), str(beside)])})
    assert {name for name in theirs if theirs[name] != ours[name]} == set(DIFFERENT)
