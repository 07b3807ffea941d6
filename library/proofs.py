"""Owns the small file beside the database that says what a check has proven so far, and how long the log was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import identities

FORMAT = 1


class Proofs:
    """How far a check has come. It is written whole, by rename; one that cannot be read counts for nothing.

    Args:
        path: where it is kept; None keeps it nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._begin()
        self.anchor: tuple[int, str, str] | None = None

    def _begin(self) -> None:
        self.began = identities.now()
        self.cursors: dict[str, Any] = {}
        self.done: list[str] = []
        self.reached: tuple[int, str] | None = None
        self.resumed = False
        self._again: dict[str, list[list[Any]]] = {}
        self._unfinished: set[str] = set()
        self._confirmed: list[list[Any]] = []

    def load(self) -> None:
        """Take up what an earlier run wrote."""
        if self.path is None:
            return
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(self.path.read_bytes())
            if told["format"] != FORMAT:
                return
            anchor = told["anchor"]
            self.anchor = (int(anchor[0]), str(anchor[1]), str(anchor[2])) if anchor else None
            if (run := told["run"]) is not None:
                self.began, self.done = str(run["began"]), list(run["done"])
                self.cursors, self._again = dict(run["cursors"]), dict(run["again"])
                self.reached = (int(run["reached"][0]), str(run["reached"][1]))
                self.resumed = True

    def forget(self) -> None:
        """Begin anew, as if there had been no run before."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()

    def reach(self, step: str, cursor: Any) -> None:
        """A step is examined up to here. Where more was wrong than is remembered, it counts no further."""
        if step not in self._unfinished:
            self.cursors[step] = cursor

    def remember(self, step: str, begin: Any, end: Any, *, most: int) -> None:
        """What lies between was found wrong: a run that goes on looks there again. The last page has no `end`."""
        pages = self._again.setdefault(step, [])
        if end is None or len(pages) >= most:
            self._unfinished.add(step)
        elif [begin, end] in pages:
            self._confirmed.append([begin, end])
        else:
            pages.append([begin, end])

    def to_see_again(self, step: str) -> Iterator[tuple[Any, Any]]:
        """What was found wrong in an earlier run; it is forgotten only as the next one is asked for."""
        for page in list(self._again.get(step, [])):
            yield page[0], page[1]
            if page not in self._confirmed:
                self._again[step].remove(page)

    def finish(self, step: str) -> None:
        """A step is at its end; where nothing was wrong a run that goes on leaves it out."""
        if not self._again.get(step) and step not in self._unfinished:
            self.done.append(step)

    def complete(self, *, keep_anchor: bool) -> None:
        """The whole check is done: what is left to remember is how long the log was."""
        if not keep_anchor:
            self.anchor = (*self.reached, identities.now()) if self.reached and self.reached[0] else None
        self._begin()
        self.save(running=False)

    def save(self, *, running: bool = True) -> None:
        """Write it down. A folder that takes no file costs the memory of this run, and nothing else."""
        if self.path is None:
            return
        run: dict[str, Any] = {"began": self.began, "done": self.done, "cursors": self.cursors, "again": self._again}
        run["reached"] = self.reached
        text = json.dumps({"format": FORMAT, "anchor": self.anchor, "run": run if running else None})
        partial = self.path.with_name(f"{self.path.name}.part")
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, self.path)
        except OSError:
            with suppress(OSError):
                partial.unlink()
