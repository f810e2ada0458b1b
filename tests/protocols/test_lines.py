from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from daytona.protocols.lines import LineSplitter


@given(st.text(), st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_how_the_bytes_were_cut(text: str, cuts: list[int]) -> None:
    data = text.encode()
    borders = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    splitter = LineSplitter()
    lines = [line for start, end in pairwise(borders) for line in splitter.receive(data[start:end])]
    lines += splitter.end()
    whole = [line.removesuffix("\r") for line in text.split("\n")[:-1]]
    assert lines == whole + ([text.split("\n")[-1]] if text.split("\n")[-1] else [])


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    splitter = LineSplitter()
    assert splitter.receive(b"a\xff\nb\xe2\x98") == ["a\ufffd"]
    assert splitter.end() == ["b\ufffd"]
