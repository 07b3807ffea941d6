"""What imports of folders have seen, so that the next one need not read again what has not changed.

A file is known by the folder that it lies in, not by the one that was imported: whoever imports a part of a folder
and later all of it has no file twice. `mtime_ns` 0: look again, the file was written a moment before it was read.
What became of an artifact is not told here: a file whose artifact was deleted is not taken in again.
"""

from __future__ import annotations

from typing import Any

UP = (
    "CREATE TABLE import_folders (id INTEGER NOT NULL PRIMARY KEY, path TEXT NOT NULL UNIQUE)",
    """
    CREATE TABLE imported_files (
        folder_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        artifact_id TEXT NOT NULL,
        PRIMARY KEY (folder_id, name),
        FOREIGN KEY (folder_id) REFERENCES import_folders(id) ON DELETE CASCADE
    ) WITHOUT ROWID
    """,
    "CREATE INDEX idx_attempts_lost ON attempts(queued_at) WHERE status = 'outcome_unknown'",
)
DOWN = (
    "DROP INDEX idx_attempts_lost",
    "DROP TABLE imported_files",
    "DROP TABLE import_folders",
)


def up(migrator: Any, db: Any) -> None:
    for statement in UP:
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for statement in DOWN:
        db.execute_sql(statement)
