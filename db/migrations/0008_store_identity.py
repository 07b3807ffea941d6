"""Which store the rows speak of: the id that lies in it as a file, so that an empty mount point is not taken for it."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    db.execute_sql(
        """
        CREATE TABLE store_identity (
            place INTEGER PRIMARY KEY CHECK (place = 1),
            id TEXT NOT NULL,
            since TIMESTAMP NOT NULL
        )
        """
    )


def down(migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE store_identity")
