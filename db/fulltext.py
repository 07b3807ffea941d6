"""Owns the SQL of the full-text indexes: the rows that have a word, in their order, and which of some rows have more.

FTS5 looks whether a row is within bounds only once the row has all that is asked for: words that are common and never
together, or a phrase of common words, it would seek through all rows there are. So each row of the indexes also has
words of our own, which say in which windows of rows it is, and more than one word is only sought within a window. Of a
single word no more is read than stands within the bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .connections import CURRENT

ALL, NAMED = "artifact_search", "artifact_names"
"""The index of everything, and that of file names and tags alone."""

SHORTEST_BEGINNING, LONGEST_BEGINNING = 2, 4
"""How long the beginnings of words are that are in the indexes themselves."""

UNDIVIDED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"
    "\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf"
    "\u1000-\u103f\u1780-\u17d3"
    "\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Ranges of characters of scripts without blanks between words, as migration 0009 has them; a test compares the two."""

SIGN, WIDTHS = 0xE000, (6, 12, 18)
"""The first of the characters that the words of windows begin with, and how many bits wide windows are."""

SHORT = 4096
"""Among so many rows, one after another, all that have a word are read."""
OPENING = 500
"""To begin with a window takes as long as so many rows of it."""

MOST_WORDS = 100
NEWEST = (1 << 63) - 1
FOLLOWED = " + "
"""Stands between the words of a phrase."""
_ANYWHERE = 1_000_000_000

_WORDS = """
    WITH RECURSIVE words(word) AS (
        SELECT (SELECT term FROM artifact_search_words WHERE term >= ? LIMIT 1)
        UNION ALL
        SELECT (SELECT term FROM artifact_search_words WHERE term >= word || char(1) LIMIT 1) FROM words WHERE word < ?)
    SELECT word FROM words WHERE word < ? LIMIT ?
"""

Phrases = Sequence[str]
"""Phrases, as FTS5 writes them, of which one is enough."""


def words_that_begin(beginning: str) -> list[str] | None:
    """The words in the index that begin with these letters, None where they are too many to name."""
    end = beginning + "\U0010ffff"
    found = [word for (word,) in _asked(_WORDS, (beginning, end, end, MOST_WORDS + 1))]
    return found if len(found) <= MOST_WORDS else None


def rows(words: Phrases, low: int, high: int, limit: int, *, index: str = ALL, newest_first: bool = True) -> list[int]:
    """The rows between `low` and `high` that have one of these words, the newest first or last."""
    return _matching(" OR ".join(words), low, high, limit, index, "DESC" if newest_first else "ASC")


def among(wanted: Iterable[Phrases], candidates: Iterable[int], *, index: str = ALL, narrow: bool = True) -> set[int]:
    """Those of some rows that have all that is wanted.

    Args:
        narrow: candidates are few among the rows that have any of it; else they are all of these, from the first
            candidate to the last, and of a window no more is read than lies as densely.
    """
    left = set(candidates)
    sought = []
    for phrases in wanted:
        if left and max(left) - min(left) < SHORT and not any(FOLLOWED in phrase for phrase in phrases):
            left.intersection_update(
                rows(phrases, min(left) - 1, max(left) + 1, SHORT, index=index, newest_first=False)
            )
        else:
            sought.append(phrases)
    return _in_windows(sought, left, index, narrow) if sought and left else left


def _in_windows(wanted: Sequence[Phrases], candidates: set[int], index: str, narrow: bool) -> set[int]:
    low, high = min(candidates) - 1, max(candidates) + 1
    density = 1 if narrow else len(candidates) / (high - low)
    ways = ((bits, {row >> bits for row in candidates}) for bits in WIDTHS)
    bits, windows = min(ways, key=lambda way: len(way[1]) * (OPENING + density * (1 << way[0])))
    found: set[int] = set()
    for window in sorted(windows):
        sign = f'"{chr(SIGN + bits)}{window:x}"'
        # A phrase is sought together with the sign, or it would be sought everywhere before the sign is looked at.
        each = (" OR ".join(f"NEAR({sign} {phrase}, {_ANYWHERE})" for phrase in phrases) for phrases in wanted)
        expression = " AND ".join(f"({one})" for one in each)
        # Upwards FTS5 goes to the window at once; downwards it would come to it from the end.
        found.update(_matching(expression, low, high, 1 << bits, index, "ASC"))
    return candidates.intersection(found)


def newest() -> int:
    """The row that was given last, 0 where there is none."""
    ((row,),) = _asked("SELECT coalesce(MAX(search_row), 0) FROM artifact_search_rows", ())
    return int(row)


def _matching(expression: str, low: int, high: int, limit: int, index: str, order: str) -> list[int]:
    sql = f"SELECT rowid FROM {index} WHERE {index} MATCH ? AND rowid > ? AND rowid < ? ORDER BY rowid {order} LIMIT ?"
    return [row for (row,) in _asked(sql, (expression, low, high, limit))]


def _asked(sql: str, values: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = CURRENT.execute_sql(sql, values).fetchall()
    return found
