"""What we read in a Dockerfile is what another parser reads in it."""

from __future__ import annotations

import io

from dockerfile_parse import DockerfileParser
from hypothesis import given, strategies as st

from daytona.protocols.dockerfile import logical_lines
from daytona.protocols.expansion import expand
from daytona_plugins.local.images.dockerfile import Set, parse

PLAIN = st.text("abxyz019._/&|;=-", min_size=1, max_size=8)
NAMES = st.sampled_from(["A", "B", "COLOR", "x_1"])
BREAKS = st.sampled_from([" ", "  ", " \\\n", " \\\n    ", " \\\n# a comment\n  ", " \\  \n "])
WORDS = st.sampled_from(
    ["RUN", "run", "CMD", "LABEL", "USER", "Workdir", "COPY", "ADD", "EXPOSE", "ENTRYPOINT"]
)


def peer(text: str) -> DockerfileParser:
    parser = DockerfileParser(fileobj=io.BytesIO())  # pyright: ignore[reportArgumentType]  # its annotation is wrong
    parser.content = text
    return parser


@st.composite
def instructions(draw: st.DrawFn) -> str:
    words = draw(st.lists(PLAIN.filter(lambda word: not word.startswith("#")), min_size=1, max_size=4))
    text = draw(WORDS)
    for word in words:
        text += draw(BREAKS) + word
    return text


@given(st.lists(st.one_of(instructions(), st.sampled_from(["", "# comment", "  # comment"])), max_size=6))
def test_instructions_begin_and_end_at_the_same_places(lines: list[str]) -> None:
    text = "\n".join(["FROM x", *lines, ""])
    ours = [
        (line.text.split()[0].upper(), line.number - 1, line.text.split()[1:]) for line in logical_lines(text)
    ]
    theirs = [
        (found["instruction"], found["startline"], found["value"].split())
        for found in peer(text).structure
        if found["instruction"] != "COMMENT"
    ]
    assert ours == theirs


def quoted(value: str, how: str) -> str:
    if how == "double":
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if how == "single":
        return "'" + value.replace("'", "") + "'"
    return "".join(f"\\{letter}" if letter in " '\"\\" else letter for letter in value)


@st.composite
def assignments(draw: st.DrawFn) -> str:
    pairs: list[str] = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        value = draw(
            st.one_of(
                st.text("abc .-'\"", max_size=6), st.sampled_from(["$A", "${B}", "x${COLOR}y", "$UNSET"])
            )
        )
        pairs.append(f"{name}={quoted(value, draw(st.sampled_from(['double', 'single', 'plain'])))}")
    return f"ENV {' '.join(pairs)}"


def not_continued(line: str) -> bool:
    """Return whether the next line is another: blanks behind a backslash do not keep it from joining the two."""
    return not line.rstrip(" ").endswith("\\")


@given(st.lists(assignments().filter(not_continued), min_size=1, max_size=4))
def test_variables_have_the_same_values(lines: list[str]) -> None:
    text = "\n".join(["FROM x", *lines])
    env: dict[str, str] = {}
    for instruction in parse(text).stages[0].instructions:
        assert isinstance(instruction, Set)
        env |= {name: expand(value, env) for name, value in instruction.pairs}
    assert env == peer(text).envs
