"""The two commands of the README, and what stands behind them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.programs import ROOT

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHONS = ("python3", "python3.13", "python3.12", "python3.11")


def sh_block(text: str) -> list[str]:
    """Return the lines of the first block of shell commands."""
    found = re.search(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def shell(script: str, directory: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run *script* where the command of this environment is found."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=variables | {"PATH": path},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_there_are_two_commands() -> None:
    first, second = sh_block(README)
    assert first.startswith("./bootstrap && ")
    assert second == "./bootstrap dev && .venv/bin/nox"


def test_the_first_command_ends_with_code_in_a_sandbox(platform: Platform, tmp_path: Path) -> None:
    command = sh_block(README)[0].removeprefix("./bootstrap && .venv/bin/")
    done = shell(command, tmp_path, platform.variables)
    assert (done.returncode, done.stdout) == (0, "hello from a sandbox\n"), done.stderr


def test_ci_runs_the_second_command_and_nothing_else(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "README.md").write_text(
        "# x\n\n```sh\necho first\necho second\n```\n\n```sh\necho third\n```\n"
    )
    done = subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "second\n")


def test_ci_fails_when_the_command_does(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "README.md").write_text("```sh\ntrue\nfalse && true\n```\n")
    assert subprocess.run([tmp_path / ".ci" / "run"], capture_output=True).returncode == 1


def test_the_command_line_page_can_be_typed(platform: Platform, tmp_path: Path) -> None:
    for name in ("script.py", "slow.py"):
        (tmp_path / name).write_text("import sys\nprint('arguments', sys.argv[1:])\n")
    lines = sh_block((ROOT / "docs" / "command-line.md").read_text(encoding="utf-8"))
    done = shell("\n".join(lines), tmp_path, platform.variables)
    assert done.returncode == 0, done.stderr
    assert "arguments ['--flag', 'value']" in done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A directory with nothing but the script that sets one up."""
    shutil.copy(ROOT / "bootstrap", tmp_path)
    return tmp_path


def bootstrap(clone: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run the script where these programs, given as shell scripts, come before the system's."""
    programs_directory = clone / "bin"
    programs_directory.mkdir()
    for name, text in programs.items():
        program = programs_directory / name.replace("_", ".").replace("apt.", "apt-")
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    environ = os.environ | {"PATH": f"{programs_directory}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([clone / "bootstrap"], env=environ, capture_output=True, text=True)


def test_an_old_python_is_named(clone: Path) -> None:
    old = 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac'
    done = bootstrap(clone, **{name.replace(".", "_"): old for name in PYTHONS})
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; found: Python 3.9.2" in done.stderr


def test_a_missing_part_of_python_is_installed_or_asked_for(clone: Path) -> None:
    without = f'case "$*" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac'
    refusing = 'echo "apt-get $*" >&2; exit 1'
    done = bootstrap(clone, python3=without, apt_get=refusing, sudo='shift; exec "$@"')
    minor = sys.version_info.minor
    assert done.returncode == 1
    assert "apt-get update" in done.stderr
    assert f"as administrator, run: apt-get install python3.{minor}-venv" in done.stderr
