"""The platform's memory of snapshots: a table of its own in the same SQLite file as the sandboxes."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import msgspec

from daytona_plugins.local.images.image import HOST, Image
from daytona_plugins.local.platform.changes import Changes
from daytona_plugins.local.platform.records import BuildInfo
from daytona_plugins.local.platform.store import NameTakenError

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS snapshots (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    document BLOB NOT NULL
) STRICT
"""


class SnapshotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot; times are seconds since the epoch, sizes are GiB."""

    id: str
    name: str
    state: str
    created_at: float
    updated_at: float
    last_used_at: float | None = None
    general: bool = False
    image_name: str = ""
    build_info: BuildInfo | None = None
    entrypoint: tuple[str, ...] | None = None
    limited: tuple[str, ...] = ()
    """The sizes that somebody has asked for; they are limits of the sandboxes made from it."""
    cpu: int = 1
    mem: int = 1
    disk: int = 3
    size: float | None = None
    error_reason: str | None = None
    source_sandbox_id: str | None = None
    image: Image = HOST


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SnapshotRecord).decode


class SnapshotStore:
    """The snapshots of one platform; everything that was written survives the death of the process."""

    def __init__(self, file: Path) -> None:
        self.changes = Changes()
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def all(self) -> list[SnapshotRecord]:
        """Return every snapshot."""
        return [_decode(document) for (document,) in self._db.execute("SELECT document FROM snapshots")]

    def get(self, snapshot_id: str) -> SnapshotRecord | None:
        """Return the snapshot with this id."""
        return self._one("SELECT document FROM snapshots WHERE id = ?", snapshot_id)

    def find(self, id_or_name: str) -> SnapshotRecord | None:
        """Return the snapshot with this id, or else with this name."""
        return self.get(id_or_name) or self._one("SELECT document FROM snapshots WHERE name = ?", id_or_name)

    def add(self, record: SnapshotRecord) -> None:
        """Remember a new snapshot.

        Raises:
            NameTakenError: There is one with this name.
        """
        row = (record.id, record.name, _encode(record))
        try:
            self._db.execute("INSERT INTO snapshots VALUES (?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise NameTakenError(record.name) from error
        self.changes.tell(None, record)

    def change(self, snapshot_id: str, **changes: object) -> SnapshotRecord | None:
        """Change some fields of a snapshot and return all of it, if it is still there."""
        record = self.get(snapshot_id)
        if record is None:
            return None
        changed = msgspec.structs.replace(record, **changes)
        self._db.execute(
            "UPDATE snapshots SET name = ?, document = ? WHERE id = ?",
            (changed.name, _encode(changed), snapshot_id),
        )
        self.changes.tell(record, changed)
        return changed

    def remove(self, snapshot_id: str) -> None:
        """Forget a snapshot."""
        record = self.get(snapshot_id)
        self._db.execute("DELETE FROM snapshots WHERE id = ?", (snapshot_id,))
        if record is not None:
            self.changes.tell(record, None)

    def _one(self, query: str, argument: str) -> SnapshotRecord | None:
        row = self._db.execute(query, (argument,)).fetchone()
        return None if row is None else _decode(row[0])
