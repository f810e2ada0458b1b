"""The examples in the official package's docstrings end here as they end there.

They are read where that package is installed. Most need things that no platform has unasked, such as a file of some name; so
both clients run them on a platform of its own, and what became of them is compared. The classes whose examples are quick and
need the least are always run; `DAYTONA_TEST_EXAMPLES=all` runs every one, which takes minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import daytona
from tests.interop.peer import ROOT, SCRIPTS, official_python, run_official
from tests.local.platform_process import running_platform

if TYPE_CHECKING:
    from pathlib import Path

EVERY = os.environ.get("DAYTONA_TEST_EXAMPLES") == "all"
CLASSES = "" if EVERY else "(Async)?(CodeInterpreter|FileSystem|Volume)"

OTHERWISE = {
    "Daytona.create[1]": "calls a method of `Image` that is not there; here it is, and the image is not",
    "FileSystem.upload_file_stream[0]": "needs a package that the official client brings",
    "SnapshotService.create[0]": "calls a method of `Image` that is not there; here it is",
}
"""Examples that fail with the official client only, or in another way."""

GENERATED = {"BadRequestException", "ConflictException", "NotFoundException", "ValidationError"}
"""Errors of what the official client is built on, which some of its methods let through."""


@pytest.fixture(scope="module", params=["_sync", "_async"] if EVERY else ["_async"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """What became of the examples with the official client, and with ours."""
    arguments = [str(_official_directory()), request.param, CLASSES]
    directory = tmp_path_factory.mktemp("examples")
    with running_platform() as platform:
        theirs = run_official(
            "docstring_examples.py", arguments, variables=_address(platform), directory=directory
        )
    with running_platform() as platform:
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / "docstring_examples.py"), *arguments],
            env=platform.variables | _address(platform) | {"PYTHONPATH": str(ROOT)},
            cwd=directory,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    return theirs, json.loads(done.stdout.splitlines()[-1])


def test_every_example_ends_as_with_the_official_client(
    both: tuple[dict[str, str | None], dict[str, str | None]],
) -> None:
    theirs, ours = both
    differences = {
        name: (theirs[name], ours[name])
        for name in theirs
        if name.removeprefix("Async") not in OTHERWISE and not _is_as_good(theirs[name], ours[name])
    }
    assert differences == {}
    assert sum(error is None for error in ours.values()) > 10


def _is_as_good(theirs: str | None, ours: str | None) -> bool:
    """Return whether ours is the same, or an error that those who catch theirs catch as well."""
    if theirs == ours or theirs is None or ours is None:
        return theirs == ours
    expected, found = theirs.split()[0], ours.split()[0]
    kinds = [kind.__name__ for kind in getattr(daytona, found, type(None)).__mro__]
    return expected in kinds or (expected in GENERATED and "DaytonaError" in kinds)


def _address(platform: Any) -> dict[str, str]:
    return {"DAYTONA_API_URL": platform.endpoint.api_url, "DAYTONA_API_KEY": platform.endpoint.api_key}


def _official_directory() -> Path:
    (found,) = official_python().parents[1].glob("lib/python3*/site-packages/daytona")
    return found
