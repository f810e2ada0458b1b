"""Dockerfile text to instructions, and nothing else: no files, no processes.

    text ── logical lines ──► (line number, word, flags, rest) ──► one struct per instruction, grouped into stages

What is understood: FROM (with AS), RUN, COPY, ADD, ENV, ARG, WORKDIR, USER, LABEL, ENTRYPOINT, CMD, SHELL, continuation
lines, comments, the `escape` directive. What only describes a container to others (EXPOSE, VOLUME, STOPSIGNAL,
HEALTHCHECK, MAINTAINER) is kept as a note. Everything else is refused with its line, because an image
that lacks a step is not the image that was asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTES: Final = frozenset({"EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "MAINTAINER"})
_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*$")
_FLAG = re.compile(r"--([a-z]+)(?:=(\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"(?:^|\s)<<-?(?P<quote>[\"']?)[A-Za-z_]\w*(?P=quote)(?:\s|$)")
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)


class DockerfileError(Exception):
    """A line that is no Dockerfile, or that this platform cannot build."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"Dockerfile line {line}: {message}")
        self.line = line


class Run(NamedTuple):
    """A command: a text for the shell, or words to execute as they are."""

    line: int
    text: str
    command: str | tuple[str, ...]


class Copy(NamedTuple):
    """Files to bring in; `source` is the stage or image they come from, None for the build context."""

    line: int
    text: str
    paths: tuple[str, ...]
    destination: str
    source: str | None = None
    chown: str | None = None
    chmod: str | None = None
    unpack: bool = False


class Set(NamedTuple):
    """Pairs for the environment (ENV) or the labels (LABEL)."""

    line: int
    text: str
    word: str
    pairs: tuple[tuple[str, str], ...]


class Arg(NamedTuple):
    """A variable of the build; without a default it has the value of one before FROM, if any."""

    line: int
    text: str
    name: str
    default: str | None


class Place(NamedTuple):
    """Where (WORKDIR) or as whom (USER) what follows happens."""

    line: int
    text: str
    word: str
    value: str


class Program(NamedTuple):
    """What a container runs (ENTRYPOINT, CMD), or what runs commands (SHELL)."""

    line: int
    text: str
    word: str
    command: str | tuple[str, ...]


class Note(NamedTuple):
    """An instruction that changes nothing here."""

    line: int
    text: str
    word: str


Instruction = Run | Copy | Set | Arg | Place | Program | Note


class Stage(NamedTuple):
    """One FROM and what follows it."""

    line: int
    text: str
    image: str
    name: str | None
    instructions: tuple[Instruction, ...]


class Dockerfile(NamedTuple):
    """All of it: the arguments before the first FROM, and the stages."""

    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]

    @property
    def entrypoint(self) -> tuple[str, ...] | None:
        """The last ENTRYPOINT; a text counts as one word."""
        programs = [
            one
            for one in self.stages[-1].instructions
            if isinstance(one, Program) and one.word == "ENTRYPOINT"
        ]
        command = programs[-1].command if programs else None
        return (command,) if isinstance(command, str) else command


class _Line(NamedTuple):
    number: int
    text: str


def parse(text: str) -> Dockerfile:
    """Return what *text* says.

    Raises:
        DockerfileError: It is empty, misspelled, or asks for what cannot be built here.
    """
    arguments: list[Arg] = []
    stages: list[Stage] = []
    for line in logical_lines(text):
        word, _, rest = line.text.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "FROM":
            stages.append(_from(line, rest))
        elif stages:
            last = stages[-1]
            stages[-1] = last._replace(instructions=(*last.instructions, _instruction(line, word, rest)))
        elif word == "ARG":
            arguments += _args(line, rest)
        else:
            raise DockerfileError(line.number, f"{word} comes before the first FROM")
    if not stages:
        raise DockerfileError(1, "there is no FROM")
    return Dockerfile(tuple(arguments), tuple(_with_all_args(stage) for stage in stages))


def logical_lines(text: str) -> Iterator[_Line]:
    """Yield the lines that hold instructions: joined where one ends with the escape, without comments."""
    lines = text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    ending = re.compile(re.escape(_escape(lines)) + r"[ \t]*$")
    collected, first = "", 0
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#") or (collected and not line.strip()):
            continue
        first = first if collected else number
        joined = ending.sub("", line)
        if joined != line:
            collected += joined if collected else joined.lstrip()
            collected = collected or " "
            continue
        if whole := (collected + line).strip():
            yield _Line(first, _spaced(whole))
        collected = ""
    if collected.strip():
        yield _Line(first, _spaced(collected.strip()))


def _spaced(text: str) -> str:
    """Return the line with one blank after its first word."""
    return " ".join(text.split(None, 1))


def _escape(lines: list[str]) -> str:
    """Return the character that continues a line; only directives may stand before the one that changes it."""
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape" and directive[2] in ("`", "\\"):
            return directive[2]
    return "\\"


def _from(line: _Line, rest: str) -> Stage:
    flags, rest = _flags(line, rest, {"platform"})
    del flags  # everything here runs on this machine's own architecture
    words = rest.split()
    if len(words) == 3 and words[1].upper() == "AS":
        return Stage(line.number, line.text, words[0], words[2].lower(), ())
    if len(words) != 1:
        raise DockerfileError(line.number, "FROM needs an image, and perhaps AS and a name")
    return Stage(line.number, line.text, words[0], None, ())


def _instruction(line: _Line, word: str, rest: str) -> Instruction:
    if word not in NOTES and not rest:
        raise DockerfileError(line.number, f"{word} needs an argument")
    match word:
        case "RUN":
            return _run(line, rest)
        case "COPY" | "ADD":
            return _copy(line, rest, word)
        case "ENV" | "LABEL":
            return Set(line.number, line.text, word, tuple(_pairs(line, rest)))
        case "ARG":
            return _args(line, rest)[0]
        case "WORKDIR" | "USER":
            return Place(line.number, line.text, word, _unquoted(rest))
        case "ENTRYPOINT" | "CMD" | "SHELL":
            return _program(line, word, rest)
        case _ if word in NOTES:
            return Note(line.number, line.text, word)
        case _:
            raise DockerfileError(line.number, f"{word} is not an instruction that can be built here")


def _run(line: _Line, rest: str) -> Run:
    flags, rest = _flags(line, rest, {"mount", "network", "security"})
    for name, value in flags:
        if (name, value) not in (("network", "default"), ("network", "host"), ("security", "sandbox")):
            raise DockerfileError(line.number, f"RUN --{name}={value} cannot be honoured here")
    _refuse_heredoc(line, rest)
    return Run(line.number, line.text, _exec_form(rest) or rest)


def _copy(line: _Line, rest: str, word: str) -> Copy:
    flags, rest = _flags(
        line, rest, {"from", "chown", "chmod", "link"} if word == "COPY" else {"chown", "chmod", "link"}
    )
    _refuse_heredoc(line, rest)
    words = _exec_form(rest) or tuple(_unquoted(found) for found in _WORD.findall(rest))
    if len(words) < 2:
        raise DockerfileError(line.number, f"{word} needs a source and a destination")
    *paths, destination = words
    if word == "ADD" and any("://" in path or path.startswith("git@") for path in paths):
        raise DockerfileError(
            line.number, "ADD does not fetch from the network here; use RUN with a program that does"
        )
    if len(paths) > 1 and not destination.endswith("/"):
        raise DockerfileError(line.number, f"{word} of several sources needs a destination that ends with /")
    given = dict(flags)
    return Copy(
        line.number,
        line.text,
        tuple(paths),
        destination,
        given.get("from"),
        given.get("chown"),
        given.get("chmod"),
        word == "ADD",
    )


def _program(line: _Line, word: str, rest: str) -> Program:
    command = _exec_form(rest)
    if command is None and word == "SHELL":
        raise DockerfileError(line.number, "SHELL needs a JSON array of words")
    return Program(line.number, line.text, word, rest if command is None else command)


def _args(line: _Line, rest: str) -> list[Arg]:
    found: list[Arg] = []
    for word in _WORD.findall(rest):
        name, equals, default = word.partition("=")
        found.append(Arg(line.number, line.text, name, _unquoted(default) if equals else None))
    if not found:
        raise DockerfileError(line.number, "ARG needs a name")
    return found


def _with_all_args(stage: Stage) -> Stage:
    """One ARG line may declare several variables."""
    more: list[Instruction] = []
    for one in stage.instructions:
        if isinstance(one, Arg):
            more += _args(_Line(one.line, one.text), one.text.partition(" ")[2])
        else:
            more.append(one)
    return stage._replace(instructions=tuple(more))


def _pairs(line: _Line, rest: str) -> Iterator[tuple[str, str]]:
    """Read `A=b C="d e"`, or the old form `A b c`, whose value is the rest of the line."""
    words = _WORD.findall(rest)
    if "=" not in words[0]:
        name, _, value = rest.partition(" ")
        if not value.strip():
            raise DockerfileError(line.number, f"{name} has no value")
        yield name, value.strip()
        return
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise DockerfileError(line.number, f"{word} is not of the form NAME=value")
        yield _unquoted(name), _unquoted(value)


def _flags(line: _Line, rest: str, known: set[str]) -> tuple[list[tuple[str, str]], str]:
    flags: list[tuple[str, str]] = []
    while found := _FLAG.match(rest):
        if found[1] not in known:
            raise DockerfileError(line.number, f"--{found[1]} is not a flag that can be honoured here")
        flags.append((found[1], found[2] or ""))
        rest = rest[found.end() :]
    return flags, rest


def _exec_form(rest: str) -> tuple[str, ...] | None:
    """Return the words of a JSON array; whatever is none is a text for the shell, as everywhere."""
    if not rest.startswith("["):
        return None
    try:
        return msgspec.json.decode(rest, type=tuple[str, ...])
    except msgspec.DecodeError:
        return None


def _refuse_heredoc(line: _Line, rest: str) -> None:
    if _HEREDOC.search(rest):
        raise DockerfileError(
            line.number, "here-documents (<<) are not understood here; use several commands"
        )


def _unquoted(text: str) -> str:
    """Return *text* without its quotes; a dollar sign that was escaped or in single quotes stays escaped."""
    found: list[str] = []
    quote = ""
    index = 0
    while index < len(text):
        letter = text[index]
        if quote == "'" and letter != "'":
            found.append("\\$" if letter == "$" else letter)
        elif letter == "\\" and index + 1 < len(text):
            index += 1
            follower = text[index]
            if follower == "$":
                found.append("\\$")
            elif quote and follower not in ('"', "\\"):
                found.append("\\" + follower)
            else:
                found.append(follower)
        elif letter in ("'", '"') and quote in ("", letter):
            quote = "" if quote else letter
        else:
            found.append(letter)
        index += 1
    return "".join(found)
