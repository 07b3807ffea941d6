"""Who may ask besides this machine: tokens, and the browser sessions that were opened with one.

Neither table holds a secret: of a token and of a session's id only the hash is kept.
"""

from __future__ import annotations

from typing import Any

UP = (
    """
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        role TEXT NOT NULL CONSTRAINT tokens_role CHECK (role IN ('view', 'review', 'record', 'admin')),
        hash TEXT NOT NULL UNIQUE,
        created_at TIMESTAMP NOT NULL,
        created_by TEXT NOT NULL,
        expires_at TIMESTAMP,
        revoked_at TIMESTAMP
    )
    """,
    """
    CREATE TABLE sessions (
        hash TEXT PRIMARY KEY,
        token_id TEXT NOT NULL,
        created_at TIMESTAMP NOT NULL,
        expires_at TIMESTAMP NOT NULL,
        FOREIGN KEY (token_id) REFERENCES tokens(id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX idx_tokens_one_living_of_a_name ON tokens(name) WHERE revoked_at IS NULL",
    "CREATE INDEX idx_sessions_token ON sessions(token_id)",
    "CREATE INDEX idx_sessions_expires ON sessions(expires_at)",
)


def up(migrator: Any, db: Any) -> None:
    for statement in UP:
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for table in ("sessions", "tokens"):
        db.execute_sql(f"DROP TABLE {table}")
