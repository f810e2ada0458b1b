"""Which program serves which language: the first that is found wins, and the fastest come first.

Other distributions add to the list through the entry-point group `daytona.language_servers`: the name is a language, and
the object a sequence of `Server`, which come before ours.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from daytona.errors import DaytonaPluginError
from daytona.plugins import LANGUAGE_SERVERS, entry_points, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PROJECT_PROGRAMS", "Server", "dialect", "how_to_install", "known_servers", "suffixes"]

logger = logging.getLogger(__name__)

PROJECT_PROGRAMS: Final = ("node_modules/.bin", ".venv/bin")
"""Where a project keeps programs of its own, which know it best."""


class Server(NamedTuple):
    """A language server: how it is started, and how it gets into a sandbox."""

    command: tuple[str, ...]
    install: str
    since: int = 0
    """The major version from which on the program is a language server; 0 is any."""


_PYTHON: Final = (
    Server(("ty", "server"), "pip install ty"),
    Server(("pyright-langserver", "--stdio"), "npm install -g pyright"),
    Server(("pylsp",), "pip install python-lsp-server"),
    Server(("jedi-language-server",), "pip install jedi-language-server"),
)
_TYPESCRIPT: Final = (
    # Since its version 7 the compiler is a language server itself.
    Server(("tsc", "--lsp", "--stdio"), "npm install -g typescript", since=7),
    Server(
        ("typescript-language-server", "--stdio"), "npm install -g typescript-language-server typescript@6"
    ),
)
SERVERS: Final = {"python": _PYTHON, "typescript": _TYPESCRIPT, "javascript": _TYPESCRIPT}

_DIALECTS: Final = {
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascriptreact",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "typescriptreact",
}  # fmt: skip
_SUFFIXES: Final = {"python": (".py", ".pyi"), "typescript": tuple(_DIALECTS), "javascript": tuple(_DIALECTS)}


@cache
def known_servers() -> Mapping[str, Sequence[Server]]:
    """Return the servers by language, those of plugins first. The first call imports plugins."""
    known: dict[str, Sequence[Server]] = dict(SERVERS)
    for language in sorted(entry_points(LANGUAGE_SERVERS)):
        try:
            added = cast("Sequence[Server]", load(LANGUAGE_SERVERS, language))
        except DaytonaPluginError as error:
            logger.warning("There are fewer language servers: %s", error)
        else:
            known[language] = (*added, *known.get(language, ()))
    return known


def how_to_install(language: str) -> str:
    """Return what brings a server for *language* into a sandbox, as advice."""
    return " or ".join(f"`{server.install}`" for server in known_servers()[language])


def dialect(language: str, path: str) -> str:
    """Return the language a server for *language* shall take the file at *path* for."""
    known = language in ("typescript", "javascript")
    return _DIALECTS.get(os.path.splitext(path)[1], language) if known else language


def suffixes(language: str) -> tuple[str, ...]:
    """Return the endings of files that servers for *language* read; none where that is not known."""
    return _SUFFIXES.get(language, ())
