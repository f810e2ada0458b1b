"""The local files that a Dockerfile takes along: what COPY, ADD and `RUN --mount=type=bind` name in its directory."""

from __future__ import annotations

import glob
import os
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from daytona.errors import DaytonaNotFoundError, DaytonaValidationError
from daytona.protocols.dockerfile import (
    DockerfileError,
    Line,
    exec_form,
    flags,
    logical_lines,
    unquoted,
    words,
)
from daytona.protocols.dockerignore import Ignore, patterns_of
from daytona.protocols.expansion import ExpandError, expand

if TYPE_CHECKING:
    from collections.abc import Iterator

_ELSEWHERE = re.compile(r"[a-z]+://|git@")


@dataclass(frozen=True)
class Context:
    """A local path, and its name in the build."""

    source_path: str
    archive_path: str | None
    ignored: tuple[str, ...] = ()
    """What is left out of it: lines of a `.dockerignore`, which are about names in the build."""


class _Source(NamedTuple):
    word: str
    path: str
    needed: bool
    """It is an error when it is not there."""


def copied(dockerfile: str, root: str, *, own: str = "", strict: bool) -> Iterator[Context]:
    """Yield what the text of a Dockerfile takes from the directory *root*; "" is the current one.

    Args:
        dockerfile: Its text.
        root: Where the paths in it begin.
        own: The name of its file, which may have a `.dockerignore` of its own.
        strict: Refuse paths outside of *root*.

    Raises:
        DaytonaNotFoundError: Something is not there, or is left out by `.dockerignore`.
        DaytonaValidationError: The text is no Dockerfile, or a path is refused.
    """
    ignored: tuple[str, ...] | None = None
    variables: dict[str, str] = {}
    try:
        for line in logical_lines(dockerfile):
            variables |= _declared(line, variables)
            for source in _sources(line, variables):
                if ignored is None:
                    ignored = _ignored(root, own)
                if strict:
                    _refuse_outside(source.path, root)
                yield from _matches(source, root, ignored)
    except DockerfileError as error:
        raise DaytonaValidationError(str(error)) from error


def _ignored(root: str, own: str) -> tuple[str, ...]:
    for name in (f"{own}.dockerignore", ".dockerignore"):
        path = os.path.join(root, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return patterns_of(file.read())
    return ()


def _declared(line: Line, variables: dict[str, str]) -> dict[str, str]:
    """Return the variables that a line sets, as far as their values are in the text; stages share them here."""
    word, _, rest = line.text.partition(" ")
    if word.upper() not in ("ARG", "ENV"):
        return {}
    pairs = (pair.partition("=") for pair in words(rest, line.escape))
    return {
        name: _expanded(unquoted(value, line.escape), variables) for name, equals, value in pairs if equals
    }


def _expanded(text: str, variables: dict[str, str]) -> str:
    try:
        return expand(text, variables)
    except ExpandError:
        return ""  # the build will say so, with its line


def _sources(line: Line, variables: dict[str, str]) -> Iterator[_Source]:
    word, _, rest = line.text.partition(" ")
    needed = word.upper() != "ONBUILD"  # another build may do it, with files of its own
    if not needed:
        word, _, rest = rest.strip().partition(" ")
    given, rest = flags(rest.strip())
    match word.upper():
        case "COPY" | "ADD" if not any(name == "from" for name, _ in given):
            inline = {unquoted(heredoc.word, line.escape) for heredoc in line.heredocs}
            for written in _words(rest, line)[:-1]:
                path = _expanded(written, variables)
                if written not in inline and not (word.upper() == "ADD" and _ELSEWHERE.match(path)):
                    yield _Source(word.upper(), path, needed)
        case "RUN":
            mounts = (_expanded(value or "", variables) for name, value in given if name == "mount")
            yield from (_Source("RUN --mount", path, needed) for mount in mounts if (path := _bound(mount)))
        case _:
            pass


def _words(text: str, line: Line) -> tuple[str, ...]:
    return exec_form(text) or tuple(unquoted(word, line.escape) for word in words(text, line.escape))


def _bound(mount: str) -> str:
    """Return the path that a command sees of the build's directory, or nothing."""
    given = {key.lower(): value for key, _, value in (part.partition("=") for part in mount.split(","))}
    if given.get("type", "bind") != "bind" or "from" in given:
        return ""
    return given.get("source") or given.get("src") or "."


def _matches(source: _Source, root: str, ignored: tuple[str, ...]) -> Iterator[Context]:
    found = sorted(glob.glob(os.path.join(root, source.path), include_hidden=True)) if source.path else []
    ignore = Ignore(ignored)
    some = False
    for path in found:
        relative = path if os.path.isabs(source.path) else path.removeprefix(root)
        name = relative.lstrip(os.sep)
        if os.path.isabs(source.path):
            yield Context(path, name)  # no name in the directory that the patterns are about
        elif ignore.excludes(posixpath.normpath(name)) and not (ignore.takes_back and os.path.isdir(path)):
            continue
        else:
            yield Context(path, name, ignored if os.path.isdir(path) else ())
        some = True
    if source.needed and not some:
        where = root or "the current directory"
        reason = "is left out by .dockerignore" if found else "does not exist"
        raise DaytonaNotFoundError(f"{source.word} source {source.path} {reason} in {where}")


def _refuse_outside(source: str, root: str) -> None:
    climbs = ".." in re.split(r"[/\\]", source)
    top = os.path.realpath(root)
    strays = any(
        os.path.commonpath([top, os.path.realpath(path)]) != top
        for path in glob.glob(os.path.join(root, source))
    )
    if os.path.isabs(source) or os.path.splitdrive(source)[0] or climbs or strays:
        raise DaytonaValidationError(f"forbidden path outside the build context: {source}")
