"""What Dockerfiles say, and what is refused instead of being left out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from daytona_plugins.local.images.dockerfile import (
    Arg,
    Copy,
    DockerfileError,
    Instruction,
    Note,
    Place,
    Program,
    Run,
    Set,
    parse,
)
from daytona_plugins.local.images.expand import expand

WORDS = st.text("abcXYZ019._-/é ☃'\"\\$`=#", min_size=1, max_size=12)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


def only(text: str) -> Instruction:
    """Return the one instruction after FROM."""
    (instruction,) = parse(f"FROM x\n{text}").stages[0].instructions
    return instruction


def test_stages_have_names_and_arguments() -> None:
    found = parse("ARG V=1\nfrom debian:$V AS Build\nRUN a\nFROM scratch\nCOPY --from=build /a /b\n")
    assert found.arguments == (Arg(1, "ARG V=1", "V", "1"),)
    assert [(stage.image, stage.name) for stage in found.stages] == [
        ("debian:$V", "build"),
        ("scratch", None),
    ]
    (copy,) = found.stages[1].instructions
    assert isinstance(copy, Copy)
    assert (copy.source, copy.paths, copy.destination) == ("build", ("/a",), "/b")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("RUN echo a && b", "echo a && b"),
        ('RUN ["echo", "a b"]', ("echo", "a b")),
        ("RUN [ -f x ] && y", "[ -f x ] && y"),
        ("RUN a \\\n  b \\\n# comment\n\n  c", "a   b   c"),
        ("run   a\\\r\nb", "ab"),
        ("# escape=`\nRUN a `\nb", "a b"),
        ("RUN echo $((1 << 2)) 1<<x", "echo $((1 << 2)) 1<<x"),
        ("RUN --network=host a", "a"),
    ],
)
def test_run_takes_a_text_or_words(text: str, command: object) -> None:
    prefix = "FROM x\n" if not text.startswith("# escape") else ""
    text = text.replace("RUN", "FROM x\nRUN", 1) if not prefix else prefix + text
    (run,) = parse(text).stages[0].instructions
    assert isinstance(run, Run)
    assert run.command == command


def test_sources_and_destinations_may_hold_blanks() -> None:
    for text in ('COPY ["a b", "c d", "/to here/"]', 'COPY "a b" c\\ d "/to here/"'):
        copy = only(text)
        assert isinstance(copy, Copy)
        assert (copy.paths, copy.destination, copy.unpack) == (("a b", "c d"), "/to here/", False)
    add = only("ADD --chown=1:2 --chmod=644 x.tar /y")
    assert isinstance(add, Copy)
    assert (add.unpack, add.chown, add.chmod) == (True, "1:2", "644")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV A=b C='d e' F=\"g h\" I=j\\ k", (("A", "b"), ("C", "d e"), ("F", "g h"), ("I", "j k"))),
        ("ENV A b  c", (("A", "b  c"),)),
        ("ENV A='$x' B=\"$x\" C=\\$x", (("A", "\\$x"), ("B", "$x"), ("C", "\\$x"))),
        ("LABEL a.b='it''s'", (("a.b", "its"),)),
    ],
)
def test_pairs_are_read_with_their_quotes(text: str, pairs: object) -> None:
    found = only(text)
    assert isinstance(found, Set)
    assert found.pairs == pairs


def test_programs_and_places() -> None:
    assert only('ENTRYPOINT ["a", "b"]') == Program(2, 'ENTRYPOINT ["a", "b"]', "ENTRYPOINT", ("a", "b"))
    assert only("CMD []") == Program(2, "CMD []", "CMD", ())
    assert only("CMD a b") == Program(2, "CMD a b", "CMD", "a b")
    assert only('WORKDIR "/a b"') == Place(2, 'WORKDIR "/a b"', "WORKDIR", "/a b")
    assert only("EXPOSE 80") == Note(2, "EXPOSE 80", "EXPOSE")
    assert parse('FROM a\nENTRYPOINT ["x"]\nENTRYPOINT y z\n').entrypoint == ("y z",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("# only a comment", 1),
        ("RUN a", 1),
        ("FROM", 1),
        ("FROM a b c", 1),
        ("FROM a\nRUN", 2),
        ("FROM a\nFETCH b", 2),
        ("FROM a\nONBUILD RUN b", 2),
        ("FROM a\n\nCOPY b", 3),
        ("FROM a\nCOPY b c d", 2),
        ("FROM a\nCOPY --parents b c", 2),
        ("FROM a\nADD https://example.org/x /x", 2),
        ("FROM a\nRUN --mount=type=secret,id=x b", 2),
        ("FROM a\nRUN <<EOF\nb\nEOF", 2),
        ("FROM a\nENV b", 2),
        ("FROM a\nENV a=b c", 2),
        ("FROM a\nSHELL bash", 2),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    assert caught.value.line == line


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_words_in_json_are_taken_as_they_are(words: list[str]) -> None:
    run = only(f"RUN {json.dumps(words)}")
    assert isinstance(run, Run)
    assert run.command == tuple(words)


@given(NAMES, WORDS)
def test_a_value_in_quotes_survives_parsing_and_expansion(name: str, value: str) -> None:
    quoted = "'" + value.replace("'", "'\"'\"'") + "'"
    found = only(f"ENV {name}={quoted}")
    assert isinstance(found, Set)
    ((key, text),) = found.pairs
    assert (key, expand(text, {"X": "never"})) == (name, value)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        stages = parse(text).stages
    except DockerfileError as error:
        wrong = error
    else:
        assert stages
        return
    assert wrong.line >= 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-$B", "1-"),
        ("${A}x", "1x"),
        ("${B:-d}|${E:-d}|${E-d}|${B-d}", "d|d||d"),
        ("${A:+i}|${B:+i}|${E:+i}|${E+i}", "i|||i"),
        ("\\$A $ ${A", "$A $ ${A"),
        ("${B:-$A}", "1"),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert expand(text, {"A": "1", "E": ""}) == value
