"""What an engine needs: with which parameters a chain runs, who drives it now, and what an attempt is to change."""

from __future__ import annotations

from typing import Any

UP = (
    """
    CREATE TABLE drives (
        chain_id TEXT PRIMARY KEY,
        engine TEXT NOT NULL CONSTRAINT drives_engine CHECK (engine IN ('local', 'temporal')),
        parameters JSON NOT NULL,
        source_chain_id TEXT,
        started_by TEXT NOT NULL,
        ended_at TIMESTAMP,
        FOREIGN KEY (chain_id) REFERENCES chains(id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE leases (
        chain_id TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        expires_at TIMESTAMP NOT NULL,
        FOREIGN KEY (chain_id) REFERENCES chains(id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX idx_drives_open ON drives(engine) WHERE ended_at IS NULL",
    """
    CREATE TABLE overrides (
        attempt_id TEXT PRIMARY KEY,
        parameters JSON NOT NULL,
        FOREIGN KEY (attempt_id) REFERENCES attempts(id) ON DELETE CASCADE
    )
    """,
)


def up(migrator: Any, db: Any) -> None:
    for statement in UP:
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for table in ("overrides", "leases", "drives"):
        db.execute_sql(f"DROP TABLE {table}")
