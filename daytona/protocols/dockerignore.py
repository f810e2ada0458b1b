"""Which files of a build's directory its `.dockerignore` leaves out, by the rules of Docker's own programs.

The last line that fits a path, or a directory above it, decides; a line that begins with "!" takes back in.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[\^?[^]]+\]|\\.|.", re.DOTALL)
_SET_OPERATION = re.compile(r"\\.|[\[&|~]|(?<=[^^]-)-")  # Python reserves them within brackets, and warns


class _Rule(NamedTuple):
    fits: re.Pattern[str]
    leaves_out: bool


class Ignore:
    """The rules of one file."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._rules = [rule for pattern in patterns if (rule := _rule(pattern)) is not None]
        self.takes_back = any(not rule.leaves_out for rule in self._rules)
        """Something in a directory that is left out may be in the build all the same."""

    def excludes(self, path: str) -> bool:
        """Return whether a path, with slashes and relative to the directory, is left out."""
        parts = path.split("/")
        ways = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        out = False
        for rule in self._rules:
            if rule.leaves_out is not out and any(map(rule.fits.fullmatch, ways)):
                out = rule.leaves_out
        return out


def patterns_of(text: str) -> tuple[str, ...]:
    """Return the lines of a `.dockerignore` that say something."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines() if not line.startswith("#"))
    return tuple(line for line in lines if line)


def _rule(pattern: str) -> _Rule | None:
    leaves_out = not pattern.startswith("!")
    path = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
    if path in ("", "."):
        return None
    try:
        fits = re.compile("".join(map(_expression, _TOKEN.findall(path))), re.DOTALL)
    except re.error:  # brackets that are none, as in "[z-a]"
        fits = re.compile(re.escape(path))
    return _Rule(fits, leaves_out)


def _as_itself(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("\\") else f"\\{found[0]}"


def _expression(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if token.startswith("[") and len(token) > 1:
            return f"[{_SET_OPERATION.sub(_as_itself, token[1:])}"
        case _:
            return re.escape(token[-1])
