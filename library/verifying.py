"""Owns `verify`: every event, every row, every pointer and every file against each other, and where it got to.

It reads a page at a time, each in a short transaction of its own, so that others go on writing and a library of any
size takes no more memory than a page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from peewee import fn

from ..db import models
from ..db.querying import first_row
from ..db.schemas import missing_guards
from . import pointing, replaying
from .findings import Finding
from .pointing import fix_pointers
from .proofs import Proofs
from .proving import prove_anchor, prove_files, prove_log

if TYPE_CHECKING:
    from .opening import Library

__all__ = ["Finding", "Watcher", "check", "fix_pointers", "verify"]

MAX_AGAIN = 1000
"""Pages with findings that are remembered; from then on a run that is interrupted starts again where they began."""

SAVE_EVERY = 1.0
"""Seconds between two times that the state is written."""


class Watcher(Protocol):
    """Hears how far a check has come."""

    def begin(self, step: str, total: int, unit: str) -> None:
        """A step begins; `total` is a guess, in `unit`s: `B` for bytes, else what is counted."""

    def advance(self, count: int) -> None:
        """So many more were examined."""


@dataclass(frozen=True)
class _Step:
    name: str
    unit: str
    page: Callable[[Library, Any, replaying.Advance], tuple[list[Finding], Any]]
    """The findings of the page after a cursor, and the cursor of the next one, None where there are no more."""
    total: Callable[[], int]


def _last_event() -> tuple[int, str]:
    query = models.Event.select(models.Event.seq, models.Event.hash).order_by(models.Event.seq.desc()).limit(1)
    row = first_row(query)
    return (row["seq"], row["hash"]) if row else (0, "")


def _bytes() -> int:
    return int(models.Artifact.select(fn.SUM(models.Artifact.file_size)).scalar() or 0)


def _count(model: Any) -> int:
    return int(model.select().count())


_ROWS = [
    _Step(f"{kind.name}s", "rows", partial(replaying.compare, kind), partial(_count, kind.model))
    for kind in replaying.KINDS
]
_STEPS = (
    _Step("events", "events", prove_log, lambda: _last_event()[0]),
    *_ROWS,
    _Step("currents", "rows", pointing.prove_currents, partial(_count, models.Workflow)),
    _Step("heads", "outputs", pointing.prove_heads, lambda: 0),
    _Step("files", "B", prove_files, _bytes),
)


def check(library: Library) -> list[Finding]:
    """Everything that is wrong, at once and without a memory of earlier checks; empty when all is well.

    Raises:
        TooNew, Unavailable: the database cannot be used.
    """
    return list(_walk(library, Proofs(None), None))


def verify(
    library: Library, *, restart: bool = False, watcher: Watcher | None = None
) -> Generator[Finding, None, None]:
    """What is wrong, as it is found. A run that is interrupted goes on at the next call, unless `restart` begins anew.

    Raises:
        TooNew, Unavailable: the database cannot be used.
    """
    proofs = Proofs(library.database.path.with_name(f"{library.database.path.name}.verify.json"))
    if restart:
        proofs.forget()
    else:
        proofs.load()
    yield from _walk(library, proofs, watcher)


def _walk(library: Library, proofs: Proofs, watcher: Watcher | None) -> Iterator[Finding]:
    library.prepare()
    for guard in missing_guards(library.database):
        yield Finding("schema", "database", "", f"{guard}; the rules that it keeps may have been broken")
    cut = prove_anchor(library, *proofs.anchor) if proofs.anchor is not None else []
    yield from cut
    if proofs.reached is None:
        with library.reading():
            proofs.reached = _last_event()
    try:
        for step in _STEPS:
            if step.name not in proofs.done:
                yield from _take(library, step, proofs, watcher)
                proofs.finish(step.name)
    except BaseException:
        proofs.save()
        raise
    # A log that was cut is told of until somebody says that it is meant to be so.
    proofs.complete(keep_anchor=bool(cut))


def _take(library: Library, step: _Step, proofs: Proofs, watcher: Watcher | None) -> Iterator[Finding]:
    advance: replaying.Advance = lambda count: None
    if watcher is not None:
        with library.reading():
            watcher.begin(step.name, step.total(), step.unit)
        advance = watcher.advance
    for begin, end in proofs.to_see_again(step.name):
        following = begin
        while True:
            found, following = step.page(library, following, advance)
            yield from found
            if found:
                proofs.remember(step.name, begin, end, most=MAX_AGAIN)
            if following is None or following >= end:
                break
    yield from _go_on(library, step, proofs, advance)


def _go_on(library: Library, step: _Step, proofs: Proofs, advance: replaying.Advance) -> Iterator[Finding]:
    cursor, saved = proofs.cursors.get(step.name), time.monotonic()
    while True:
        found, following = step.page(library, cursor, advance)
        yield from found
        if found:
            proofs.remember(step.name, cursor, following, most=MAX_AGAIN)
        if following is None:
            return
        proofs.reach(step.name, following)
        cursor = following
        if time.monotonic() - saved >= SAVE_EVERY:
            proofs.save()
            saved = time.monotonic()
