"""What makes a request with an Idempotency-Key safe to repeat: that it was done, on what, and how it was answered."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    db.execute_sql(
        """
        CREATE TABLE idempotency_keys (
            key TEXT PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            entity_type TEXT,
            entity_id TEXT,
            answer JSON,
            created_at TIMESTAMP NOT NULL
        )
        """
    )
    db.execute_sql("CREATE INDEX idx_idempotency_keys_created ON idempotency_keys(created_at)")


def down(migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE idempotency_keys")
