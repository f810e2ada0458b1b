"""The programs that stand in README, docs and examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Program(NamedTuple):
    """A program, and where it stands."""

    place: str
    code: str
    reason: str | None = None
    """Why it is not run."""


def pages() -> list[Path]:
    """Return the files with text for readers."""
    written = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(written)]


def blocks() -> list[Program]:
    """Return every python block of every page."""
    return [block for page in pages() for block in _blocks_of(page)]


def _blocks_of(page: Path) -> Iterator[Program]:
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code"))
        yield Program(f"{page.relative_to(ROOT)}:{line}", match["code"], match["reason"])


def fences() -> int:
    """Return how many python blocks there are, counted without looking for their ends."""
    return sum(len(re.findall(r"^\s*```python", page.read_text("utf-8"), re.MULTILINE)) for page in pages())


def examples() -> list[Path]:
    """Return the files in examples/."""
    return sorted((ROOT / "examples").glob("*.py"))
