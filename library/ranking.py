"""Owns in which order a search shows what it finds, and how far it looks for it.

What has all the words in the file's name or the tags comes first, then what has them anywhere; whole words before
beginnings of words; then the newest. Each tier comes out of the index in its order and is read no further than the page
needs. What that does not bound: several common words that hardly ever stand together are sought through all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

from ..db import fulltext
from ..errors import Invalid
from . import pages
from .words import Words

MOST_READ = 2000
"""Most rows that are looked at for one page, whatever the filters leave of them."""
LARGEST_STEP = 500

Keep = Callable[[list[int]], list[int]]
"""Those of some rows that the filters let through, in the same order."""


@dataclass(frozen=True)
class Tier:
    """What is equally good."""

    index: str
    expression: str


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


def matching(words: Words) -> str:
    """What finds everything that is found."""
    return "".join([f"({words.begun})", *(f" NOT {word}" for word in words.without)])


def by_relevance(words: Words) -> list[Tier | None]:
    """The best first, without what is in a better one; None where there can be none."""
    whole, begun = f"({words.whole})", f"({words.begun})"
    without = "".join(f" NOT {word}" for word in words.without)
    named = f"({fulltext.OF_NAMES} : {begun})"
    differ = words.whole != words.begun
    if without:
        # What must not be there may stand anywhere, so that the index of names does not know of it.
        best = Tier(fulltext.ALL, f"({fulltext.OF_NAMES} : {whole}){without}")
        good = Tier(fulltext.ALL, f"{named} NOT ({fulltext.OF_NAMES} : {whole}){without}")
    else:
        best, good = Tier(fulltext.NAMED, whole), Tier(fulltext.NAMED, f"{begun} NOT {whole}")
    return [
        best,
        good if differ else None,
        Tier(fulltext.ALL, f"{whole} NOT {named}{without}"),
        Tier(fulltext.ALL, f"{begun} NOT {whole} NOT {named}{without}") if differ else None,
    ]


def by_time(words: Words) -> list[Tier | None]:
    """Everything alike, so that only time sorts it."""
    return [Tier(fulltext.ALL, matching(words))]


class Ranking:
    """What one page shows: `found` are places in their order, `at` is where to go on, None at the end."""

    def __init__(
        self, words: Words, tiers: list[Tier | None], start: Place | None, *, newest_first: bool = True
    ) -> None:
        self.words, self.tiers, self.newest_first = words, tiers, newest_first
        self.step = -1 if newest_first else 1
        above = fulltext.newest() + 1 if newest_first else 0
        self.start = start or Place(above, 0, above)
        self.at: Place | None = self.start
        self.found: list[Place] = []
        self.read = 0

    def fill(self, count: int, keep: Keep, *, most: int = MOST_READ) -> None:
        """Look on until `count` are found, `most` rows were looked at, or there is nothing more."""
        step = count
        while self.at is not None and len(self.found) < count and self.read < most:
            at, tier = self.at, self.tiers[self.at.tier]
            rows = self._rows(tier, at, step) if tier else []
            self.found += [replace(at, row=row) for row in keep(rows)]
            self.read += len(rows)
            if len(rows) == step:
                self.at = replace(at, row=rows[-1])
                step = min(step * 2, LARGEST_STEP)
            elif at.tier + 1 < len(self.tiers):
                self.at = replace(at, tier=at.tier + 1, row=at.above)
            else:
                self.at = None

    def sort(self, rows: list[int]) -> None:
        """Rank these rows, all that a filter lets through, instead of looking for them."""
        start = self.start
        left = {row for row in rows if not self.newest_first or row < start.above}
        left = fulltext.among(matching(self.words), left)
        places = []
        for number, tier in enumerate(self.tiers):
            if tier is None or not left:
                continue
            of_tier = fulltext.among(tier.expression, left, index=tier.index)
            left -= of_tier
            places += [Place(start.above, number, row) for row in of_tier]
        self.found = sorted((at for at in places if self._order(at) > self._order(start)), key=self._order)
        self.at = None

    def _rows(self, tier: Tier, at: Place, limit: int) -> list[int]:
        low, high = (0, at.row) if self.newest_first else (at.row, fulltext.NEWEST)
        return fulltext.rows(tier.expression, low, high, limit, index=tier.index, newest_first=self.newest_first)

    def _order(self, place: Place) -> tuple[int, int]:
        return place.tier, self.step * place.row
