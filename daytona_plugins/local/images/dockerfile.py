"""Dockerfile text to instructions, and nothing else: no files, no processes.

    text ── logical lines ──► (line number, word, flags, rest) ──► one struct per instruction, grouped into stages

What is not understood, or cannot be done here, is refused with its line, because an image that lacks a step is not the
image that was asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona.protocols.dockerfile import (
    DockerfileError,
    Heredoc,
    Line,
    exec_form,
    flags,
    logical_lines,
    unquoted,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Arg", "Copy", "Dockerfile", "DockerfileError", "Health", "Instruction", "Mark", "Place", "Program", "Run",
    "RunMount", "Set", "Stage", "Trigger", "parse", "parse_trigger",
]  # fmt: skip

_GIT: Final = re.compile(r"(git@|git://|ssh://|https?://[^#]*\.git(#|$))")
_REMOTE: Final = re.compile(r"https?://")
_MOUNT_KEYS: Final = {
    "bind": {"type", "target", "source", "from", "rw"},
    "cache": {"type", "target", "id", "rw", "sharing"},
    "tmpfs": {"type", "target"},
    "secret": {"type", "target", "id", "required", "env", "mode", "uid", "gid"},
    "ssh": {"type", "target", "id", "required", "mode", "uid", "gid"},
}
_MOUNT_ALIASES: Final = {"src": "source", "dst": "target", "destination": "target", "readwrite": "rw"}


class RunMount(NamedTuple):
    """What one command sees at *target*, and no later step."""

    kind: str
    """"bind", "cache" or "tmpfs"; "secret" and "ssh" have nothing to show here."""
    target: str
    source: str = ""
    image: str | None = None
    """The stage or image that *source* is in; None for the build context."""
    name: str = ""
    shared: bool = True


class Run(NamedTuple):
    """A command: a text for the shell, or words to execute as they are."""

    line: int
    text: str
    command: str | tuple[str, ...]
    script: bool = False
    """The command is a program of its own, with an interpreter in its first line."""
    mounts: tuple[RunMount, ...] = ()
    network: bool = True


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
    """Archives are opened."""
    excluded: tuple[str, ...] = ()
    checksum: str | None = None
    heredocs: tuple[Heredoc, ...] = ()


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


class Mark(NamedTuple):
    """What is written down about an image for others (EXPOSE, VOLUME, STOPSIGNAL, MAINTAINER) and changes nothing here."""

    line: int
    text: str
    word: str
    values: tuple[str, ...]


class Health(NamedTuple):
    """How one could ask a program whether it is well; None means that nobody should, and nobody does here."""

    line: int
    text: str
    command: str | tuple[str, ...] | None
    options: tuple[tuple[str, str], ...]


class Trigger(NamedTuple):
    """An instruction for builds that begin with this image (ONBUILD)."""

    line: int
    text: str
    instruction: str


Instruction = Run | Copy | Set | Arg | Place | Program | Mark | Health | Trigger


class Stage(NamedTuple):
    """One FROM and what follows it."""

    line: int
    text: str
    image: str
    name: str | None
    platform: str | None
    instructions: tuple[Instruction, ...]


class Dockerfile(NamedTuple):
    """All of it: the arguments before the first FROM, and the stages."""

    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]


def parse(text: str) -> Dockerfile:
    """Return what *text* says.

    Raises:
        DockerfileError: It is empty, misspelled, or asks for what cannot be built here.
    """
    arguments: list[Arg] = []
    stages: list[Stage] = []
    for line in logical_lines(text):
        word, rest = _divided(line)
        if word == "FROM":
            stages.append(_from(line, rest))
        elif stages:
            last = stages[-1]
            more = _instructions(line, word, rest)
            stages[-1] = last._replace(instructions=(*last.instructions, *more))
        elif word == "ARG":
            arguments += _args(line, rest)
        else:
            raise DockerfileError(line.number, f"{word} comes before the first FROM")
    if not stages:
        raise DockerfileError(1, "there is no FROM")
    return Dockerfile(tuple(arguments), tuple(stages))


def parse_trigger(text: str) -> Iterable[Instruction]:
    """Return the instructions of an ONBUILD, whose image may come from elsewhere.

    Raises:
        DockerfileError: It cannot be done here.
    """
    for line in logical_lines(text):
        yield from _instructions(line, *_divided(line))


def _divided(line: Line) -> tuple[str, str]:
    word, _, rest = line.text.partition(" ")
    return word.upper(), rest.strip()


def _from(line: Line, rest: str) -> Stage:
    given, rest = _flags(line, rest, {"platform"})
    found = rest.split()
    if len(found) == 3 and found[1].upper() == "AS":
        return Stage(line.number, line.text, found[0], found[2].lower(), given.get("platform"), ())
    if len(found) != 1:
        raise DockerfileError(line.number, "FROM needs an image, and perhaps AS and a name")
    return Stage(line.number, line.text, found[0], None, given.get("platform"), ())


def _instructions(line: Line, word: str, rest: str) -> list[Instruction]:
    """Return what one line means; only ARG may mean several things."""
    if not rest:
        raise DockerfileError(line.number, f"{word} needs an argument")
    return [*_args(line, rest)] if word == "ARG" else [_instruction(line, word, rest)]


def _instruction(line: Line, word: str, rest: str) -> Instruction:
    match word:
        case "RUN":
            return _run(line, rest)
        case "COPY" | "ADD":
            return _copy(line, rest, word)
        case "ENV" | "LABEL":
            return Set(line.number, line.text, word, tuple(_pairs(line, rest)))
        case "WORKDIR" | "USER":
            return Place(line.number, line.text, word, unquoted(rest, line.escape))
        case "ENTRYPOINT" | "CMD" | "SHELL":
            return _program(line, word, rest)
        case "EXPOSE" | "VOLUME" | "STOPSIGNAL" | "MAINTAINER":
            return _mark(line, word, rest)
        case "HEALTHCHECK":
            return _health(line, rest)
        case "ONBUILD":
            return _trigger(line, rest)
        case _:
            raise DockerfileError(line.number, f"{word} is not an instruction that can be built here")


# RUN --------------------------------------------------------------------------------------------------------------


def _run(line: Line, rest: str) -> Run:
    mounts: list[RunMount] = []
    network = True
    found, rest = flags(rest)
    for name, value in found:
        if name == "mount":
            mounts.append(_mount(line, value or ""))
        elif name == "network" and value in ("default", "host", "none"):
            network = value != "none"
        elif (name, value) != ("security", "sandbox"):
            raise DockerfileError(line.number, f"RUN --{name}={value} cannot be honoured here")
    if not rest:
        raise DockerfileError(line.number, "RUN needs a command")
    command, script = _command(line, rest)
    return Run(line.number, line.text, command, script, tuple(mounts), network)


def _command(line: Line, rest: str) -> tuple[str | tuple[str, ...], bool]:
    """Return the command, and whether it is a program of its own.

    A here-document that stands alone is the command; any other one is left to the shell.
    """
    if not line.heredocs:
        return exec_form(rest) or rest, False
    if len(line.heredocs) == 1 and rest == line.heredocs[0].word:
        content = line.heredocs[0].content
        return content, content.startswith("#!")
    return "\n".join((rest, *(f"{each.content}{each.name}" for each in line.heredocs))) + "\n", False


def _mount(line: Line, text: str) -> RunMount:
    pairs = (part.partition("=") for part in text.split(","))
    given = {_MOUNT_ALIASES.get(key.lower(), key.lower()): value for key, _, value in pairs}
    kind = given.get("type", "bind")
    # "ro" asks for less than what there is: what a command writes to a mount is lost.
    strange = sorted(set(given) - _MOUNT_KEYS.get(kind, {"type"}) - {"ro", "readonly"})
    if kind not in _MOUNT_KEYS or strange:
        what = ", ".join(strange) or f"type={kind}"
        raise DockerfileError(line.number, f"RUN --mount={text}: {what} cannot be honoured here")
    if kind in ("secret", "ssh"):
        if given.get("required", "false").lower() in ("true", "1", ""):
            raise DockerfileError(
                line.number, f"RUN --mount={text}: builds get no secrets and no SSH keys here"
            )
        return RunMount(kind, "", name=given.get("id", ""))
    if not given.get("target"):
        raise DockerfileError(line.number, f"RUN --mount={text} needs a target")
    return RunMount(
        kind,
        given["target"],
        given.get("source", ""),
        given.get("from"),
        given.get("id", given["target"]),
        given.get("sharing", "shared") == "shared",
    )


# COPY and ADD -----------------------------------------------------------------------------------------------------


def _copy(line: Line, rest: str, word: str) -> Copy:
    excluded = tuple(value or "" for name, value in flags(rest)[0] if name == "exclude")
    known = {"from"} if word == "COPY" else {"checksum", "unpack"}
    given, rest = _flags(line, rest, {"chown", "chmod", "link", "exclude", *known})
    found = exec_form(rest) or tuple(unquoted(each, line.escape) for each in words(rest, line.escape))
    if len(found) < 2:
        raise DockerfileError(line.number, f"{word} needs a source and a destination")
    *sources, destination = found
    if len(sources) > 1 and not destination.endswith("/"):
        raise DockerfileError(line.number, f"{word} of several sources needs a destination that ends with /")
    inline = {unquoted(each.word, line.escape) for each in line.heredocs}
    copy = Copy(
        line.number,
        line.text,
        tuple(path for path in sources if path not in inline),
        destination,
        given.get("from"),
        given.get("chown"),
        given.get("chmod"),
        given.get("unpack", "true").lower() == "true" if word == "ADD" else False,
        excluded,
        given.get("checksum"),
        line.heredocs,
    )
    _refuse_remote(line, word, copy, explicit="unpack" in given)
    return copy


def _refuse_remote(line: Line, word: str, copy: Copy, *, explicit: bool) -> None:
    remote = [path for path in copy.paths if _REMOTE.match(path)]
    if word == "ADD" and any(_GIT.match(path) for path in copy.paths):
        raise DockerfileError(line.number, "ADD clones no repository here; use RUN git clone")
    if remote and copy.unpack and explicit:
        raise DockerfileError(line.number, "ADD --unpack opens no file from the network here; use RUN tar")
    if copy.checksum and len(remote) != 1:
        raise DockerfileError(line.number, "ADD --checksum is for one file from the network")


# Everything else --------------------------------------------------------------------------------------------------


def _program(line: Line, word: str, rest: str) -> Program:
    command = exec_form(rest)
    if command is None and word == "SHELL":
        raise DockerfileError(line.number, "SHELL needs a JSON array of words")
    return Program(line.number, line.text, word, rest if command is None else command)


def _mark(line: Line, word: str, rest: str) -> Mark:
    plain = (rest,) if word == "MAINTAINER" else tuple(unquoted(each, line.escape) for each in words(rest))
    values = exec_form(rest) if word == "VOLUME" else None
    if word == "STOPSIGNAL" and len(plain) != 1:
        raise DockerfileError(line.number, "STOPSIGNAL needs one signal")
    return Mark(line.number, line.text, word, plain if values is None else values)


def _health(line: Line, rest: str) -> Health:
    known = {"interval", "timeout", "start-period", "start-interval", "retries"}
    given, rest = _flags(line, rest, known)
    word, _, command = rest.partition(" ")
    if word.upper() == "NONE" and not command:
        return Health(line.number, line.text, None, ())
    if word.upper() != "CMD" or not command.strip():
        raise DockerfileError(line.number, "HEALTHCHECK needs CMD and a command, or NONE")
    return Health(line.number, line.text, exec_form(command.strip()) or command.strip(), tuple(given.items()))


def _trigger(line: Line, rest: str) -> Trigger:
    word = rest.partition(" ")[0].upper()
    if word in ("FROM", "ONBUILD", "MAINTAINER"):
        raise DockerfileError(line.number, f"ONBUILD cannot have {word}")
    heredocs = "".join(f"\n{each.content}{each.name}" for each in line.heredocs)
    inner = line._replace(text=" ".join(rest.split(None, 1)))
    _instructions(inner, *_divided(inner))  # what is wrong is told by the line that says it
    return Trigger(line.number, line.text, inner.text + heredocs)


def _args(line: Line, rest: str) -> Iterator[Arg]:
    for word in words(rest, line.escape):
        name, equals, default = word.partition("=")
        yield Arg(line.number, line.text, name, unquoted(default, line.escape) if equals else None)


def _pairs(line: Line, rest: str) -> Iterator[tuple[str, str]]:
    """Read `A=b C="d e"`, or the old form `A b c`, whose value is the rest of the line."""
    found = words(rest, line.escape)
    if "=" not in found[0]:
        name, _, value = rest.partition(" ")
        if not value.strip():
            raise DockerfileError(line.number, f"{name} has no value")
        yield name, unquoted(value.strip(), line.escape)
        return
    for word in found:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise DockerfileError(line.number, f"{word} is not of the form NAME=value")
        yield unquoted(name, line.escape), unquoted(value, line.escape)


def _flags(line: Line, rest: str, known: set[str]) -> tuple[dict[str, str], str]:
    found, rest = flags(rest)
    for name, _ in found:
        if name not in known:
            raise DockerfileError(line.number, f"--{name} is not a flag that can be honoured here")
    return {name: value or "" for name, value in found}, rest
