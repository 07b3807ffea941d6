"""Owns the copy of a database that is in use: one snapshot, page by page, while others go on writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..errors import StoreFailed, Unavailable
from .connections import Database, unavailable

PAGES = 2000
"""Pages that are copied between two reports of progress."""

_LAST = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"

Progress = Callable[[int, int], None]


def copy_database(database: Database, target: Path, progress: Progress) -> int:
    """Copy a database into an empty file, and read the copy back: one that nobody has read is a hope.

    Args:
        progress: hears how many bytes are done, and of how many.
    Returns:
        The number of the last event that is in it; 0 without one.
    Raises:
        Unavailable: the database cannot be read. StoreFailed: the copy cannot be written.
    """
    uri = f"{database.path.absolute().as_uri()}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as source,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            # A read transaction of our own: every step copies from the same snapshot, whoever writes meanwhile.
            source.execute("BEGIN")
            last = source.execute(_LAST).fetchone()
            page = int(source.execute("PRAGMA page_size").fetchone()[0])
            copy.execute("PRAGMA synchronous = OFF")
            source.backup(copy, pages=PAGES, progress=lambda _, left, all: progress((all - left) * page, all * page))
            source.execute("ROLLBACK")
        _prove(target, last)
    except sqlite3.Error as error:
        if "disk is full" in str(error) or "disk I/O" in str(error):
            raise StoreFailed("the copy cannot be written: its disk is full or failing") from error
        raise unavailable(error) from error
    return int(last[0]) if last else 0


def _prove(target: Path, last: tuple[int, str] | None) -> None:
    with closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        told = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        there = copy.execute(_LAST).fetchone()
    if told != "ok" or there != last:
        raise Unavailable(f"the copy is not whole ({told}); run `artifact-db doctor`, the database may be damaged")
