"""Rows of the four tables of the original design, as SQL that adds them: what a database that is old may hold."""

from __future__ import annotations

from typing import Any

AT = "2026-11-22T10:30:00.000Z"

USUAL: dict[str, dict[str, Any]] = {
    "chains": {"name": "film", "status": "completed", "started_at": AT},
    "workflows": {
        "workflow_name": "graph",
        "server_address": "s",
        "prompt_id": "p",
        "status": "completed",
        "queued_at": AT,
    },
    "artifacts": {"filename": "f.png", "local_filename": "l", "local_path": "p", "file_type": "image"},
    "artifact_transfers": {"target_server": "s", "status": "completed"},
}
"""What a row of each table has where nothing else is said."""


def adding(table: str, row_id: str, **columns: Any) -> str:
    """The statement that adds a row."""
    row = {"id": row_id, **USUAL[table], **columns}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(_literal(value) for value in row.values())});\n"


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(int(value))
