"""Both type checkers, strict, over what they must infer (`promises.py`) and what they must report (`mistakes.py`),
and over a plugin as its author has it (`examples/clipboard-plugin`).

mypy and pyright run as modules of this very interpreter, pyright with `--pythonpath` of it, so that both see the
package as a program does that has installed it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
FILES = ("promises.py", "mistakes.py")
ROOT = HERE.parents[1]

Reports = dict[str, dict[int, str]]
"""By file and line: what a checker says."""


@cache
def mypy() -> Reports:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--show-absolute-path",
        *paths(),
    ]
    text = run([*command, "--warn-unreachable", "--no-pretty"])
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", text, re.MULTILINE)
    return grouped((file, int(line), message) for file, line, message in found)


@cache
def pyright() -> Reports:
    here = ["--project", str(HERE), "--pythonpath", sys.executable]
    command = [sys.executable, "-m", "pyright", *here, "--outputjson"]
    report = json.loads(run(command))
    return grouped(
        (item["file"], item["range"]["start"]["line"] + 1, item["message"])
        for item in report["generalDiagnostics"]
        if item["severity"] == "error"
    )


def paths() -> list[str]:
    return [*(str(HERE / name) for name in FILES), str(ROOT / "examples" / "clipboard-plugin")]


def run(command: list[str]) -> str:
    """Return what a checker prints; it may well fail, but it may not crash."""
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)
    assert finished.returncode in (0, 1), finished.stdout + finished.stderr
    return finished.stdout


def grouped(found: object) -> Reports:
    reports: Reports = {name: {} for name in FILES}
    for file, line, message in found:  # type: ignore[attr-defined]
        reports.setdefault(Path(file).name, {})[line] = message
    return reports


def marked() -> set[int]:
    """Return the lines of `mistakes.py` that are marked."""
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# mistake")}


CHECKERS = pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])


@CHECKERS
def test_every_promise_is_kept(checker: Callable[[], Reports]) -> None:
    assert checker()["promises.py"] == {}


@CHECKERS
def test_every_mistake_is_reported_and_nothing_else(checker: Callable[[], Reports]) -> None:
    found = checker()["mistakes.py"]
    assert {line: found[line] for line in found.keys() - marked()} == {}
    assert sorted(marked() - found.keys()) == []


@CHECKERS
def test_the_example_of_a_plugin_is_typed(checker: Callable[[], Reports]) -> None:
    assert {name: found for name, found in checker().items() if name not in FILES} == {}


def test_there_are_mistakes_to_find() -> None:
    assert len(marked()) > 25
