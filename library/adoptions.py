"""Owns imports of folders that go on in the background: one at a time of each folder that the configuration names.

They are of this process and forgotten with it. What they recorded stays, and the same import goes on from there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactDBError, NotFound
from . import adopting, identities, names
from .adopting import Tally
from .pages import Ask, Page

if TYPE_CHECKING:
    from .opening import Library

logger = logging.getLogger("artifact_db.library")

KEPT = 100
"""How many imports are remembered."""

NAMED = 100
"""How many of the files that could not be taken in are named; all are counted."""

AT_ONCE = 2
"""Files that are taken in side by side: others work in this process too."""


@dataclass(frozen=True)
class Import:
    """An import. `status` is running, completed, failed (`error_message` says why) or stopped; `tally` goes on."""

    id: str
    folder: str
    by: str
    tags: tuple[str, ...]
    started_at: str
    status: str = "running"
    ended_at: str | None = None
    error_message: str | None = None
    tally: Tally = field(default_factory=Tally)

    def plain(self) -> dict[str, Any]:
        """It as JSON, with how many files could not be taken in and the first of them by name."""
        own = {name: value for name, value in vars(self).items() if name != "tally"}
        told = self.tally.plain()
        failures = told.pop("failed")
        del told["stopped"]
        return {**own, "tags": list(self.tags), **told, "failed": len(failures), "failures": failures[:NAMED]}


class Adoptions:
    """The imports of one process, each in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._imports: dict[str, Import] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._stops: dict[str, threading.Event] = {}

    def begin(self, library: Library, folder: str, *, by: str, tags: Sequence[str] = ()) -> tuple[Import, bool]:
        """Begin to import a folder that the configuration names.

        Returns:
            The import, and whether it begins now: while one of this folder goes on, it is that one.
        Raises:
            Invalid: no such folder is configured, it is not there, it holds the hub's own files, or a tag is wrong.
            Unavailable, TooNew: the database is away.
        """
        path = adopting.checked_folder(library, library.config.import_folder(folder))
        tags = tuple(dict.fromkeys(names.checked_tag(tag, "tags") for tag in tags))
        with library.reading():
            pass
        with self._lock:
            for running in self._imports.values():
                if running.folder == folder and running.status == "running":
                    return running, False
            begun = Import(identities.new_id(), folder, names.checked_text(by, "actor"), tags, identities.now())
            self._imports[begun.id] = begun
            self._stops[begun.id] = threading.Event()
            self._forget_old()
            name = "artifact-db-import"
            thread = threading.Thread(target=self._work, args=(library, begun, path), name=name, daemon=True)
            self._threads[begun.id] = thread
            thread.start()
            return begun, True

    def get(self, import_id: str) -> Import:
        """One import.

        Raises:
            NotFound: this process has none with this id, or none any more.
        """
        with self._lock:
            found = self._imports.get(import_id)
        if found is None:
            raise NotFound(f"no import {import_id} since this hub was started")
        return found

    def page(self, ask: Ask) -> Page[Import]:
        """The imports, the newest first; the cursor is an id."""
        with self._lock:
            found = [one for one in reversed(self._imports.values()) if ask.cursor is None or one.id < ask.cursor]
        items = found[: ask.limit]
        return Page(items, items[-1].id if len(found) > ask.limit else None)

    def cancel(self, import_id: str) -> Import:
        """Ask an import to end; what it has recorded stays. One that has ended stays as it is.

        Raises:
            NotFound: as `get`.
        """
        found = self.get(import_id)
        with self._lock:
            if found.id in self._stops:
                self._stops[found.id].set()
        return found

    def wait(self, import_id: str) -> Import:
        """Wait until an import has ended."""
        with self._lock:
            thread = self._threads.get(import_id)
        if thread is not None:
            thread.join()
        return self.get(import_id)

    def close(self) -> None:
        """End all of them, and wait for that."""
        with self._lock:
            threads = list(self._threads.values())
            for stop in self._stops.values():
                stop.set()
        for thread in threads:
            thread.join(timeout=60)

    def _work(self, library: Library, begun: Import, path: Path) -> None:
        ended = replace(begun, status="failed", error_message="an internal error; the hub's own log has it")
        try:
            ended = self._ended(library, begun, path)
        finally:
            with self._lock:
                self._imports[begun.id] = replace(ended, ended_at=identities.now())
                del self._threads[begun.id], self._stops[begun.id]

    def _ended(self, library: Library, begun: Import, path: Path) -> Import:
        stop = self._stops[begun.id]
        try:
            plan = adopting.look_through(library, path, tally=begun.tally)
            adopting.adopt(library, plan, by=begun.by, tags=begun.tags, stop=stop, at_once=AT_ONCE)
        except ArtifactDBError as error:
            logger.warning("the import of %s has ended: %s", begun.folder, error)
            return replace(begun, status="failed", error_message=str(error))
        return replace(begun, status="stopped" if begun.tally.stopped else "completed")

    def _forget_old(self) -> None:
        ended = [one.id for one in self._imports.values() if one.status != "running"]
        for import_id in ended[: max(0, len(self._imports) - KEPT)]:
            del self._imports[import_id]
