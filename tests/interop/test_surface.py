"""Every call that the official client accepts, ours accepts too: names, order and defaults of parameters are compared.

The two are introspected in interpreters of their own, because they share an import name. What differs on purpose is in
the tables, and a table that says more than is true fails as well.
"""

from __future__ import annotations

from importlib import import_module
from itertools import zip_longest
from typing import Any

import pytest

DIFFERENT = {
    "download_file": "takes *args there, so that keywords fail; here the parameters have names",
}
"""Signatures that accept more than the official ones, in another shape."""


DESKTOP = ("ComputerUse", "Mouse", "Keyboard", "Screenshot", "Display", "RecordingService", "Accessibility")
CLASSES = (
    "Daytona",
    "AsyncDaytona",
    "Sandbox",
    "AsyncSandbox",
    "FileSystem",
    "AsyncFileSystem",
    "Process",
    "AsyncProcess",
    "Git",
    "AsyncGit",
    "CodeInterpreter",
    "AsyncCodeInterpreter",
    "PtyHandle",
    "AsyncPtyHandle",
    "LspServer",
    "AsyncLspServer",
    "VolumeService",
    "AsyncVolumeService",
    "SecretService",
    "AsyncSecretService",
    "WarmPoolService",
    "AsyncWarmPoolService",
    "ObjectStorage",
    "AsyncObjectStorage",
    *(f"{face}{name}" for face in ("", "Async") for name in DESKTOP),
)


def test_every_public_name_can_be_imported(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert set(theirs["names"]) - set(ours["names"]) == set()


def test_every_class_can_be_imported_from_where_the_official_package_keeps_it(theirs: dict[str, Any]) -> None:
    missing = [
        f"{module}.{name}"
        for module, names in theirs["paths"].items()
        for name in names
        if not hasattr(import_module(module), name)
    ]
    assert missing == ["daytona.common.image.ObjectStorage"]  # a type it names; images load no client here


@pytest.mark.parametrize("name", CLASSES)
def test_methods_take_what_the_official_ones_take(
    name: str, theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    problems = [
        f"{method}: {problem}"
        for method, parameters in theirs["classes"][name].items()
        if method not in DIFFERENT
        for problem in _problems(parameters, ours["classes"][name].get(method))
    ]
    assert problems == []


def test_the_tables_say_no_more_than_is_true(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    known = {method for methods in theirs["classes"].values() for method in methods}
    assert DIFFERENT.keys() - known == set()


Parameter = list[str | None]


def _problems(theirs: list[Parameter], ours: list[Parameter] | None) -> list[str]:
    """Return why a call that fits *theirs* might not fit *ours*; further parameters with defaults are fine."""
    if ours is None:
        return ["is missing"]
    pairs = [
        *zip_longest(_positional(theirs), _positional(ours)[: len(_positional(theirs))]),
        *((wanted, _named(wanted[0], ours)) for wanted in theirs if wanted[1] == "KEYWORD_ONLY"),
    ]
    wrong = [f"{mine} should be {wanted}" for wanted, mine in pairs if not _fits(wanted, mine)]
    known = {wanted[0] for wanted in theirs}
    return wrong + [f"{mine[0]} has no default" for mine in ours if mine[0] not in known and mine[2] is None]


def _positional(parameters: list[Parameter]) -> list[Parameter]:
    return [one for one in parameters if one[1] != "KEYWORD_ONLY"]


def _named(name: str | None, parameters: list[Parameter]) -> Parameter | None:
    return next((one for one in parameters if one[0] == name), None)


def _fits(wanted: Parameter, mine: Parameter | None) -> bool:
    """A default where the official client has none takes nothing away."""
    return mine is not None and mine[:2] == wanted[:2] and (wanted[2] is None or mine[2] == wanted[2])
