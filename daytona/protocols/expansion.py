"""Variables in a Dockerfile.

    $NAME  ${NAME}            the value, or nothing
    ${NAME:-word}  ${NAME-word}  the value, or the word if there is none (with a colon: or it is empty)
    ${NAME:+word}  ${NAME+word}  the word if there is a value, or nothing
    ${NAME:?word}  ${NAME?word}  the value, or an error that says the word
    ${NAME#word}  ${NAME##word}  without the shortest or longest beginning that fits the pattern
    ${NAME%word}  ${NAME%%word}  without the shortest or longest end that fits it
    ${NAME/word/other}  ${NAME//word/other}  with the first or every part that fits it replaced
    \\$                       a dollar sign

Words may hold variables themselves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLAIN = re.compile(r"\$([A-Za-z_]\w*)")
_BRACED = re.compile(r"\$\{([A-Za-z_]\w*)(:?[-+?]|##?|%%?|//?|)")


class ExpandError(Exception):
    """A variable that must have a value has none."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return *text* with its variables replaced; one that is not there is empty.

    Raises:
        ExpandError: `${NAME:?word}` found no value.
    """
    return "".join(_pieces(text, variables))


def _pieces(text: str, variables: Mapping[str, str]) -> Iterator[str]:
    index = 0
    while index < len(text):
        if text.startswith("\\$", index):
            yield "$"
            index += 2
        elif plain := _PLAIN.match(text, index):
            yield variables.get(plain[1], "")
            index = plain.end()
        elif (braced := _BRACED.match(text, index)) and (end := _closing(text, braced.end())) is not None:
            yield _value(braced[1], braced[2], text[braced.end() : end], variables)
            index = end + 1
        else:
            yield text[index]
            index += 1


def _closing(text: str, index: int) -> int | None:
    """Return where the brace is that closes a reference; references in it have braces of their own."""
    depth = 1
    while index < len(text):
        if text.startswith("${", index):
            depth += 1
            index += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    return None


def _value(name: str, how: str, word: str, variables: Mapping[str, str]) -> str:
    value = variables.get(name)
    if not how:
        return value or ""
    if how[0] in "#%/":
        return _edited(value or "", how, word, variables)
    there = bool(value) if how[0] == ":" else value is not None
    if how[-1] == "+":
        return expand(word, variables) if there else ""
    if not there and how[-1] == "?":
        raise ExpandError(f"{name}: {expand(word, variables) or 'it has no value'}")
    return (value or "") if there else expand(word, variables)


def _edited(value: str, how: str, word: str, variables: Mapping[str, str]) -> str:
    if how[0] == "/":
        pattern, _, other = word.partition("/")
        replacement = expand(other, variables)
        fits = _pattern(expand(pattern, variables), longest=True)
        return re.sub(fits, lambda _: replacement, value, count=len(how) % 2, flags=re.DOTALL)
    fits = _pattern(expand(word, variables), longest=len(how) == 2)
    if how[0] == "#":
        found = re.match(fits, value, re.DOTALL)
        return value[found.end() :] if found else value
    begins = range(len(value), -1, -1) if len(how) == 1 else range(len(value) + 1)
    ends = (begin for begin in begins if re.fullmatch(fits, value[begin:], re.DOTALL))
    return value[: next(ends, len(value))]


def _pattern(text: str, *, longest: bool) -> str:
    """Return a shell's pattern of `*` and `?` as a regular expression."""
    star = ".*" if longest else ".*?"
    return "".join(star if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in text)
