"""A Debian made here: what becomes of what `mmdebstrap` makes, and of what it says.

The program needs minutes and a package mirror, so most of this runs with a stand-in for it that is quick. With
TEST_MMDEBSTRAP=1 in the environment the real one makes a real Debian.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from daytona_plugins.local.cli import local
from daytona_plugins.local.images.layers import Layers
from daytona_plugins.local.images.table import ImageTable
from daytona_plugins.local.paths import Paths
from tests.local.platform_process import short_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAKES = """#!/bin/sh
echo "$@"
for word; do case $word in *.tar) target=$word;; esac; done
mkdir -p tree/etc && echo 12.0 > tree/etc/debian_version && tar -C tree -cf "$target" .
"""
REFUSES = "#!/bin/sh\necho 'E: unable to pick chroot mode automatically (use --mode for manual selection)'; exit 1\n"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    monkeypatch.chdir(tmp_path)
    with short_directory() as directory:
        monkeypatch.setenv("DAYTONA_LOCAL_DIR", str(directory))
        yield Paths.from_environment()


def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> tuple[int, str]:
    file = tmp_path / "bin" / "mmdebstrap"
    file.parent.mkdir()
    file.write_text(program)
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")
    result = CliRunner().invoke(local, ["image", "bootstrap", "--suite", "trixie"])
    return result.exit_code, result.output


def version(paths: Paths, name: str) -> str:
    (layer,) = Layers(paths).paths_of(ImageTable(paths).read().images[name].image.layers)
    with open(f"{layer}/root/files/etc/debian_version") as file:
        return file.read()


def test_what_it_makes_is_an_image(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = bootstrap(tmp_path, monkeypatch, MAKES)
    assert (code, "--variant=minbase" in output) == (0, True)
    assert "local/debian:trixie is Debian trixie, made here by mmdebstrap" in output
    assert version(paths, "local/debian:trixie") == "12.0\n"
    assert list((paths.data / "builds").iterdir()) == []


def test_what_it_says_is_told_with_what_helps(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output = bootstrap(tmp_path, monkeypatch, REFUSES)
    assert (code, "unable to pick chroot mode" in output, "--add-subuids" in output) == (1, True, True)
    assert ImageTable(paths).read().images == {}


def test_without_it_there_is_an_error(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(paths.data))
    result = CliRunner().invoke(local, ["image", "bootstrap"])
    assert (result.exit_code, "this machine has no mmdebstrap" in result.output) == (1, True)


@pytest.mark.skipif(
    "TEST_MMDEBSTRAP" not in os.environ or shutil.which("mmdebstrap") is None,
    reason="takes minutes: needs TEST_MMDEBSTRAP=1 and the Debian package mmdebstrap",
)
@pytest.mark.timeout(900)
def test_the_real_program_makes_a_real_debian(paths: Paths) -> None:
    result = CliRunner().invoke(local, ["image", "bootstrap"])
    assert result.exit_code == 0, result.output
    assert version(paths, "local/debian:bookworm").startswith("12.")
