"""What Dockerfiles say, and what is refused instead of being left out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from daytona.protocols.dockerfile import Heredoc, logical_lines
from daytona.protocols.expansion import ExpandError, expand
from daytona_plugins.local.images.dockerfile import (
    Arg,
    Copy,
    DockerfileError,
    Health,
    Instruction,
    Mark,
    Place,
    Program,
    Run,
    RunMount,
    Set,
    Trigger,
    parse,
    parse_trigger,
)

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
        ("RUN echo $((1 << 2)) $((1<<2))", "echo $((1 << 2)) $((1<<2))"),
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


def test_what_is_written_down_for_others() -> None:
    assert only("EXPOSE 80 $P/udp") == Mark(2, "EXPOSE 80 $P/udp", "EXPOSE", ("80", "$P/udp"))
    assert only('VOLUME ["/a b"]') == Mark(2, 'VOLUME ["/a b"]', "VOLUME", ("/a b",))
    assert only("VOLUME /a /b") == Mark(2, "VOLUME /a /b", "VOLUME", ("/a", "/b"))
    assert only("MAINTAINER A B <c>") == Mark(2, "MAINTAINER A B <c>", "MAINTAINER", ("A B <c>",))
    text = "HEALTHCHECK --interval=5m --retries=3 CMD curl -f x || exit 1"
    options = (("interval", "5m"), ("retries", "3"))
    assert only(text) == Health(2, text, "curl -f x || exit 1", options)
    assert only('HEALTHCHECK CMD ["a"]') == Health(2, 'HEALTHCHECK CMD ["a"]', ("a",), ())
    assert only("HEALTHCHECK NONE") == Health(2, "HEALTHCHECK NONE", None, ())
    assert only("ONBUILD run  a") == Trigger(2, "ONBUILD run  a", "run a")
    assert list(parse_trigger("run a")) == [Run(1, "run a", "a")]


def test_here_documents() -> None:
    run = only("RUN <<EOF\na \\\n# no comment\n\tb\nEOF\n")
    assert isinstance(run, Run)
    assert (run.command, run.script) == ("a \\\n# no comment\n\tb\n", False)
    run = only("RUN <<-'EOF'\n\t#!/bin/x\n\tEOF\n")
    assert isinstance(run, Run)
    assert (run.command, run.script) == ("#!/bin/x\n", True)
    run = only("RUN cat <<A 3<<B > x\na\nA\nb\nB\n")
    assert isinstance(run, Run)
    assert run.command == "cat <<A 3<<B > x\na\nA\nb\nB\n"
    copy = only('COPY --chmod=700 <<"one" two <<three /to/\n$1\none\n$3\nthree\n')
    assert isinstance(copy, Copy)
    assert (copy.paths, copy.destination, copy.chmod) == (("two",), "/to/", "700")
    assert copy.heredocs == (
        Heredoc('<<"one"', "one", "$1\n", literal=True),
        Heredoc("<<three", "three", "$3\n", literal=False),
    )
    trigger = only("ONBUILD RUN <<EOF\nFROM x\nEOF\n")
    assert isinstance(trigger, Trigger)
    (later,) = parse_trigger(trigger.instruction)
    assert isinstance(later, Run)
    assert later.command == "FROM x\n"


@pytest.mark.parametrize(
    "text", ["RUN echo '<<EOF'", "RUN cat<<EOF", "ENV A=<<EOF", "RUN a <<< b", "CMD <<EOF"]
)
def test_what_only_looks_like_a_here_document(text: str) -> None:
    assert [line.heredocs for line in logical_lines(f"FROM x\n{text}\nRUN y\n")] == [(), (), ()]


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("type=cache,target=/c", RunMount("cache", "/c", name="/c")),
        ("type=cache,dst=/c,id=x,sharing=locked", RunMount("cache", "/c", name="x", shared=False)),
        ("target=/b", RunMount("bind", "/b", name="/b")),
        ("type=bind,from=s,src=/a,dst=/b,ro", RunMount("bind", "/b", "/a", "s", "/b")),
        ("type=tmpfs,target=/t", RunMount("tmpfs", "/t", name="/t")),
        ("type=secret,id=x", RunMount("secret", "", name="x")),
        ("type=ssh", RunMount("ssh", "")),
    ],
)
def test_mounts(text: str, mount: RunMount) -> None:
    run = only(f"RUN --network=none --mount={text} --mount=type=tmpfs,target=/x a")
    assert isinstance(run, Run)
    assert run.mounts[0] == mount
    assert (run.command, run.network, len(run.mounts)) == ("a", False, 2)


def test_platforms_and_several_arguments() -> None:
    found = parse("FROM --platform=$BUILDPLATFORM x\nARG A B=1 C='d e'\n").stages[0]
    assert found.platform == "$BUILDPLATFORM"
    assert [(one.name, one.default) for one in found.instructions if isinstance(one, Arg)] == [
        ("A", None),
        ("B", "1"),
        ("C", "d e"),
    ]


def test_the_escape_of_the_first_line_holds_for_words_too() -> None:
    env = (
        parse('# syntax=x\n# escape=`\nFROM x\nENV A=b` c D=`$e F=C:\\d "G=`"h"\n').stages[0].instructions[0]
    )
    assert isinstance(env, Set)
    assert env.pairs == (("A", "b c"), ("D", "\\$e"), ("F", "C:\\d"), ("G", '"h'))


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
        ("FROM a\nONBUILD ONBUILD RUN b", 2),
        ("FROM a\nONBUILD FETCH b", 2),
        ("FROM a\nHEALTHCHECK curl", 2),
        ("FROM a\nSTOPSIGNAL a b", 2),
        ("FROM a\n\nCOPY b", 3),
        ("FROM a\nCOPY b c d", 2),
        ("FROM a\nCOPY --parents b c", 2),
        ("FROM a\nADD https://example.org/x.git /x", 2),
        ("FROM a\nADD git@example.org:x /x", 2),
        ("FROM a\nADD --checksum=sha256:0 x /x", 2),
        ("FROM a\nADD --keep-git-dir=true x /x", 2),
        ("FROM a\nRUN --mount=type=secret,id=x,required b", 2),
        ("FROM a\nRUN --mount=type=cache b", 2),
        ("FROM a\nRUN --mount=type=cache,target=/x,uid=7 b", 2),
        ("FROM a\nRUN --mount=type=npipe,target=/x b", 2),
        ("FROM a\nRUN --security=insecure b", 2),
        ("FROM a\nRUN --network=none", 2),
        ("FROM a\n\nRUN <<EOF\nb", 3),
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
        ("${B:-${E:-${A}}}x", "1x"),
        ("${B:-a b}", "a b"),
        ("${A:?no}|${E?no}", "1|"),
        ("${P#*/}|${P##*/}|${P%/*}|${P%%/*}", "b/c.d|c.d|a/b|a"),
        ("${P%.?}|${P#x}|${P%x}", "a/b/c|a/b/c.d|a/b/c.d"),
        ("${P/\\//-}|${P//b/$A}", "a/b/c.d|a/1/c.d"),
        ("${P/?/x}|${P//[a-z]/x}", "x/b/c.d|a/b/c.d"),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert expand(text, {"A": "1", "E": "", "P": "a/b/c.d"}) == value


@pytest.mark.parametrize(("text", "reason"), [("${B:?why $A}", "B: why 1"), ("${E:?}", "E: it has no value")])
def test_a_variable_that_must_have_a_value(text: str, reason: str) -> None:
    with pytest.raises(ExpandError, match=reason):
        expand(text, {"A": "1", "E": ""})
