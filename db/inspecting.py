"""Owns looking at a database without changing it: no migration, no journal mode, no file is made."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .connections import Database, unavailable
from .migrating import MIGRATIONS

BUSY_SECONDS = 5.0


def known_migrations() -> list[str]:
    """The names of this release's migrations, in their order."""
    return sorted(path.stem for path in MIGRATIONS.glob("[0-9]*_*.py"))


class Inspection:
    """A connection that only reads; each call is a snapshot of its own.

    Every call raises Unavailable when the database cannot be read; the message says what to do.
    """

    def __init__(self, database: Database) -> None:
        self.path = database.path

    def exists(self) -> bool:
        return self.path.is_file()

    def bytes(self) -> int:
        """The size of its files, in bytes."""
        there = (Path(f"{self.path}{suffix}") for suffix in ("", "-wal"))
        return sum(path.stat().st_size for path in there if path.exists())

    def applied(self) -> list[str]:
        """The names of the migrations that it holds, in their order; empty for one without tables."""
        with self._connected() as connection:
            if not _has_table(connection, "schema_migration"):
                return []
            return sorted(name for (name,) in connection.execute("SELECT name FROM schema_migration"))

    def journal_mode(self) -> str:
        with self._connected() as connection:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    def quick_check(self) -> str | None:
        """The first thing that SQLite finds damaged; None when it finds nothing."""
        with self._connected() as connection:
            told = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        return None if told == "ok" else told

    def store_id(self) -> str | None:
        """The id of the store that its rows speak of; None where it was not given one yet."""
        with self._connected() as connection:
            if not _has_table(connection, "store_identity"):
                return None
            row = connection.execute("SELECT id FROM store_identity").fetchone()
            return str(row[0]) if row else None

    def some_files(self, limit: int) -> list[str]:
        """The local paths of the oldest and of the newest artifacts, `limit` of each, whose bytes were not removed."""
        with self._connected() as connection:
            # The first release's tables are the least there is: before its second migration nothing was recorded.
            if not _has_table(connection, "events"):
                return []
            found = []
            for order in ("ASC", "DESC"):
                query = f"SELECT local_path, bytes_removed_at FROM artifacts ORDER BY id {order} LIMIT ?"
                found += [path for path, removed in connection.execute(query, (limit,)) if removed is None]
            return list(dict.fromkeys(found))

    def open_drives(self, engine: str) -> int:
        """How many chains an engine has that have not ended."""
        with self._connected() as connection:
            query = "SELECT count(*) FROM drives WHERE engine = ? AND ended_at IS NULL"
            return int(connection.execute(query, (engine,)).fetchone()[0])

    def named(self, local_paths: Sequence[str]) -> set[str]:
        """Those of some places in the store that a row names."""
        places = ", ".join("?" * len(local_paths))
        with self._connected() as connection:
            query = f"SELECT local_path FROM artifacts WHERE local_path IN ({places})"
            return {path for (path,) in connection.execute(query, list(local_paths))}

    def files(self, after: str, limit: int) -> list[tuple[str, str, str]]:
        """The artifacts whose ids follow `after`, and whose bytes were not removed: id, local path, file name."""
        with self._connected() as connection:
            query = (
                "SELECT id, local_path, filename FROM artifacts"
                " WHERE id > ? AND bytes_removed_at IS NULL ORDER BY id LIMIT ?"
            )
            return connection.execute(query, (after, limit)).fetchall()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            # `mode=ro` would leave files for the write-ahead log behind; a database that is not there stays so.
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
            try:
                connection.execute("PRAGMA query_only = 1")
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise unavailable(error) from error


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (name,)).fetchone() is not None
