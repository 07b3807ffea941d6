"""Owns a page of what a search finds: by relevance, by time or by size, whatever the filters leave of it.

Three ways lead to it, and whichever is the shortest is taken: the words lead and each row that has them is held against
the filters; a filter that lets few through leads, and each of them is held against the words; or, by size, the order
leads. Each looks at so many rows and no more: a page may be short, even empty, and still have a cursor to go on from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from peewee import JOIN

from ..db import fulltext, models
from ..db.querying import all_rows, all_tuples, listed
from . import pages, ranking
from .words import Words, read

T = TypeVar("T")
Row = dict[str, Any]

FEW = 100
"""A filter that lets no more through leads."""
TRIED = 200
"""So many rows are looked at before a filter is asked whether it lets few through."""
SORTABLE = 1000
"""So many matches are sorted by size; more are found along the sizes."""
WALKED = 50
"""So many rows, or as many as a page may show, are held against the words for one page by size."""


@dataclass(frozen=True)
class Filters:
    """`narrow` adds all conditions to a query of artifacts; each of `leads` finds the ids of what one of them lets
    through, in the order of an index.
    """

    narrow: Callable[[Any], Any]
    leads: tuple[Any, ...] = ()


def page(q: str, ask: pages.Ask, filters: Filters, make: Callable[[list[Row]], list[T]], *, sort: str) -> pages.Page[T]:
    """A page of the artifacts that have all the words of `q`, inside the caller's transaction.

    Args:
        sort: `relevance`; or `created` and `size`, with `-` the newest and the largest first. By time, the order is
            that in which they were recorded here.
    Raises:
        Invalid: `q` cannot be asked, or the cursor is none of this list.
    """
    words = read(q)
    search = _Search(ask, filters, make)
    if words is None:
        return pages.Page([], None)
    if sort.endswith("size"):
        return search.by_size(words, descending=sort.startswith("-"))
    return search.ranked(words, by_time=sort != "relevance", newest_first=sort != "created")


class _Search:
    def __init__(self, ask: pages.Ask, filters: Filters, make: Callable[[list[Row]], list[Any]]) -> None:
        self.ask, self.filters, self.make = ask, filters, make

    def ranked(self, words: Words, *, by_time: bool, newest_first: bool) -> pages.Page[Any]:
        tiers = ranking.by_time(words) if by_time else ranking.by_relevance(words)
        start = None if self.ask.cursor is None else ranking.place(self.ask.cursor, tiers)
        found = ranking.Ranking(tiers, start, newest_first=newest_first)
        count = self.ask.limit + 1
        found.fill(count, self._kept, most=TRIED)
        if found.at is not None and len(found.found) < count:
            few = self._few()
            if few is None:
                found.fill(count, self._kept)
            else:
                found.sort(self._kept(few))
        shown = found.found[: self.ask.limit]
        at = shown[-1] if len(found.found) > len(shown) else found.at
        return pages.Page(self._made([place.row for place in shown]), at.cursor() if at else None)

    def by_size(self, words: Words, *, descending: bool) -> pages.Page[Any]:
        everything = ranking.everything(words)
        candidates = everything.candidates(0, fulltext.NEWEST, SORTABLE + 1)
        keys = (models.Artifact.file_size, models.Artifact.id)
        if len(candidates) <= SORTABLE:
            found = everything.exactly(candidates)
        elif (few := self._few()) is not None:
            found = list(everything.among(few))
        else:
            return self._walked(everything, keys, descending)
        if not found:
            return pages.Page([], None)
        query = _artifacts(found, *models.Artifact._meta.sorted_fields)
        return pages.page(self.filters.narrow(query), keys, self.ask, self.make, descending=descending)

    def _walked(self, everything: ranking.Tier, keys: tuple[Any, Any], descending: bool) -> pages.Page[Any]:
        """Along the sizes, each held against the filters and the words."""
        index, table = models.ArtifactSearchRow, models.Artifact
        sizes = table.select(*keys, index.search_row).join(index, JOIN.CROSS).where(index.artifact_id == table.id)
        ask = pages.Ask(max(WALKED, self.ask.limit), self.ask.cursor)
        walked = pages.page(sizes, keys, ask, lambda rows: rows, descending=descending)
        kept = set(self._kept([row["search_row"] for row in walked.items]))
        kept = everything.among(kept)
        found = [row for row in walked.items if row["search_row"] in kept]
        cursor = walked.next_cursor
        if len(found) > self.ask.limit:
            found = found[: self.ask.limit]
            cursor = pages.encoded([found[-1][key.name] for key in keys])
        return pages.Page(self._made([row["search_row"] for row in found]), cursor)

    def _kept(self, found: list[int]) -> list[int]:
        """Those of some rows of the index that the filters let through."""
        if not found:
            return []
        kept = {row for (row,) in all_tuples(self.filters.narrow(_artifacts(found)))}
        return [row for row in found if row in kept]

    def _made(self, shown: list[int]) -> list[Any]:
        """The items of these rows of the index."""
        if not shown:
            return []
        rows = {row["search_row"]: row for row in all_rows(_artifacts(shown, *models.Artifact._meta.sorted_fields))}
        return self.make([rows[row] for row in shown])

    def _few(self) -> list[int] | None:
        """The rows that the narrowest filter lets through; None where all of them let many through."""
        index = models.ArtifactSearchRow
        for lead in self.filters.leads:
            ids = [found for (found,) in all_tuples(lead.limit(FEW + 1))]
            if not ids:
                return []
            if len(ids) <= FEW:
                rows = index.select(index.search_row).where(index.artifact_id.in_(listed(ids)))
                return [row for (row,) in all_tuples(rows)]
        return None


def _artifacts(found: list[int], *columns: Any) -> Any:
    """The artifacts of some rows of the index."""
    index, table = models.ArtifactSearchRow, models.Artifact
    # CROSS JOIN keeps this order: from the rows that were found to their artifacts.
    query = index.select(index.search_row, *columns).join(table, JOIN.CROSS)
    return query.where((index.artifact_id == table.id) & index.search_row.in_(listed(found)))
