"""Owns in which order a search shows what it finds, and how far it looks for it.

What has all the words in the file's name or the tags comes first, then what has them anywhere; whole words before
beginnings of words; then the newest. Candidates are the rows that have the word which is the rarest just there; what
else they have is asked of so many and no more, whatever is in the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, replace

from ..db import fulltext
from ..errors import Invalid
from . import pages
from .words import Term, Words

MOST_READ = 1000
"""Most rows that are looked at for one page, whatever the filters leave of them."""
LARGEST_STEP = 500

Keep = Callable[[list[int]], list[int]]
"""Those of some rows that the filters let through, in the same order."""


@dataclass(frozen=True)
class Tier:
    """What has all these terms in an index."""

    index: str
    terms: tuple[Term, ...]

    def candidates(self, low: int, high: int, limit: int, *, newest_first: bool = True) -> list[int]:
        """The next rows that have one of the words: of all words the one whose rows reach the farthest."""

        def reach(rows: list[int]) -> tuple[bool, int]:
            if len(rows) < limit:
                return False, len(rows)
            return True, rows[-1] if newest_first else -rows[-1]

        read: list[list[int]] = []
        for part in dict.fromkeys(part for term in self.terms for part in term.parts):
            read.append(fulltext.rows(part, low, high, limit, index=self.index, newest_first=newest_first))
            if not read[-1]:
                break
        return min(read, key=reach)

    def among(self, rows: Iterable[int], *, narrow: bool = True) -> set[int]:
        """Those of some rows that are in it; `narrow` as `fulltext.among` has it."""
        return fulltext.among([term.phrases for term in self.terms], rows, index=self.index, narrow=narrow)

    def exactly(self, candidates: list[int]) -> list[int]:
        """Those of its candidates that are in it, in their order."""
        if len(self.terms) == 1 and self.terms[0].parts == (self.terms[0].phrases,):
            return candidates
        found = self.among(candidates, narrow=False)
        return [row for row in candidates if row in found]


@dataclass(frozen=True)
class Place:
    """How far somebody has come: of `tier` all to `row` was shown, and all of the tiers before it.

    Newest first, what was recorded after the first page, from `above` on, is in none of the later ones.
    """

    above: int
    tier: int
    row: int

    def cursor(self) -> str:
        return pages.encoded(list(astuple(self)))


def place(cursor: str, tiers: list[Tier | None]) -> Place:
    """The place that a cursor carries.

    Raises:
        Invalid: it is none of a search that is sorted so.
    """
    values = pages.decoded(cursor, 3)
    if not all(type(value) is int and value >= 0 for value in values) or values[1] >= len(tiers):
        raise Invalid("cursor is not one that this server gave", field="cursor")
    return Place(*values)


def everything(words: Words) -> Tier:
    """All that is found."""
    return Tier(fulltext.ALL, words.begun)


def by_relevance(words: Words) -> list[Tier | None]:
    """The best first; what is in one is not shown again in a later one. None where there can be nothing more in it."""
    differ = words.whole != words.begun
    return [
        Tier(index, terms) if terms is words.whole or differ else None
        for index in (fulltext.NAMED, fulltext.ALL)
        for terms in (words.whole, words.begun)
    ]


def by_time(words: Words) -> list[Tier | None]:
    """Everything alike, so that only time sorts it."""
    return [everything(words)]


class Ranking:
    """What one page shows: `found` are places in their order, `at` is where to go on, None at the end."""

    def __init__(self, tiers: list[Tier | None], start: Place | None, *, newest_first: bool = True) -> None:
        self.tiers, self.newest_first = tiers, newest_first
        self.step = -1 if newest_first else 1
        above = fulltext.newest() + 1 if newest_first else 0
        self.start = start or Place(above, 0, above)
        self.at: Place | None = self.start
        self.found: list[Place] = []
        self.read = 0
        self.next_read = 0

    def fill(self, count: int, keep: Keep, *, most: int = MOST_READ) -> None:
        """Look on until `count` are found, `most` rows were looked at, or there is nothing more."""
        while self.at is not None and len(self.found) < count and self.read < most:
            at, tier = self.at, self.tiers[self.at.tier]
            step = max(count, min(self.next_read, most - self.read))
            low, high = (0, at.row) if self.newest_first else (at.row, fulltext.NEWEST)
            candidates = tier.candidates(low, high, step, newest_first=self.newest_first) if tier else []
            if tier and candidates:
                kept = self._new(keep(tier.exactly(candidates)), at.tier)
                self.found += [replace(at, row=row) for row in kept]
            self.read += len(candidates)
            if len(candidates) == step:
                self.at = replace(at, row=candidates[-1])
                self.next_read = min(step * 4, LARGEST_STEP)
            elif at.tier + 1 < len(self.tiers):
                self.at = replace(at, tier=at.tier + 1, row=at.above)
            else:
                self.at = None

    def sort(self, rows: list[int]) -> None:
        """Rank these rows, all that a filter lets through, instead of looking for them."""
        start = self.start
        left = {row for row in rows if not self.newest_first or row < start.above}
        places = []
        for number, tier in enumerate(self.tiers):
            if tier is not None:
                of_tier = tier.among(left)
                left -= of_tier
                places += [Place(start.above, number, row) for row in of_tier]
        self.found = sorted((at for at in places if self._order(at) > self._order(start)), key=self._order)
        self.at = None

    def _new(self, rows: list[int], number: int) -> list[int]:
        """Those of a tier's rows that are in no better tier."""
        left = set(rows)
        for tier in self.tiers[:number]:
            if tier is not None:
                left -= tier.among(left)
        return [row for row in rows if row in left]

    def _order(self, place: Place) -> tuple[int, int]:
        return place.tier, self.step * place.row
