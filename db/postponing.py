"""Owns the search rows of many new artifacts: each is written once, after everything that stands in it is there.

A row of the full-text index is made with its artifact, and made anew with each tag that follows; of an import that was
nearly all that it did under the writer's lock. What is written, and to where, says the trigger alone: it is taken off
the table within the transaction, and its own text runs at the end. Nobody else sees the database without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .connections import CURRENT

TRIGGER = "artifact_search_insert"
_BEGINNING = f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON artifacts "


@contextmanager
def search_rows_last() -> Iterator[None]:
    """Within the caller's `writing()`: the artifacts added in this block are put into the indexes when it ends.

    An error leaves the trigger away until the transaction is undone, which is what its end has to be then.
    """
    ((text,),) = CURRENT.execute_sql("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?", (TRIGGER,))
    if not text.startswith(_BEGINNING):
        raise RuntimeError(f"the trigger {TRIGGER} is not as a migration made it")
    ((newest,),) = CURRENT.execute_sql("SELECT coalesce(MAX(rowid), 0) FROM artifacts")
    CURRENT.execute_sql(f"DROP TRIGGER {TRIGGER}")
    yield
    CURRENT.execute_sql(text)
    CURRENT.execute_sql("CREATE TEMP TABLE arrived (id TEXT NOT NULL)")
    CURRENT.execute_sql(f"CREATE TEMP TRIGGER arriving AFTER INSERT ON temp.arrived {text.removeprefix(_BEGINNING)}")
    CURRENT.execute_sql("INSERT INTO temp.arrived SELECT id FROM artifacts WHERE rowid > ? ORDER BY rowid", (newest,))
    CURRENT.execute_sql("DROP TABLE temp.arrived")
