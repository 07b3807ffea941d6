"""Owns in which order a search shows what it finds, and how far it looks for it.

What has all the words in the file's name or the tags comes first, then what has them anywhere; whole words before
beginnings of words; then the newest. Of several words that are all common, whoever has them together may be far apart:
they are looked for in a window of the newest rows, ranked there, then in the window below it. So no page costs more
because the table is large, and a rare word is ranked over all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

from ..db import fulltext
from ..errors import Invalid
from . import pages
from .words import Words

DEPTH = 1000
"""A window reaches as far as the rarest word is found so often."""
COUNTED = 8
"""Of so many words it is counted how often they are found."""
WINDOWS = 4
"""Most windows for one page."""
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
    """How far somebody has come: what lies between `above` and `low` is ranked, and of `tier` all to `row` was shown.

    Newest first, what was recorded after the first page is in none of the later ones. Oldest first `low` is the higher.
    """

    above: int
    low: int
    tier: int
    row: int

    def cursor(self) -> str:
        return pages.encoded(list(astuple(self)))


def place(cursor: str, tiers: list[Tier | None]) -> Place:
    """The place that a cursor carries.

    Raises:
        Invalid: it is none of a search that is sorted so.
    """
    values = pages.decoded(cursor, 4)
    if not all(type(value) is int and value >= 0 for value in values) or values[2] >= len(tiers):
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


def window(words: Words, above: int, *, newest_first: bool = True) -> int:
    """Where a search that begins at `above` may stop at first: at the very end where it need not stop before.

    A word alone comes out of the index in its order. Several are looked for together: as long as one of them is rare,
    that is quick too.
    """
    end = 0 if newest_first else fulltext.NEWEST
    if words.simple:
        return end
    edges = []
    for part in words.parts[:COUNTED]:
        between = (0, above) if newest_first else (above, fulltext.NEWEST)
        last = fulltext.rows(part, *between, 1, newest_first=newest_first, skip=DEPTH)
        if not last:
            return end
        edges += last
    return min(edges) if newest_first else max(edges)


class Ranking:
    """What one page shows: `found` are places in their order, `at` is where to go on, None at the end."""

    def __init__(
        self, words: Words, tiers: list[Tier | None], start: Place | None, *, newest_first: bool = True
    ) -> None:
        self.words, self.tiers, self.newest_first = words, tiers, newest_first
        self.end, self.step = (0, -1) if newest_first else (fulltext.NEWEST, 1)
        self.start = start or self._window(fulltext.newest() + 1 if newest_first else 0)
        self.at: Place | None = self.start
        self.found: list[Place] = []
        self.read = 0

    def fill(self, count: int, keep: Keep, *, most: int = MOST_READ) -> None:
        """Look on until `count` are found, `most` rows were looked at, or there is nothing more."""
        step, windows = count, 1
        while self.at is not None and len(self.found) < count and self.read < most and windows <= WINDOWS:
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
                self.at = self._window(at.low - self.step) if at.low != self.end else None
                windows += 1

    def sort(self, rows: list[int]) -> None:
        """Rank these rows, all that a filter lets through, instead of looking for them."""
        start = self.start
        left = {row for row in rows if self._before(start.above, row)}
        left = fulltext.among(matching(self.words), left)
        places = []
        for number, tier in enumerate(self.tiers):
            if tier is None or not left:
                continue
            of_tier = fulltext.among(tier.expression, left, index=tier.index)
            left -= of_tier
            for row in of_tier:
                within = self._before(row, start.low)
                at = (start.above, start.low) if within else (start.low - self.step, self.end)
                places.append(Place(*at, number, row))
        self.found = sorted((at for at in places if self._order(at) > self._order(start)), key=self._order)
        self.at = None

    def _rows(self, tier: Tier, at: Place, limit: int) -> list[int]:
        low, high = (at.low, at.row) if self.newest_first else (at.row, at.low)
        return fulltext.rows(tier.expression, low, high, limit, index=tier.index, newest_first=self.newest_first)

    def _window(self, above: int) -> Place:
        return Place(above, window(self.words, above, newest_first=self.newest_first), 0, above)

    def _before(self, one: int, other: int) -> bool:
        return one > other if self.newest_first else one < other

    def _order(self, place: Place) -> tuple[int, int, int]:
        return self.step * place.above, place.tier, self.step * place.row
