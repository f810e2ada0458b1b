"""Search by name, find by content, replace: operations over many files."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
from typing import TYPE_CHECKING, Final

import msgspec

from daytona_plugins.local.agent.body import read_json
from daytona_plugins.local.agent.errors import bad_request, printable
from daytona_plugins.local.agent.files import path_parameter
from daytona_plugins.local.agent.replacing import Replacement
from daytona_plugins.local.web import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daytona_plugins.local.agent.toolbox import Toolbox

SNIFFED: Final = 512


class ReplaceRequest(msgspec.Struct, rename="camel"):
    """Which text becomes which, in which files."""

    files: list[str] | None = None
    pattern: str | None = None
    new_value: str | None = None


def add_search(toolbox: Toolbox) -> None:
    """Answer searches and replacements."""
    toolbox.router.add("GET", "/files/search", _search)
    toolbox.router.add("GET", "/files/find", _find)
    toolbox.router.add("POST", "/files/replace", _replace)


async def _search(request: Request) -> Response:
    root, pattern = path_parameter(request), _pattern(request)
    try:
        matches = glob_matcher(pattern)
    except ValueError:
        return json_response({"files": []})
    found = await asyncio.to_thread(
        lambda: [printable(path) for path in walk(root) if matches(os.path.basename(path))]
    )
    return json_response({"files": found})


async def _find(request: Request) -> Response:
    root, pattern = path_parameter(request), _pattern(request)
    needle = os.fsencode(pattern)
    found = await asyncio.to_thread(
        lambda: [match for path in walk(root) if _is_file(path) for match in _matching_lines(path, needle)]
    )
    return json_response(found)


def _pattern(request: Request) -> str:
    pattern = request.query.first("pattern")
    if not pattern:
        raise bad_request("pattern is required")
    return pattern


def walk(root: str) -> Iterator[str]:
    """Yield *root* and all below it by name, each directory before its entries; what cannot be read is left out."""
    if os.path.lexists(root):
        yield root
        top = os.path.normpath(root)
        yield from _below("" if top == "." else top)


def _below(directory: str) -> Iterator[str]:
    try:
        with os.scandir(directory or ".") as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError:  # a file, or a directory we may not read
        return
    for entry in entries:
        path = os.path.join(directory, entry.name)
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _matching_lines(path: str, needle: bytes) -> Iterator[dict[str, object]]:
    try:
        with open(path, "rb") as file:
            if b"\0" in file.read(SNIFFED):
                return
            file.seek(0)
            for number, line in enumerate(file, start=1):
                if needle in line:
                    yield {"file": printable(path), "line": number, "content": _text(line)}
    except OSError:
        return


def _text(line: bytes) -> str:
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")


async def _replace(request: Request) -> Response:
    wanted = await read_json(request, ReplaceRequest)
    if wanted.files is None or not wanted.pattern or wanted.new_value is None:
        raise bad_request("files, pattern and newValue are required")
    old, new = wanted.pattern.encode(), wanted.new_value.encode()
    return json_response([await asyncio.to_thread(_replace_in, path, old, new) for path in wanted.files])


def _replace_in(path: str, old: bytes, new: bytes) -> dict[str, object]:
    """Rewrite one file, which keeps its mode, owner and links, and its content if anything goes wrong."""
    try:
        content = _read_regular(path).replace(old, new)
        with Replacement(path) as replacement:
            replacement.file.write(content)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else "invalid argument"
        return {"file": path, "success": False, "error": f"open {path}: {reason}"}
    return {"file": path, "success": True}


def _read_regular(path: str) -> bytes:
    """Return a file's content; what has none of its own (a pipe, a device) would be read for ever."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(file, "rb") as reader:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        return reader.read()


def glob_matcher(pattern: str) -> Callable[[str], bool]:
    """Return a test for names: `*`, `?`, `[set]` with `^` for its opposite, and a backslash that quotes.

    Raises:
        ValueError: The pattern is malformed.
    """
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        part, position = _translate(pattern, position)
        parts.append(part)
    compiled = re.compile("".join(parts), re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def _translate(pattern: str, position: int) -> tuple[str, int]:
    """Return the regular expression for what begins at *position*, and where the next begins."""
    character = pattern[position]
    if character == "*":
        return "[^/]*", position + 1
    if character == "?":
        return "[^/]", position + 1
    if character == "[":
        return _translate_set(pattern, position + 1)
    literal, position = _literal(pattern, position)
    return re.escape(literal), position


def _translate_set(pattern: str, position: int) -> tuple[str, int]:
    negated = pattern[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    while not ranges or pattern[position : position + 1] != "]":
        low, position = _literal(pattern, position, reserved="-]")
        high = low
        if pattern[position : position + 1] == "-":
            high, position = _literal(pattern, position + 1, reserved="-]")
        # An inverted range is allowed and matches nothing, which a regular expression cannot say by itself.
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    inside = "".join(ranges)
    if not inside:
        return ("." if negated else "(?!)"), position + 1
    return f"[{'^' if negated else ''}{inside}]", position + 1


def _literal(pattern: str, position: int, reserved: str = "") -> tuple[str, int]:
    """Return one character to be taken as it is, and the position after it."""
    quoted = pattern[position : position + 1] == "\\"
    position += quoted
    if position >= len(pattern) or (pattern[position] in reserved and not quoted):
        raise ValueError(f"malformed pattern {pattern!r}")
    return pattern[position], position + 1
