"""What a SQLite database says of its own tables, as plain values that can be compared."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Column:
    """A column as `PRAGMA table_info` tells it; `default` is its SQL text."""

    name: str
    type: str
    not_null: bool
    default: str | None
    primary_key: int


@dataclass(frozen=True)
class ForeignKey:
    column: str
    table: str
    to: str
    on_delete: str
    on_update: str


@dataclass(frozen=True)
class Index:
    """`columns` with DESC where it is so; `sql` is the condition and all, None for an automatic index."""

    name: str
    unique: bool
    partial: bool
    columns: tuple[str, ...]
    sql: str | None


@dataclass
class Table:
    columns: dict[str, Column] = field(default_factory=dict)
    foreign_keys: set[ForeignKey] = field(default_factory=set)
    indexes: dict[str, Index] = field(default_factory=dict)


def described(path: Path | str, *script: str) -> dict[str, Table]:
    """Every table of a database, after a script has run in it; of a full-text index neither it nor what it keeps."""
    connection = sqlite3.connect(path)
    try:
        for sql in script:
            connection.executescript(sql)
        made = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        names = dict(made.fetchall())
        virtual = {name for name, sql in names.items() if sql.startswith("CREATE VIRTUAL")}
        kept = {f"{name}_{part}" for name in virtual for part in ("data", "idx", "content", "docsize", "config")}
        return {name: _table(connection, name) for name in names if name not in virtual | kept}
    finally:
        connection.close()


def _table(connection: sqlite3.Connection, name: str) -> Table:
    table = Table()
    for _, column, type_, not_null, default, primary_key in connection.execute(f"PRAGMA table_info({name})"):
        table.columns[column] = Column(column, type_, bool(not_null), default, primary_key)
    for row in connection.execute(f"PRAGMA foreign_key_list({name})"):
        table.foreign_keys.add(ForeignKey(row[3], row[2], row[4], row[6], row[5]))
    for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list({name})").fetchall():
        columns = tuple(
            f"{row[2]} DESC" if row[3] else row[2]
            for row in connection.execute(f"PRAGMA index_xinfo({index})")
            if row[5]
        )
        # The key of a table without row numbers is the table itself, and has no entry of its own.
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (index,)).fetchone() or (None,)
        label = index if origin == "c" else f"automatic on {', '.join(columns)}"
        table.indexes[label] = Index(
            label, bool(unique), bool(partial), columns, " ".join(sql.split()) if sql else None
        )
    return table
