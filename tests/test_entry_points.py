"""What is installed, as `importlib.metadata` would tell it."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from daytona._entry_points import EntryPoint, installed

if TYPE_CHECKING:
    from pathlib import Path


def _offer(place: Path, info: str, text: str) -> None:
    (place / info).mkdir(parents=True)
    (place / info / "METADATA").write_text("Metadata-Version: 2.1\nName: Third.Party\nVersion: 1.0\n")
    (place / info / "entry_points.txt").write_text(text)


def _names(group: str) -> list[str]:
    return [point.name for point in installed(group) if point.group == group]


@pytest.fixture(params=["loaded", "not loaded"], autouse=True)
def standard_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the program has imported `importlib.metadata`: what is found is the same."""
    if request.param == "not loaded":
        monkeypatch.delitem(sys.modules, "importlib.metadata")


def test_it_is_what_the_standard_library_finds() -> None:
    groups = {point.group for one in importlib.metadata.distributions() for point in one.entry_points}
    theirs = [point for group in groups for point in importlib.metadata.entry_points(group=group)]
    assert {point[:3] for point in installed("")} == {(one.group, one.name, one.value) for one in theirs}


def test_only_groups_that_begin_so_are_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(
        tmp_path,
        "third_party-1.0.dist-info",
        "# ours\n[ours.one]\na = x\n\n[theirs]\nb=y\n[ours.two]\nc = z [extra]\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = sorted(installed("ours."))
    assert [point[:3] for point in found] == [("ours.one", "a", "x"), ("ours.two", "c", "z [extra]")]


def test_of_two_versions_the_first_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _offer(tmp_path / "first", "Third.Party-2.0.dist-info", "[ours]\nnew = x\n")
    _offer(tmp_path / "second", "third_party-1.0.egg-info", "[ours]\nold = x\n")
    monkeypatch.syspath_prepend(str(tmp_path / "second"))
    monkeypatch.syspath_prepend(str(tmp_path / "first"))
    assert _names("ours") == ["new"]


def test_archives_on_the_path_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("third_party-1.0.dist-info/METADATA", "Name: third_party\nVersion: 1.0\n")
        archive.writestr("third_party-1.0.dist-info/entry_points.txt", "[ours]\nzipped = x\n")
    monkeypatch.syspath_prepend(str(tmp_path / "app.zip"))
    assert _names("ours") == ["zipped"]


def test_who_offers_it_is_known_by_name_and_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(tmp_path, "third_party-1.0.dist-info", "[ours]\na = x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (point,) = installed("ours")
    assert point.dist is not None
    assert (point.dist.name, point.dist.version) == ("Third.Party", "1.0")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("json", "json"),
        ("json:JSONDecoder", "JSONDecoder"),
        ("json.decoder : JSONDecoder.decode [extra]", "decode"),
    ],
)
def test_a_module_and_what_is_in_it_is_loaded(value: str, found: str) -> None:
    loaded = EntryPoint("group", "name", value).load()
    assert getattr(loaded, "__name__", None) == found


def test_a_program_that_changes_what_the_standard_library_finds_is_heeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = importlib.metadata.EntryPoint("own", "json:loads", "ours")
    monkeypatch.setitem(sys.modules, "importlib.metadata", importlib.metadata)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda: importlib.metadata.EntryPoints([point]))
    assert [found[:3] for found in installed("ours")] == [("ours", "own", "json:loads")]
