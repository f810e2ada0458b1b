"""A place for documents of one kind in the platform's memory: volumes, secrets, warm pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    import sqlite3

    from daytona_plugins.local.platform.changes import Changes

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT
"""


class Document(Protocol):
    """Something with an id."""

    @property
    def id(self) -> str:
        """What it is found by."""
        ...


T = TypeVar("T", bound=Document)


class Shelf(Generic[T]):
    """All documents of one kind; each write is one transaction."""

    def __init__(self, database: sqlite3.Connection, kind: str, document: type[T], changes: Changes) -> None:
        self._db = database
        self._changes = changes
        self._kind = kind
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(document).decode

    def get(self, document_id: str) -> T | None:
        """Return the document with this id."""
        query = "SELECT document FROM documents WHERE kind = ? AND id = ?"
        row = self._db.execute(query, (self._kind, document_id)).fetchone()
        return None if row is None else self._decode(row[0])

    def all(self) -> list[T]:
        """Return every document."""
        rows = self._db.execute("SELECT document FROM documents WHERE kind = ?", (self._kind,))
        return [self._decode(document) for (document,) in rows]

    def put(self, document: T) -> T:
        """Keep a document in place of the one with the same id, if there is one, and return it."""
        before = self.get(document.id)
        row = (self._kind, document.id, self._encode(document))
        self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", row)
        self._changes.tell(before, document)
        return document

    def remove(self, document_id: str) -> None:
        """Forget a document; fine when it is not there."""
        before = self.get(document_id)
        self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (self._kind, document_id))
        if before is not None:
            self._changes.tell(before, None)
