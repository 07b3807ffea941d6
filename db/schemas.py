"""Owns what guards a database: the triggers and indexes that the migrations make, compared with those that are there.

Tables are not compared by their text, which an undone migration may leave in another form; the models are held against
them by a test.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from .connections import Database
from .migrating import migrate


def missing_guards(database: Database) -> list[str]:
    """Every trigger and index that should be there and is not, or is not as it was made, in words.

    Raises:
        Unavailable: the database cannot be read.
    """
    wanted = _as_migrated()
    with database.reading():
        there = _guards(database.engine.execute_sql(_QUERY).fetchall())
    return [f"{name} {'was changed' if name in there else 'is not there'}" for name in wanted
            if there.get(name) != wanted[name]]  # fmt: skip


_QUERY = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"


def _guards(rows: list[tuple[str, str, str]]) -> dict[str, str]:
    return {f"{kind} {name}": " ".join(sql.split()) for kind, name, sql in rows}


def _as_migrated() -> dict[str, str]:
    """Those of a database that was made just now."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-") as folder:
        path = Path(folder) / "artifacts.db"
        fresh = Database(f"sqlite:///{path}")
        try:
            migrate(fresh)
        finally:
            fresh.close()
        with closing(sqlite3.connect(path)) as connection:
            return _guards(connection.execute(_QUERY).fetchall())
