"""Every call that the official client accepts, ours accepts too: names, order and defaults of parameters are compared.

The two are introspected in interpreters of their own, because they share an import name. What differs on purpose, or is
yet to come, is in the tables, and a table that says more than is true fails as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import zip_longest
from typing import Any

import pytest

from tests.interop.peer import ROOT, SCRIPTS, run_official

LATER = {
    "get_metrics": "history of a sandbox's load, from the analytics API",
    "download_file_stream": "streams",
    "upload_file_stream": "streams",
    "create_pty_session": "terminals",
    "connect_pty_session": "terminals",
    "get_pty_session_info": "terminals",
    "kill_pty_session": "terminals",
    "list_pty_sessions": "terminals",
    "resize_pty_session": "terminals",
    "get_entrypoint_logs_async": "streams",
    "get_session_command_logs_async": "streams",
    "get_user_root_dir": "an alias, deprecated upstream",
}
"""Methods that this version does not have yet."""

NOT_WANTED = {
    "to_str": "a print of the generated models",
}
"""Methods that are no part of the official client's documented interface."""

DIFFERENT = {
    "download_file": "takes *args there, so that keywords fail; here the parameters have names",
}
"""Signatures that accept more than the official ones, in another shape."""


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The official surface."""
    found: dict[str, Any] = run_official("surface.py", directory=tmp_path_factory.mktemp("surface"))
    return found


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Our surface."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "surface.py")],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


CLASSES = (
    "Daytona",
    "AsyncDaytona",
    "Sandbox",
    "AsyncSandbox",
    "FileSystem",
    "AsyncFileSystem",
    "Process",
    "AsyncProcess",
)


def test_every_public_name_can_be_imported(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert set(theirs["names"]) - set(ours["names"]) == set()


@pytest.mark.parametrize("name", CLASSES)
def test_methods_take_what_the_official_ones_take(
    name: str, theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    problems = [
        f"{method}: {problem}"
        for method, parameters in theirs["classes"][name].items()
        if method not in {*LATER, *NOT_WANTED, *DIFFERENT}
        for problem in _problems(parameters, ours["classes"][name].get(method))
    ]
    assert problems == []


def test_the_tables_say_no_more_than_is_true(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    known = {method for methods in theirs["classes"].values() for method in methods}
    there = {method for methods in ours["classes"].values() for method in methods}
    assert {*LATER, *NOT_WANTED, *DIFFERENT} - known == set()
    assert (LATER.keys() | NOT_WANTED.keys()) & there == set()


def _problems(theirs: list[list[str | None]], ours: list[list[str | None]] | None) -> list[str]:
    """Return why a call that fits *theirs* might not fit *ours*; further parameters with defaults are fine."""
    if ours is None:
        return ["is missing"]
    found = [
        f"parameter {number} is {mine} and should be {wanted}"
        for number, (wanted, mine) in enumerate(zip_longest(theirs, ours[: len(theirs)]))
        if wanted != mine
    ]
    return found + [
        f"{name} has no default" for name, _kind, default in ours[len(theirs) :] if default is None
    ]
