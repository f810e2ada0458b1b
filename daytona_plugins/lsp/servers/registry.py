"""Which program serves which language: the first that is found wins, and the fastest come first."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

from daytona_plugins.local.runtime.lending import LENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT_PROGRAMS: Final = ("node_modules/.bin", ".venv/bin")
"""Where a project keeps programs of its own, which know it best."""


class Server(NamedTuple):
    """A language server: how it is started, and how it gets into a sandbox."""

    command: tuple[str, ...]
    install: str
    fits: Callable[[str], bool] = lambda path: True
    """Whether the program at a path is one that can do it."""


def _is_typescript_7(path: str) -> bool:
    return _typescript_major(path) >= 7


def _typescript_major(path: str) -> int:
    """Return the major version of the package a `tsc` belongs to; 0 when that cannot be told."""
    package = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(path))), "package.json")
    try:
        with open(package, encoding="utf-8") as file:
            return int(str(json.load(file)["version"]).partition(".")[0])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


_PYTHON: Final = (
    Server(("ty", "server"), "pip install ty"),
    Server(("pyright-langserver", "--stdio"), "npm install -g pyright"),
    Server(("pylsp",), "pip install python-lsp-server"),
    Server(("jedi-language-server",), "pip install jedi-language-server"),
)
_TYPESCRIPT: Final = (
    # Since its version 7 the compiler is a language server itself.
    Server(("tsc", "--lsp", "--stdio"), "npm install -g typescript", _is_typescript_7),
    Server(
        ("typescript-language-server", "--stdio"), "npm install -g typescript-language-server typescript@5"
    ),
)
SERVERS: Final = {"python": _PYTHON, "typescript": _TYPESCRIPT, "javascript": _TYPESCRIPT}

_DIALECTS: Final = {
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascriptreact",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "typescriptreact",
}  # fmt: skip
_SUFFIXES: Final = {"python": (".py", ".pyi"), "typescript": tuple(_DIALECTS), "javascript": tuple(_DIALECTS)}


def find_servers(language: str, project: str) -> Iterator[list[str]]:
    """Yield the commands of the servers for *language* that are there, the best first."""
    places = [os.path.join(project, name) for name in PROJECT_PROGRAMS]
    path = os.pathsep.join([*places, os.environ.get("PATH", os.defpath), LENT])
    for server in SERVERS[language]:
        program = shutil.which(server.command[0], path=path)
        if program is not None and server.fits(program):
            yield [program, *server.command[1:]]


def how_to_install(language: str) -> str:
    """Return what brings a server for *language* into a sandbox, as advice."""
    return " or ".join(f"`{server.install}`" for server in SERVERS[language])


def dialect(language: str, path: str) -> str:
    """Return the language a server for *language* shall take the file at *path* for."""
    return _DIALECTS.get(os.path.splitext(path)[1], language) if language != "python" else language


def suffixes(language: str) -> tuple[str, ...]:
    """Return the endings of files that servers for *language* read."""
    return _SUFFIXES[language]
