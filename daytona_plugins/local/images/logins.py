"""Who is known to which registry: what was given to this platform by its API, and nothing that lies about elsewhere."""

from __future__ import annotations

import base64
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

KIND: Final = "registry"
"""What the platform's memory calls these documents."""
DOCKER_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


class Login(NamedTuple):
    """What a registry asks for."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"<login {self.username!r}>"

    @property
    def basic(self) -> str:
        """The value of an `Authorization` field."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


class _Document(msgspec.Struct):
    url: str
    username: str = ""
    password: str = ""


def find_login(database: Path, address: str) -> Login | None:
    """Return the login for the registry at *address*, if one was given."""
    wanted = host_of(address)
    for document in _documents(database):
        if document.username and host_of(document.url) == wanted:
            return Login(document.username, document.password)
    return None


def host_of(address: str) -> str:
    """Return the host, and the port if there is one, of an address with or without its beginning."""
    host = re.sub(r"^[a-z]+://", "", address.strip().lower()).partition("/")[0].rpartition("@")[2]
    return "docker.io" if host in DOCKER_HUB else host


def _documents(database: Path) -> list[_Document]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'documents'").fetchone():
            return []
        rows = connection.execute("SELECT document FROM documents WHERE kind = ?", (KIND,))
        return [msgspec.json.decode(document, type=_Document) for (document,) in rows]
