"""The platform's memory: one SQLite file, in which everything acknowledged survives the death of the process.

Every write is one transaction. Write-ahead logging without a sync at each commit keeps all of them through a
`kill -9` (the kernel has the pages) and keeps the file consistent through a power cut, which takes the sandboxes'
processes along in any case.

What was written is kept in memory as it would be read again, because each request that goes to a sandbox asks for it.

A change of state is a compare-and-set: whoever decided on what is no longer true loses, and is told so.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec

from daytona_plugins.local.platform.changes import Changes
from daytona_plugins.local.platform.records import Record
from daytona_plugins.local.platform.shelf import SCHEMA as SHELF_SCHEMA, Document, Shelf
from daytona_plugins.local.platform.states import ALLOWED, State

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sandboxes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    desired TEXT NOT NULL,
    document BLOB NOT NULL
) STRICT
"""
_VERSION = 1

_T = TypeVar("_T", bound=Document)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class NameTakenError(Exception):
    """Another sandbox has this name."""


class LostRaceError(Exception):
    """The sandbox is no longer in the state that this change was decided on."""


class IllegalStateError(Exception):
    """A pair of state and desired state that must not exist: a mistake of the platform, not of a client."""


class UnusableDatabaseError(Exception):
    """The file is damaged, no database at all, or was written by a later version of the platform."""


class Store:
    """The sandboxes of one platform; used by one process and one thread at a time."""

    def __init__(self, file: Path) -> None:
        self.changes = Changes()
        self._db = sqlite3.connect(file, isolation_level=None)
        try:
            self._prepare()
        except (sqlite3.DatabaseError, UnusableDatabaseError) as error:
            self._db.close()
            raise UnusableDatabaseError(f"cannot use the database {file}: {error}") from error

    def close(self) -> None:
        """Close the file; everything acknowledged is in it already."""
        self._db.close()

    def get(self, sandbox_id: str) -> Record | None:
        """Return the sandbox with this id."""
        return self._records.get(sandbox_id)

    def find(self, id_or_name: str) -> Record | None:
        """Return the sandbox with this id, or else with this name."""
        if found := self._records.get(id_or_name):
            return found
        row = self._db.execute("SELECT id FROM sandboxes WHERE name = ?", (id_or_name,)).fetchone()
        return None if row is None else self._records[row[0]]

    def all(self) -> list[Record]:
        """Return every sandbox."""
        return list(self._records.values())

    def add(self, record: Record) -> None:
        """Remember a new sandbox.

        Raises:
            NameTakenError: There is one with this name.
        """
        document = _encode(_checked(record))
        row = (record.id, record.name, record.state, record.desired, document)
        try:
            self._db.execute("INSERT INTO sandboxes VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise NameTakenError(record.name) from error
        self._records[record.id] = _decode(document)
        self.changes.tell(None, record)

    def change(self, seen: Record, **changes: object) -> Record:
        """Change some fields of a sandbox, provided that its state is the one *seen*, and return all of it.

        Fields other than the state keep what others have written to them since.

        Raises:
            LostRaceError: Its state is another one by now, or it is gone.
        """
        now = self.get(seen.id)
        if now is None or (now.state, now.desired) != (seen.state, seen.desired):
            raise LostRaceError(seen.id)
        changed = _checked(msgspec.structs.replace(now, **changes))
        self._write(changed)
        self.changes.tell(now, changed)
        return changed

    def remove(self, sandbox_id: str) -> None:
        """Forget a sandbox."""
        self._db.execute("DELETE FROM sandboxes WHERE id = ?", (sandbox_id,))
        found = self._records.pop(sandbox_id, None)
        if found is not None:
            self.changes.tell(found, None)

    def shelf(self, kind: str, document: type[_T]) -> Shelf[_T]:
        """Return the place for documents of another kind."""
        return Shelf(self._db, kind, document, self.changes)

    def _prepare(self) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found > _VERSION:
            raise UnusableDatabaseError(f"it is of version {found}, and this platform knows up to {_VERSION}")
        if not found:  # there is nothing yet that a power cut could take, and seven syncs take their time
            self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            self._db.execute(_SCHEMA)
            self._db.execute(SHELF_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.execute("PRAGMA synchronous = NORMAL")
        documents = self._db.execute("SELECT document FROM sandboxes")
        self._records = {record.id: record for record in (_decode(document) for (document,) in documents)}

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _write(self, record: Record) -> None:
        document = _encode(record)
        row = (record.name, record.state, record.desired, document, record.id)
        self._db.execute(
            "UPDATE sandboxes SET name = ?, state = ?, desired = ?, document = ? WHERE id = ?", row
        )
        self._records[record.id] = _decode(document)


def _checked(record: Record) -> Record:
    if record.state not in ALLOWED[record.desired] and record.state is not State.DESTROYED:
        raise IllegalStateError(f"{record.state} on the way to {record.desired}")
    return record
