"""A plugin of somebody else: built into a wheel, installed with this project into a new environment, and used there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.docs.programs import ROOT
from tests.local.platform_process import short_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = ROOT / "examples" / "clipboard-plugin"


class Environment(NamedTuple):
    """A virtual environment with nothing in it but wheels, and a platform of its own."""

    programs: Path
    project: Path
    variables: dict[str, str]

    def run(self, program: str, *arguments: str, status: int = 0) -> str:
        """Return what a program of the environment prints."""
        done = run([str(self.programs / program), *arguments], self.project, self.variables)
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def run(
    command: list[str], directory: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=directory, env=variables, capture_output=True, text=True, check=False, timeout=170
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    directory = tmp_path_factory.mktemp("third-party")
    project = directory / "clipboard-plugin"
    shutil.copytree(EXAMPLE, project)
    install(directory, wheel(ROOT, directory), wheel(project, directory))
    with short_directory() as local:
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "DAYTONA_LOCAL_DIR": str(local)}
        made = Environment(directory / "environment" / "bin", project, variables)
        yield made
        made.run("daytona", "local", "stop")


def wheel(project: Path, directory: Path) -> str:
    """Return the wheel of a project, built by the build system that its pyproject.toml names."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    before = set(directory.glob("*.whl"))
    done = run(command, project)
    assert done.returncode == 0, done.stderr
    (built,) = set(directory.glob("*.whl")) - before
    return str(built)


def install(directory: Path, ours: str, theirs: str) -> None:
    """Make an environment of the two wheels, what they need, and what the plugin's tests need."""
    done = run([sys.executable, "-m", "venv", "environment"], directory)
    assert done.returncode == 0, done.stderr
    pip = [str(directory / "environment" / "bin" / "pip"), "install", "--quiet"]
    done = run([*pip, f"{ours}[local,trio]", theirs, "pytest"], directory)
    assert done.returncode == 0, done.stderr


def test_its_own_tests_pass_on_the_three_faces(environment: Environment) -> None:
    said = environment.run("python", "-W", "error", "-m", "pytest", "-q", "tests")
    assert "4 passed" in said


def test_the_command_lists_it(environment: Environment) -> None:
    lines = environment.run("daytona", "plugins").splitlines()
    assert [line for line in lines if "clipboard" in line] == [
        "daytona.sandbox_services  clipboard  daytona-clipboard 1.0.0 (clipboard_plugin.service:AsyncClipboard)  ok",
        "daytona.agent_services  clipboard  daytona-clipboard 1.0.0 (clipboard_plugin.agent:add_clipboard)  ok",
    ]
    assert all(line.endswith("  ok") for line in lines)


def test_its_blocking_face_is_what_the_public_tool_writes(environment: Environment) -> None:
    package = "clipboard_plugin"
    environment.run(
        "python", "-m", "daytona.faces", "--check", f"{package}/service.py", f"{package}/blocking.py"
    )


def test_without_it_the_attribute_is_missing(environment: Environment) -> None:
    program = "from daytona import Daytona; print(hasattr(Daytona(), 'clipboard'))"
    assert environment.run("python", "-c", program) == "False\n"
