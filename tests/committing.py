"""Does something right before every COMMIT, as a disk that fails or a process that is killed there does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any


def connecting(before_commit: Callable[[], object]) -> Callable[..., sqlite3.Connection]:
    """What `sqlite3.connect` does, with connections that call `before_commit`."""

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *parameters: Any) -> Cursor:
            if sql == "COMMIT":
                before_commit()
            super().execute(sql, *parameters)
            return self

    class Connection(sqlite3.Connection):
        def cursor(self, *_: Any) -> sqlite3.Cursor:  # type: ignore[override]
            return super().cursor(Cursor)

    connect = sqlite3.connect
    return lambda *arguments, **named: connect(*arguments, factory=Connection, **named)
