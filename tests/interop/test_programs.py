"""Programs by others that use the official package, unchanged, with ours in its place.

`DAYTONA_TEST_PROGRAMS=official` runs them with the official client instead: what they see must be the same.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daytona_plugins.local.platform.preview_addresses import names_resolve
from tests.interop.peer import ROOT, VERSION, python_with

if TYPE_CHECKING:
    from tests.local.platform_process import Platform

PROGRAMS = Path(__file__).parent / "programs"
pytestmark = pytest.mark.timeout(600)  # the packages are installed on first use

OFFICIAL = os.environ.get("DAYTONA_TEST_PROGRAMS") == "official"
REQUIREMENTS = (
    "agno==3.1.10",
    "langchain-daytona==0.0.9",
    "langchain-tests==1.1.9",
    "openai-agents[daytona]==0.24.0",
)

AGNO = {
    "code": "4 km\n",
    "broken code": True,
    "directory": "Changed directory to: /tmp",
    "shell": "/tmp\nto stderr\n",
    "failing shell": "",
    "create": "File created/updated: /tmp/notes/a.txt",
    "delete": "Deleted: /tmp/notes/a.txt",
    "labels": ["agno_daytona_toolkit", "true"],
}
OPENAI_AGENTS = {
    "exec": [3, "km\n", "problem\n"],
    "time limit": "ExecTimeoutError",
    "read": b"\x00one\n".hex(),
    "ls": ["a.txt"],
    "terminal": [5, True],
    "port": "the listing" if names_resolve() else None,
    "put back": b"\x00one\n".hex(),
    "resumed": True,
    "running": True,
    "running after its end": False,
}
LANGCHAIN_FAILS = {
    "test_glob",
    "test_glob_basic_pattern",
    "test_glob_hidden_files_explicitly",
    "test_glob_with_character_class",
    "test_glob_with_directories",
    "test_glob_with_question_mark",
    "test_write_existing_file_fails",
}
"""What LangChain's suite finds wrong with its own backend, whichever client is below."""


@cache
def python() -> Path:
    """Return an interpreter that has the programs, and one of the two clients."""
    if OFFICIAL:
        return python_with(f"programs-official-{VERSION}", f"daytona=={VERSION}", *REQUIREMENTS)
    found = python_with("programs", str(ROOT), str(ROOT / "stand-ins" / "daytona"), *REQUIREMENTS)
    # What was kept of an earlier run has the client of that run.
    ours = [str(found), "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(ROOT)]
    subprocess.run(ours, check=True, capture_output=True)
    return found


def _run(platform: Platform, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAYTONA_", "PY"))}
    endpoint = platform.endpoint
    variables = {"DAYTONA_API_URL": endpoint.api_url, "DAYTONA_API_KEY": endpoint.api_key}
    return subprocess.run(
        [str(python()), *arguments],
        env=kept | variables,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )


def _seen_by(program: str, platform: Platform, directory: Path) -> dict[str, Any]:
    done = _run(platform, directory, str(PROGRAMS / program))
    assert done.returncode == 0, f"{program} failed\n{done.stdout}\n{done.stderr}"
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_tools_of_agno(platform: Platform, tmp_path: Path) -> None:
    seen = _seen_by("agno_tools.py", platform, tmp_path)
    assert {name: seen[name] for name in AGNO} == AGNO
    assert "a.txt" in seen["list"]
    assert "a note" in seen["read"]


def test_a_sandbox_of_the_openai_agents_sdk(platform: Platform, tmp_path: Path) -> None:
    assert _seen_by("openai_agents.py", platform, tmp_path) == OPENAI_AGENTS


def test_the_suite_of_langchain(platform: Platform, tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "langchain_suite.py", tmp_path)
    suite = ("-m", "pytest", "-q", "-rf", "--tb=short", "-o", "asyncio_mode=auto", "langchain_suite.py")
    done = _run(platform, tmp_path, *suite)
    failed = set(re.findall(r"^FAILED .*::(\w+)", done.stdout, re.MULTILINE))
    assert failed == LANGCHAIN_FAILS, done.stdout
    assert re.search(r"\b79 passed\b", done.stdout), done.stdout
