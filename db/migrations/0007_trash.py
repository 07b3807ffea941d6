"""The trash of whole chains, and what stays known of an artifact when the trash is emptied.

A chain in the trash keeps all of its rows: `chain_deleted_at` marks its workflows and artifacts, so that no list has to
ask for their chain. Of what is emptied, the highest version number of its output and its place in a lineage are kept.
"""

from __future__ import annotations

from typing import Any

COLUMNS = (
    ("chains", "deleted_at"),
    ("chains", "purged_at"),
    ("workflows", "chain_deleted_at"),
    ("artifacts", "chain_deleted_at"),
)

UP = (
    *(f"ALTER TABLE {table} ADD COLUMN {column} TIMESTAMP" for table, column in COLUMNS),
    # Pages of what is there pass by nothing that is in the trash, however much that is.
    "CREATE INDEX idx_artifacts_there ON artifacts(created_at, id)"
    " WHERE deleted_at IS NULL AND chain_deleted_at IS NULL",
    "CREATE INDEX idx_artifacts_trash ON artifacts(deleted_at, id) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX idx_chains_trash ON chains(deleted_at, id) WHERE deleted_at IS NOT NULL",
    """
    CREATE TABLE purged_versions (
        workflow_id TEXT NOT NULL,
        output_key TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (workflow_id, output_key),
        FOREIGN KEY (workflow_id) REFERENCES workflows(id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE purged_relations (
        artifact_id TEXT NOT NULL,
        ancestor_id TEXT NOT NULL,
        relation TEXT NOT NULL,
        PRIMARY KEY (artifact_id, ancestor_id, relation)
    )
    """,
    "CREATE INDEX idx_purged_relations_ancestor ON purged_relations(ancestor_id)",
)
# Of a database that was taken back to before this and had chains in the trash: the log knows.
AGAIN = (
    """
    UPDATE chains SET deleted_at = (
        SELECT e.at FROM events AS e WHERE e.action = 'chain.deleted' AND e.after IS NOT NULL AND e.seq = (
            SELECT MAX(o.seq) FROM events AS o WHERE o.entity_id = chains.id
            AND o.action IN ('chain.created', 'chain.imported', 'chain.deleted', 'chain.undeleted')
        )
    )
    """,
    """
    UPDATE workflows SET chain_deleted_at = (SELECT c.deleted_at FROM chains AS c WHERE c.id = workflows.chain_id)
    WHERE chain_id IN (SELECT id FROM chains WHERE deleted_at IS NOT NULL)
    """,
    """
    UPDATE artifacts SET chain_deleted_at = (SELECT w.chain_deleted_at FROM workflows AS w WHERE w.id = workflow_id)
    WHERE workflow_id IN (
        SELECT w.id FROM workflows AS w JOIN chains AS c ON c.id = w.chain_id WHERE c.deleted_at IS NOT NULL
    )
    """,
)
DOWN = (
    "DROP TABLE purged_relations",
    "DROP TABLE purged_versions",
    "DROP INDEX idx_chains_trash",
    "DROP INDEX idx_artifacts_trash",
    "DROP INDEX idx_artifacts_there",
    *(f"ALTER TABLE {table} DROP COLUMN {column}" for table, column in reversed(COLUMNS)),
)


def up(migrator: Any, db: Any) -> None:
    for statement in (*UP, *AGAIN):
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for statement in DOWN:
        db.execute_sql(statement)
