"""The tables of the original design, as they stand in its schema. Nothing is added and nothing is left out."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE chains (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        description TEXT,
        temporal_workflow_id TEXT UNIQUE,
        temporal_run_id TEXT,
        status TEXT NOT NULL,
        current_level INTEGER DEFAULT 0,
        started_at TIMESTAMP NOT NULL,
        completed_at TIMESTAMP,
        error_message TEXT,
        chain_definition JSON,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    )
    """,
    "CREATE INDEX idx_chains_temporal ON chains(temporal_workflow_id)",
    "CREATE INDEX idx_chains_status ON chains(status)",
    "CREATE INDEX idx_chains_started ON chains(started_at DESC)",
    """
    CREATE TABLE workflows (
        id TEXT PRIMARY KEY,
        chain_id TEXT,
        step_id TEXT,
        workflow_name TEXT NOT NULL,
        server_address TEXT NOT NULL,
        prompt_id TEXT NOT NULL,
        temporal_workflow_id TEXT,
        temporal_run_id TEXT,
        status TEXT NOT NULL,
        latest_artifact_id TEXT,
        queued_at TIMESTAMP NOT NULL,
        started_at TIMESTAMP,
        completed_at TIMESTAMP,
        error_message TEXT,
        workflow_definition JSON,
        parameters JSON,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        FOREIGN KEY (chain_id) REFERENCES chains(id) ON DELETE CASCADE,
        FOREIGN KEY (latest_artifact_id) REFERENCES artifacts(id) ON DELETE SET NULL
    )
    """,
    "CREATE INDEX idx_workflows_chain ON workflows(chain_id, step_id)",
    "CREATE INDEX idx_workflows_prompt ON workflows(prompt_id)",
    "CREATE INDEX idx_workflows_temporal ON workflows(temporal_workflow_id)",
    "CREATE INDEX idx_workflows_status ON workflows(status)",
    """
    CREATE TABLE artifacts (
        id TEXT PRIMARY KEY,
        workflow_id TEXT NOT NULL,
        filename TEXT NOT NULL,
        local_filename TEXT NOT NULL UNIQUE,
        local_path TEXT NOT NULL UNIQUE,
        file_type TEXT NOT NULL,
        file_format TEXT,
        file_size INTEGER,
        node_id TEXT,
        subfolder TEXT DEFAULT '',
        comfy_folder_type TEXT DEFAULT 'output',
        version INTEGER DEFAULT 1,
        is_latest BOOLEAN DEFAULT TRUE,
        parent_artifact_id TEXT,
        approval_status TEXT DEFAULT 'auto_approved',
        approved_by TEXT,
        approved_at TIMESTAMP,
        rejection_reason TEXT,
        metadata JSON,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        FOREIGN KEY (workflow_id) REFERENCES workflows(id) ON DELETE CASCADE,
        FOREIGN KEY (parent_artifact_id) REFERENCES artifacts(id) ON DELETE SET NULL
    )
    """,
    "CREATE INDEX idx_artifacts_workflow ON artifacts(workflow_id)",
    "CREATE INDEX idx_artifacts_latest ON artifacts(workflow_id, is_latest)",
    "CREATE INDEX idx_artifacts_approval ON artifacts(approval_status)",
    "CREATE INDEX idx_artifacts_created ON artifacts(created_at DESC)",
    "CREATE UNIQUE INDEX idx_artifacts_one_latest_per_workflow"
    " ON artifacts(workflow_id, is_latest) WHERE is_latest = TRUE",
    """
    CREATE TABLE artifact_transfers (
        id TEXT PRIMARY KEY,
        artifact_id TEXT NOT NULL,
        source_workflow_id TEXT NOT NULL,
        target_workflow_id TEXT,
        target_server TEXT NOT NULL,
        target_subfolder TEXT DEFAULT '',
        status TEXT NOT NULL,
        uploaded_at TIMESTAMP,
        error_message TEXT,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        FOREIGN KEY (artifact_id) REFERENCES artifacts(id) ON DELETE CASCADE,
        FOREIGN KEY (source_workflow_id) REFERENCES workflows(id) ON DELETE CASCADE,
        FOREIGN KEY (target_workflow_id) REFERENCES workflows(id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX idx_transfers_artifact ON artifact_transfers(artifact_id)",
    "CREATE INDEX idx_transfers_source ON artifact_transfers(source_workflow_id)",
    "CREATE INDEX idx_transfers_target ON artifact_transfers(target_workflow_id)",
    "CREATE INDEX idx_transfers_status ON artifact_transfers(status)",
)


def up(migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for table in ("artifact_transfers", "artifacts", "workflows", "chains"):
        db.execute_sql(f"DROP TABLE {table}")
