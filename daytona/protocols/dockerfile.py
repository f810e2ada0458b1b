"""Dockerfile text to logical lines and words, whatever they mean.

Continued lines are joined, comments are gone, and a here-document is beside the line that begins it. Words know what blanks
part and what quotes mean.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"\d*<<(?P<tabs>-?)(?P<quote>[\"']?)(?P<name>[A-Za-z_]\w*)(?P=quote)")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?(?:\s+|$)")
_TAKES_HEREDOCS: Final = ("RUN ", "COPY ", "ADD ")


class DockerfileError(Exception):
    """A line that is no Dockerfile, or that this platform cannot build."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"Dockerfile line {line}: {message}")
        self.line = line


class Heredoc(NamedTuple):
    """Lines between `<<NAME` and `NAME`."""

    word: str
    """How the instruction names it: `<<NAME`."""
    name: str
    content: str
    literal: bool
    """Its name was in quotes: variables in it stay as they are."""


class Line(NamedTuple):
    """What one instruction says; *number* is where it begins, *escape* what takes a letter's meaning away."""

    number: int
    text: str
    escape: str = "\\"
    heredocs: tuple[Heredoc, ...] = ()


def logical_lines(text: str) -> Iterator[Line]:
    """Yield the lines that hold instructions.

    Raises:
        DockerfileError: A here-document has no end.
    """
    physical = text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    escape = _escape(physical)
    ending = re.compile(re.escape(escape) + r"[ \t]*$")
    waiting = iter(enumerate(physical, 1))
    collected, first = "", 0
    for number, line in waiting:
        if line.lstrip().startswith("#") or (collected and not line.strip()):
            continue
        first = first if collected else number
        joined = ending.sub("", line)
        if joined != line:
            collected += joined if collected else joined.lstrip()
            collected = collected or " "
            continue
        if whole := (collected + line).strip():
            yield _with_heredocs(Line(first, _spaced(whole), escape), waiting)
        collected = ""
    if collected.strip():
        yield Line(first, _spaced(collected.strip()), escape)


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


def _with_heredocs(line: Line, following: Iterator[tuple[int, str]]) -> Line:
    """Return the line with the here-documents that it begins, which are taken from the lines that follow."""
    instruction = re.sub(r"^ONBUILD\s+", "", line.text, flags=re.IGNORECASE)
    if not instruction.upper().startswith(_TAKES_HEREDOCS):
        return line
    found = (_HEREDOC.fullmatch(word) for word in words(instruction, line.escape))
    return line._replace(heredocs=tuple(_read(line, match, following) for match in found if match))


def _read(line: Line, begin: re.Match[str], following: Iterator[tuple[int, str]]) -> Heredoc:
    content = ""
    for _, text in following:
        text = text.lstrip("\t") if begin["tabs"] else text
        if text == begin["name"]:
            return Heredoc(begin[0], begin["name"], content, bool(begin["quote"]))
        content += f"{text}\n"
    raise DockerfileError(line.number, f"the here-document {begin['name']} has no end")


# Words ----------------------------------------------------------------------------------------------------------------


def words(text: str, escape: str = "\\") -> list[str]:
    """Return the words as they are written; blanks in quotes, in `${…}` or after the escape part nothing."""
    return [found[0] for found in _word(escape).finditer(text)]


@cache
def _word(escape: str) -> re.Pattern[str]:
    end = re.escape(escape)
    reference = r"\$\{[^}]*\}"
    return re.compile(
        rf"""(?:{end}.|"(?:[^"{end}]|{end}.)*"|'[^']*'|{reference}|[^\s"'{end}]|["'{end}])+""", re.DOTALL
    )


def flags(text: str) -> tuple[list[tuple[str, str | None]], str]:
    """Return what stands before the arguments as `--name=value`, and the arguments."""
    found: list[tuple[str, str | None]] = []
    while match := _FLAG.match(text):
        found.append((match[1], match[2]))
        text = text[match.end() :]
    return found, text


def exec_form(text: str) -> tuple[str, ...] | None:
    """Return the words of a JSON array; whatever is none is a text for the shell, as everywhere."""
    if not text.startswith("["):
        return None
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.DecodeError:
        return None


def unquoted(text: str, escape: str = "\\") -> str:
    """Return *text* without its quotes.

    A dollar sign that was escaped or in single quotes is `\\$` afterwards, whatever the escape was, so that it is none
    of a variable.
    """
    found: list[str] = []
    quote = ""
    index = 0
    while index < len(text):
        letter = text[index]
        if quote == "'" and letter != "'":
            found.append("\\$" if letter == "$" else letter)
        elif letter == escape and index + 1 < len(text):
            index += 1
            follower = text[index]
            if follower == "$":
                found.append("\\$")
            elif quote and follower not in ('"', escape):
                found.append(escape + follower)
            else:
                found.append(follower)
        elif letter in ("'", '"') and quote in ("", letter):
            quote = "" if quote else letter
        else:
            found.append(letter)
        index += 1
    return "".join(found)
