"""What the documentation shows is what happens: every program in it runs, against a real embedded platform."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.behaviour.desktop_programs import lacking
from tests.docs.programs import ROOT, Program, blocks, examples, fences

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.platform_process import Platform

BLOCKS = blocks()
NOT_RUN = {block.place.partition(":")[0]: block.reason for block in BLOCKS if block.reason is not None}

SAID_BY_EXAMPLES = {
    "agent.py": ["attempt 1: stopped", "attempt 2: exit code 1: KeyError", "attempt 3:", "'total': 450"],
    "asyncio_example.py": ["3 squared is 9", "5 squared is 25", "8 squared is 64"],
    "blocking.py": ["exit code 0", "Linux", "5050", "pears\napples"],
    "desktop.py": ["the window is called An editor in a sandbox", "it says 15 words", "desktop.png"],
    "trio_example.py": ["echo quick: quick", "sleep 60: no answer in 2 seconds"],
}


def run(code: list[str], platform: Platform, directory: Path) -> str:
    """Return what a program prints when it finds *platform* as a user's program finds the user's."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *code],
        env=platform.variables | {"PYTHONPATH": str(ROOT)},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.name)
def test_an_example_says_what_it_is_for(path: Path, platform: Platform, tmp_path: Path) -> None:
    if path.name == "desktop.py" and lacking():
        pytest.skip(f"needs the packages {' '.join(lacking())}")
    said = run([str(path)], platform, tmp_path)
    missing = [text for text in SAID_BY_EXAMPLES[path.name] if text not in said]
    assert not missing, said


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.place) for block in BLOCKS if block.reason is None]
)
def test_a_program_in_the_documentation_runs(block: Program, platform: Platform, tmp_path: Path) -> None:
    said = run(["-c", block.code], platform, tmp_path)
    expected = [line.split("# prints ", 1)[1] for line in block.code.splitlines() if "# prints " in line]
    missing = [text for text in expected if text not in said]
    assert not missing, said


def test_no_block_is_overlooked() -> None:
    assert len(BLOCKS) == fences()


def test_what_cannot_run_is_known() -> None:
    assert NOT_RUN == {}
    assert sum(block.reason is not None for block in BLOCKS) == len(NOT_RUN)


def test_examples_leave_no_sandbox_behind(platform: Platform, tmp_path: Path) -> None:
    before = {item["id"] for item in platform.api("GET", "/sandbox").json["items"]}
    run([str(ROOT / "examples" / "trio_example.py")], platform, tmp_path)
    assert {item["id"] for item in platform.api("GET", "/sandbox").json["items"]} <= before


def test_the_page_on_plugins_shows_the_very_files_of_the_example() -> None:
    page = ROOT / "docs" / "plugins.md"
    shown = re.findall(r"^```\{literalinclude\} (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    example = ROOT / "examples" / "clipboard-plugin"
    written = {path for path in example.rglob("*") if path.suffix in (".py", ".toml")}
    assert {(page.parent / name).resolve() for name in shown} == written - {
        example / "clipboard_plugin" / "__init__.py"
    }
