"""An index of what lists of artifacts are filtered by and what other tables hold: tags, steps, chains.

An index of SQLite's own cannot span tables, and without one a page of a common tag sorts all that have it. Triggers
keep it, cascades included; a migration that makes `artifacts` or `tags` anew has to make them anew too.
"""

from __future__ import annotations

from typing import Any

FILTERED = "INSERT OR IGNORE INTO artifact_filters (kind, value, created_at, artifact_id)"
STEP = "SELECT 'step', w.step_id, a.created_at, a.id FROM artifacts AS a JOIN workflows AS w ON w.id = a.workflow_id"
CHAIN = "SELECT 'chain', w.chain_id, a.created_at, a.id FROM artifacts AS a JOIN workflows AS w ON w.id = a.workflow_id"
TAG = "SELECT 'tag', t.tag, a.created_at, a.id FROM tags AS t JOIN artifacts AS a ON a.id = t.artifact_id"

UP = (
    """
    CREATE TABLE artifact_filters (
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        created_at TIMESTAMP NOT NULL,
        artifact_id TEXT NOT NULL,
        PRIMARY KEY (kind, value, created_at, artifact_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX idx_artifact_filters_artifact ON artifact_filters(artifact_id)",
    f"""
    CREATE TRIGGER artifact_filters_insert AFTER INSERT ON artifacts BEGIN
        {FILTERED} {STEP} WHERE a.id = NEW.id AND w.step_id IS NOT NULL;
        {FILTERED} {CHAIN} WHERE a.id = NEW.id AND w.chain_id IS NOT NULL;
    END
    """,
    """
    CREATE TRIGGER artifact_filters_delete AFTER DELETE ON artifacts BEGIN
        DELETE FROM artifact_filters WHERE artifact_id = OLD.id;
    END
    """,
    f"""
    CREATE TRIGGER artifact_filters_tag AFTER INSERT ON tags BEGIN
        {FILTERED} {TAG} WHERE t.artifact_id = NEW.artifact_id AND t.tag = NEW.tag;
    END
    """,
    """
    CREATE TRIGGER artifact_filters_untag AFTER DELETE ON tags BEGIN
        DELETE FROM artifact_filters WHERE artifact_id = OLD.artifact_id AND kind = 'tag' AND value = OLD.tag;
    END
    """,
    f"{FILTERED} {STEP} WHERE w.step_id IS NOT NULL",
    f"{FILTERED} {CHAIN} WHERE w.chain_id IS NOT NULL",
    f"{FILTERED} {TAG}",
)


def up(migrator: Any, db: Any) -> None:
    for statement in UP:
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for event in ("untag", "tag", "delete", "insert"):
        db.execute_sql(f"DROP TRIGGER artifact_filters_{event}")
    db.execute_sql("DROP TABLE artifact_filters")
