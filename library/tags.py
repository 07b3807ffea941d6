"""Owns tags as a whole: which there are, how many artifacts have each, and putting them on and taking them off many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peewee import SQL, NodeList, Tuple

from ..db import models
from ..db.querying import all_rows
from . import names, pages

if TYPE_CHECKING:
    from .opening import Library


def list_tags(library: Library, ask: pages.Ask, *, q: str | None = None) -> pages.Page[tuple[str, int]]:
    """Every tag in use with the number of artifacts that have it and are not in the trash, by name, whatever its case.

    Args:
        q: only those that begin so, whatever their case.
    Raises:
        Invalid: no tag begins so, or the cursor is none of this list.
    """
    table = models.TagCount
    folded = NodeList((table.tag, SQL("COLLATE NOCASE")))
    query = table.select(table.tag, table.count)
    if q is not None:
        begins = names.checked_tag(q, "q")
        query = query.where((folded >= begins) & (folded < begins + "\U0010ffff"))
    if ask.cursor is not None:
        (seen,) = pages.decoded(ask.cursor, 1)
        query = query.where(Tuple(folded, table.tag) > Tuple(seen, seen))
    with library.reading():
        rows = all_rows(query.order_by(folded, table.tag).limit(ask.limit + 1))
    shown = [(row["tag"], row["count"]) for row in rows[: ask.limit]]
    return pages.Page(shown, pages.encoded([shown[-1][0]]) if len(rows) > len(shown) else None)
