"""Which artifacts have some bytes: what a graph reads is recognised by its hash, whatever it is called."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    db.execute_sql("CREATE INDEX idx_artifacts_sha256 ON artifacts(sha256, id)")


def down(migrator: Any, db: Any) -> None:
    db.execute_sql("DROP INDEX idx_artifacts_sha256")
