"""What the rules need beyond the original design: attempts, events, heads, hashes, revisions, tags, lineage.

Each table's CHECK on its status comes with a column, since SQLite adds no constraint to a table that is there.
"""

from __future__ import annotations

from typing import Any

WORKFLOW_STATUS = (
    "('queued', 'executing', 'awaiting_approval', 'completed', 'failed', 'skipped', 'cancelled', 'outcome_unknown')"
)
CHAIN_CHECK = (
    "CONSTRAINT chains_status CHECK (status IN"
    " ('initializing', 'awaiting_approval', 'completed', 'failed', 'cancelled')"
    " OR (rtrim(status, '0123456789') = 'executing_level_' AND status <> 'executing_level_'))"
)
WORKFLOW_CHECK = f"CONSTRAINT workflows_status CHECK (status IN {WORKFLOW_STATUS})"
ARTIFACT_CHECK = (
    "CONSTRAINT artifacts_status CHECK"
    " (approval_status IN ('pending', 'approved', 'rejected', 'auto_approved', 'edited'))"
)
TRANSFER_CHECK = "CONSTRAINT transfers_status CHECK (status IN ('pending', 'uploading', 'completed', 'failed'))"

TABLES = (
    f"""
    CREATE TABLE attempts (
        id TEXT PRIMARY KEY,
        workflow_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        server_address TEXT NOT NULL,
        prompt_id TEXT NOT NULL,
        status TEXT NOT NULL CONSTRAINT attempts_status CHECK (status IN {WORKFLOW_STATUS}),
        parameters JSON,
        workflow_definition JSON,
        extra_pnginfo JSON,
        client_id TEXT,
        requested_by TEXT,
        error_message TEXT,
        queued_at TIMESTAMP NOT NULL,
        started_at TIMESTAMP,
        completed_at TIMESTAMP,
        created_at TIMESTAMP NOT NULL,
        updated_at TIMESTAMP NOT NULL,
        FOREIGN KEY (workflow_id) REFERENCES workflows(id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE tags (
        artifact_id TEXT NOT NULL,
        tag TEXT NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP NOT NULL,
        PRIMARY KEY (artifact_id, tag),
        FOREIGN KEY (artifact_id) REFERENCES artifacts(id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE lineage (
        attempt_id TEXT NOT NULL,
        artifact_id TEXT NOT NULL,
        via TEXT NOT NULL,
        created_at TIMESTAMP NOT NULL,
        PRIMARY KEY (attempt_id, artifact_id),
        FOREIGN KEY (attempt_id) REFERENCES attempts(id) ON DELETE CASCADE,
        FOREIGN KEY (artifact_id) REFERENCES artifacts(id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE events (
        seq INTEGER NOT NULL PRIMARY KEY,
        at TIMESTAMP NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        entity_type TEXT NOT NULL,
        entity_id TEXT NOT NULL,
        chain_id TEXT,
        workflow_id TEXT,
        before TEXT,
        after TEXT,
        previous_hash TEXT NOT NULL,
        hash TEXT NOT NULL
    )
    """,
    "CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events"
    " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
    "CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events"
    " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
    # INSERT OR REPLACE removes the row that is in its way without asking the trigger above.
    "CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events"
    " WHEN EXISTS (SELECT 1 FROM events WHERE seq = new.seq)"
    " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END",
)

COLUMNS = {
    "chains": (f"revision INTEGER NOT NULL DEFAULT 1 {CHAIN_CHECK}",),
    "workflows": (
        "requires_approval BOOLEAN NOT NULL DEFAULT FALSE",
        f"revision INTEGER NOT NULL DEFAULT 1 {WORKFLOW_CHECK}",
    ),
    "artifacts": (
        "output_key TEXT NOT NULL DEFAULT ''",
        "attempt_id TEXT REFERENCES attempts(id) ON DELETE SET NULL",
        "is_head BOOLEAN NOT NULL DEFAULT FALSE",
        "sha256 TEXT NOT NULL DEFAULT ''",
        "decided_sha256 TEXT",
        "decided_by TEXT",
        "decided_at TIMESTAMP",
        "source_artifact_id TEXT REFERENCES artifacts(id) ON DELETE SET NULL",
        "bytes_removed_at TIMESTAMP",
        "deleted_at TIMESTAMP",
        "file_mtime_ns INTEGER",
        "file_inode INTEGER",
        f"revision INTEGER NOT NULL DEFAULT 1 {ARTIFACT_CHECK}",
    ),
    "artifact_transfers": (
        f"attempts INTEGER NOT NULL DEFAULT 0 {TRANSFER_CHECK}",
        "target_filename TEXT",
        "receipt_sha256 TEXT",
        "requested_by TEXT",
        "updated_at TIMESTAMP",
    ),
}

INDEXES = {
    "idx_chains_name": "chains(name, started_at)",
    "idx_chains_status_started": "chains(status, started_at)",
    "idx_workflows_created": "workflows(created_at)",
    "idx_workflows_name_created": "workflows(workflow_name, created_at)",
    "idx_workflows_chain_created": "workflows(chain_id, created_at)",
    "idx_workflows_chain_step_created": "workflows(chain_id, step_id, created_at)",
    "idx_workflows_step_created": "workflows(step_id, created_at)",
    "idx_workflows_status_created": "workflows(status, created_at)",
    "idx_workflows_latest": "workflows(latest_artifact_id)",
    "UNIQUE idx_attempts_number": "attempts(workflow_id, number)",
    "idx_attempts_prompt": "attempts(prompt_id, server_address)",
    "UNIQUE idx_artifacts_version": "artifacts(workflow_id, output_key, version)",
    "UNIQUE idx_artifacts_one_head_per_output": "artifacts(workflow_id, output_key) WHERE is_head = TRUE",
    "idx_artifacts_current": "artifacts(created_at) WHERE is_latest = TRUE",
    "idx_artifacts_status_created": "artifacts(approval_status, created_at)",
    "idx_artifacts_type_created": "artifacts(file_type, created_at)",
    "idx_artifacts_size": "artifacts(file_size, id)",
    "idx_artifacts_attempt": "artifacts(attempt_id)",
    "idx_artifacts_parent": "artifacts(parent_artifact_id)",
    "idx_artifacts_source": "artifacts(source_artifact_id)",
    "idx_transfers_created": "artifact_transfers(created_at)",
    "idx_transfers_status_created": "artifact_transfers(status, created_at)",
    "idx_transfers_server_created": "artifact_transfers(target_server, created_at)",
    "idx_tags_tag": "tags(tag, artifact_id)",
    "idx_lineage_artifact": "lineage(artifact_id)",
    "idx_events_entity": "events(entity_id, seq)",
    "idx_events_workflow": "events(workflow_id, seq)",
}


def up(migrator: Any, db: Any) -> None:
    for statement in TABLES:
        db.execute_sql(statement)
    for table, columns in COLUMNS.items():
        for column in columns:
            db.execute_sql(f"ALTER TABLE {table} ADD COLUMN {column}")
    for name, where in INDEXES.items():
        unique, _, plain = name.rpartition(" ")
        db.execute_sql(f"CREATE {unique} INDEX {plain} ON {where}")


def down(migrator: Any, db: Any) -> None:
    for name in INDEXES:
        db.execute_sql(f"DROP INDEX {name.rpartition(' ')[2]}")
    for table, columns in COLUMNS.items():
        for column in reversed(columns):
            db.execute_sql(f"ALTER TABLE {table} DROP COLUMN {column.split()[0]}")
    for table in ("events", "lineage", "tags", "attempts"):
        db.execute_sql(f"DROP TABLE {table}")
