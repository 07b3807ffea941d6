"""Owns the SQL of the full-text indexes: the rows that match an expression, in their order, no further than asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .connections import CURRENT

ALL, NAMED = "artifact_search", "artifact_names"
"""The index of everything, and that of file names and tags alone."""

OF_NAMES = "{filename tags}"
"""The columns of `NAMED`, in an expression for `ALL`."""

LONGEST_BEGINNING = 6
"""Beginnings of words up to this length are in the indexes themselves."""

UNDIVIDED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"
    "\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf"
    "\u1000-\u103f\u1780-\u17d3"
    "\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Ranges of characters of scripts without blanks between words, as migration 0009 has them; a test compares the two."""

MOST_WORDS = 16
NEWEST = (1 << 63) - 1

_WORDS = """
    WITH RECURSIVE words(word) AS (
        SELECT (SELECT term FROM artifact_search_words WHERE term >= ? LIMIT 1)
        UNION ALL
        SELECT (SELECT term FROM artifact_search_words WHERE term >= word || char(1) LIMIT 1) FROM words WHERE word < ?)
    SELECT word FROM words WHERE word < ? LIMIT ?
"""


def words_that_begin(beginning: str) -> list[str] | None:
    """The words in the index that begin with these letters, None where they are too many to name."""
    end = beginning + "\U0010ffff"
    found = [word for (word,) in _asked(_WORDS, (beginning, end, end, MOST_WORDS + 1))]
    return found if len(found) <= MOST_WORDS else None


def rows(
    expression: str, low: int, high: int, limit: int, *, index: str = ALL, newest_first: bool = True, skip: int = 0
) -> list[int]:
    """The rows between `low` and `high` that match, the newest first or last, without the first `skip` of them."""
    sql = (
        f"SELECT rowid FROM {index} WHERE {index} MATCH ? AND rowid > ? AND rowid < ?"
        f" ORDER BY rowid {'DESC' if newest_first else 'ASC'} LIMIT ? OFFSET ?"
    )
    return [row for (row,) in _asked(sql, (expression, low, high, limit, skip))]


def among(expression: str, candidates: Iterable[int], *, index: str = ALL) -> set[int]:
    """Those of some rows that match. Neighbours are looked at together."""
    found: set[int] = set()
    ordered = sorted(candidates)
    wanted = set(ordered)
    at = 0
    while at < len(ordered):
        end = at
        while end + 1 < len(ordered) and ordered[end + 1] - ordered[end] <= NEIGHBOURS:
            end += 1
        limit = ordered[end] - ordered[at] + 1
        found.update(wanted.intersection(rows(expression, ordered[at] - 1, ordered[end] + 1, limit, index=index)))
        at = end + 1
    return found


NEIGHBOURS = 50
"""Reading so many rows on costs less than beginning anew."""


def newest() -> int:
    """The row that was given last, 0 where there is none."""
    ((row,),) = _asked("SELECT coalesce(MAX(search_row), 0) FROM artifact_search_rows", ())
    return int(row)


def _asked(sql: str, values: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = CURRENT.execute_sql(sql, values).fetchall()
    return found
