"""Which of the known servers a sandbox has."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from daytona_plugins.local.runtime.lending import LENT
from daytona_plugins.lsp.registry import PROJECT_PROGRAMS, known_servers

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_servers(language: str, project: str) -> Iterator[list[str]]:
    """Yield the commands of the servers for *language* that are there, the best first."""
    for server in known_servers()[language]:
        program = find_program(server.command[0], project)
        if program is not None and (server.since == 0 or _major_version(program) >= server.since):
            yield [program, *server.command[1:]]


def find_program(name: str, project: str) -> str | None:
    """Return the path of a program: the project's own come first, and what the platform lends last."""
    places = [os.path.join(project, directory) for directory in PROJECT_PROGRAMS]
    return shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", os.defpath), LENT]))


def _major_version(program: str) -> int:
    """Return the major version of the npm package that a program belongs to; 0 when that cannot be told."""
    package = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(program))), "package.json")
    try:
        with open(package, encoding="utf-8") as file:
            return int(str(json.load(file)["version"]).partition(".")[0])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
