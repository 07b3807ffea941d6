"""A full-text index over the names of artifacts: of the file, the workflow, the step and the chain.

Those names never change, so that triggers on the rows coming and going keep it whole, cascades included; a migration
that makes `artifacts` anew has to make them anew too. The index has row numbers of its own: the hidden ones of
`artifacts` may change whenever the file is vacuumed.
"""

from __future__ import annotations

from typing import Any

NAMES = "filename, workflow_name, step_id, chain_name"
SOURCE = """
    FROM artifacts AS a
    JOIN workflows AS w ON w.id = a.workflow_id
    LEFT JOIN chains AS c ON c.id = w.chain_id
    JOIN artifact_search_rows AS r ON r.artifact_id = a.id
"""
VALUES = "r.search_row, a.filename, w.workflow_name, w.step_id, c.name"

UP = (
    "CREATE TABLE artifact_search_rows (search_row INTEGER NOT NULL PRIMARY KEY, artifact_id TEXT NOT NULL UNIQUE)",
    f"CREATE VIRTUAL TABLE artifact_search USING fts5({NAMES},"
    " tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3')",
    f"""
    CREATE TRIGGER artifact_search_insert AFTER INSERT ON artifacts BEGIN
        INSERT INTO artifact_search_rows (artifact_id) VALUES (NEW.id);
        INSERT INTO artifact_search (rowid, {NAMES}) SELECT {VALUES} {SOURCE} WHERE a.id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER artifact_search_delete BEFORE DELETE ON artifacts BEGIN
        DELETE FROM artifact_search
        WHERE rowid = (SELECT search_row FROM artifact_search_rows WHERE artifact_id = OLD.id);
        DELETE FROM artifact_search_rows WHERE artifact_id = OLD.id;
    END
    """,
    "INSERT INTO artifact_search_rows (artifact_id) SELECT id FROM artifacts ORDER BY created_at, id",
    f"INSERT INTO artifact_search (rowid, {NAMES}) SELECT {VALUES} {SOURCE}",
)
DOWN = (
    "DROP TRIGGER artifact_search_insert",
    "DROP TRIGGER artifact_search_delete",
    "DROP TABLE artifact_search",
    "DROP TABLE artifact_search_rows",
)


def up(migrator: Any, db: Any) -> None:
    for statement in UP:
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for statement in DOWN:
        db.execute_sql(statement)
