"""The tests of this directory cover the whole catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from tests.toolbox.catalogue import CASES, ELSEWHERE

HERE = Path(__file__).parent
MARKER = re.compile(r"^@pytest\.mark\.case\(([\d, ]+)\)", re.MULTILINE)


def test_every_case_has_a_test() -> None:
    shown = {
        int(number)
        for path in HERE.glob("test_*.py")
        for numbers in MARKER.findall(path.read_text("utf-8"))
        for number in numbers.split(",")
    }
    assert shown | ELSEWHERE.keys() == CASES.keys() == set(range(1, 78))


def test_what_is_shown_elsewhere_is_there() -> None:
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert name in (HERE.parent / path).read_text("utf-8")
