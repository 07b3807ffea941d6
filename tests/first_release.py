"""Makes a hub as the first release left it: its database with data of every kind, and the store beside it.

`fixtures/first_release` was written by that release's own code; nothing of it is to be made again by ours.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

FIXTURE = Path(__file__).resolve().parent / "fixtures" / "first_release"


def make(home: Path) -> Path:
    """Lay it down in a folder; returns the database's path."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "artifacts.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURE / "artifacts.sql").read_text(encoding="utf-8"))
    shutil.copytree(FIXTURE / "files", home / "store" / "files")
    return path
