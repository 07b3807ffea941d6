"""Holds a database's writer lock, as a backup tool or another program does, and shortens the wait for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from comfyui_artifact_db.db import connections


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that are opened from here on wait 50 ms for a lock; `mark.usefixtures` comes before the library."""
    monkeypatch.setattr(connections, "BUSY_TIMEOUT", 0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else can write to this database within the block."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()
