"""Owns what happens to promises that were not kept at once: completed, or set aside where `doctor` finds them.

It reads intents only and never walks the store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peewee import DatabaseError

from ..errors import UNFORESEEN, ArtifactDBError, StoreFailed, TooNew, Unavailable
from ..storage.files import store_errors
from ..storage.local import Intent
from . import adopting, artifacts, attempts, emptying, importing, recording, witnessing
from .adopting_rows import Outcome
from .repeats import Repeated

if TYPE_CHECKING:
    from .opening import Library

logger = logging.getLogger("artifact_db.library")

_COMPLETIONS: dict[str, Callable[[Library, Intent], object]] = {
    recording.KIND: partial(recording.complete, interrupted=True),
    emptying.FILES: emptying.complete_files,
    emptying.CHAIN: emptying.complete_chain,
    importing.KIND: partial(importing.complete, interrupted=True),
    adopting.KIND: adopting.complete,
    witnessing.KIND: witnessing.complete,
}

_MADE: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    recording.KIND: lambda record: [output["artifact_id"] for output in record["outputs"]],
    importing.KIND: lambda record: list(record["artifacts"]),
    adopting.KIND: lambda record: [file["artifact_id"] for file in record["files"]],
}
"""The artifacts that an intent makes; one that makes none has no files that could be missing."""

RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits between two tries to reach a database that is away; the last one repeats."""


class Deferred:
    """The intents of this process that wait for their database, and the one thread that sees to them, in their order.

    What is kept of each is its place on disk: an outage may last for a night, and an intent holds a whole graph.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Path] = []
        self._away: str | None = None
        self._abandoned = False
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._wake = threading.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, library: Library, intent: Intent, reason: str | None) -> None:
        """Complete an intent later. `reason` says why the database could not be asked; None: that is not why."""
        with self._lock:
            if reason is not None or not self._waiting:
                self._away = reason
            self._waiting.append(intent.path)
            self._see_to_it(library)

    def fulfil(self, library: Library, intent: Intent, unneeded: Sequence[str] = ()) -> None:
        """Tidy up after an intent whose rows are committed; where the store refuses that, later: nobody has failed."""
        try:
            library.store.fulfilled(intent, *unneeded)
        except StoreFailed as error:
            logger.warning("what is left of a record is tidied up later: %s", error)
            self.add(library, intent, None)

    @contextmanager
    def unless_withdrawn(self, library: Library, intent: Intent, *, keep: bool = False) -> Iterator[None]:
        """What fails in this block, up to its commit, is withdrawn; where it may have been committed, completed later.

        Args:
            keep: complete it later whenever it is the database that is away.
        """
        try:
            yield
        except (TooNew, Unavailable) as error:
            if keep or error.data.get("outcome_unknown"):
                self.add(library, intent, str(error))
            else:
                library.store.withdraw(intent)
            raise
        except (ArtifactDBError, DatabaseError):
            library.store.withdraw(intent)
            raise

    def follow(self, library: Library, intent: Intent) -> str | None:
        """Put an intent behind those that wait for the database, without asking it; returns why it is away.

        None: none wait for it, and the caller asks it. So one record of an outage waits for a lock, and the others
        neither wait nor pass it by.
        """
        with self._lock:
            if not self._waiting or self._away is None:
                return None
            self._waiting.append(intent.path)
            self._see_to_it(library)
            return self._away

    def look_again(self, library: Library) -> None:
        """What processes that are gone had promised could not be completed yet."""
        with self._lock:
            self._abandoned = True
            self._see_to_it(library)

    def database_is_back(self) -> None:
        """Somebody has just committed: what waits for the database need not wait for the next try."""
        if self._waiting and self._away is not None:
            self._wake.set()

    def _see_to_it(self, library: Library) -> None:
        if self._thread is None and not self._stopped:
            self._wake.clear()
            self._thread = threading.Thread(
                target=self._work, args=(library,), name="artifact-db-recovery", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the thread; what it had left stays on disk for the next process."""
        with self._lock:
            self._stopped = True
            self._wake.set()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=30)

    def _work(self, library: Library) -> None:
        try:
            self._see_to_all(library)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None  # The next that has to wait begins another.

    def _see_to_all(self, library: Library) -> None:
        tries = 0
        while True:
            self._wake.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
            self._wake.clear()
            if self._stopped:
                return
            with self._lock:
                waiting = list(self._waiting)
                abandoned, self._abandoned = self._abandoned, False
            if abandoned:
                recover_abandoned(library)
            tries = 0 if self._complete_some(library, waiting) else tries + 1
            with self._lock:
                if not self._waiting and not self._abandoned:
                    self._thread = None
                    return

    def _complete_some(self, library: Library, waiting: list[Path]) -> bool:
        """Whether any is off the list. While the database is away nobody passes by the first one."""
        some = False
        for path in waiting:
            if self._stopped:
                break
            error = _complete_at(library, path)
            with self._lock:
                if error is None:
                    self._waiting.remove(path)
                    some = True
                else:
                    # Where it is the store that refuses this one, the database may well take what comes after it.
                    self._away = str(error) if isinstance(error, TooNew | Unavailable) else None
                    if self._away is not None:
                        break
        return some


def recover_abandoned(library: Library) -> int:
    """Complete what processes that are gone had promised; returns how many intents were seen to.

    An intent that cannot be completed while the database is away stays where it is, and is looked at again later.
    """
    done = 0
    try:
        with store_errors("looking for interrupted records"), library.store.abandoned() as left:
            # That a prompt was lost is said of what it recorded, whose workflow has the id that its node was told.
            intents = sorted(left, key=lambda intent: intent.kind == witnessing.KIND)
            for intent in intents:
                if _complete(library, intent) is not None:
                    library.deferred.look_again(library)
                    break
                done += 1
            _settle(library, intents[:done])
    except (StoreFailed, *UNFORESEEN) as error:
        # It must not keep anybody from what is recorded.
        logger.warning("interrupted records wait: %r", error)
        library.deferred.look_again(library)
    if done:
        logger.info("recovered %d interrupted record(s)", done)
    return done


def _settle(library: Library, intents: list[Intent]) -> None:
    """What they are of runs no more: its ComfyUI was the process that is gone."""
    runs = [intent.record["run"] for intent in intents if intent.kind == recording.KIND and intent.record.get("run")]
    for server_address, prompt_id in dict.fromkeys((run["server_address"], run["prompt_id"]) for run in runs):
        try:
            attempts.finish(
                library,
                server_address=server_address,
                prompt_id=prompt_id,
                status="outcome_unknown",
                error=witnessing.UNSEEN,
                actor=witnessing.ACTOR,
            )
        except ArtifactDBError as error:
            logger.warning("that prompt %s has ended is written down later: %s", prompt_id, error)


def _complete_at(library: Library, path: Path) -> ArtifactDBError | None:
    """As `_complete`, for an intent that is still on disk only."""
    try:
        intent = library.store.intent(path)
        if intent is None:
            logger.error("the interrupted record %s is gone, or is no longer what was written", path.name)
            return None
        return _complete(library, intent)
    except StoreFailed as error:
        return error


def _withdraw(library: Library, intent: Intent) -> ArtifactDBError | None:
    """Undo a promise, but for the files that rows name; returns why that has to wait, or None."""
    placed = [placement.local_path for placement in intent.placements]
    try:
        with library.reading():
            unnamed = artifacts.unnamed(placed)
    except (TooNew, Unavailable) as error:
        return error
    library.store.withdraw(intent, keep=frozenset(placed).difference(unnamed))
    return None


def _keep(library: Library, intent: Intent) -> None:
    """Do what an intent promises, unless it was done before."""
    if intent.kind in _MADE and library.store.missing(intent):
        with library.reading():
            unnamed = artifacts.unnamed([placement.local_path for placement in intent.placements])
            if len(unnamed) == len(intent.placements):
                recording.refuse_deleted(_MADE[intent.kind](intent.record))
        if len(unnamed) < len(intent.placements):
            # It was committed; what no row names was here before, and its removal was under way.
            library.store.delete(*unnamed)
            library.store.fulfilled(intent)
            return
    library.store.place(intent)
    done = _COMPLETIONS[intent.kind](library, intent)
    unneeded = done.unneeded if isinstance(done, recording.Recorded | Outcome) else ()
    library.store.fulfilled(intent, *unneeded)


def _complete(library: Library, intent: Intent) -> ArtifactDBError | None:
    """Complete an intent, or set it aside where that is impossible; returns why it has to wait instead, or None.

    Raises:
        StoreFailed: it cannot be set aside or withdrawn.
    """
    try:
        with store_errors("completing an interrupted record"):
            _keep(library, intent)
    except (Repeated, recording.Deleted):
        # Its client asked again before we came to it, and was answered; or it was complete, and some of it deleted
        # since: what no row names nobody knows of.
        return _withdraw(library, intent)
    except (StoreFailed, TooNew, Unavailable) as error:
        if isinstance(error, StoreFailed) and library.store.is_there() and library.store.missing(intent):
            logger.error("an interrupted record has lost its files: %s", error)
            library.store.quarantine(intent)
            return None
        logger.warning("an interrupted record waits: %s", error)
        return error
    except (ArtifactDBError, DatabaseError, *UNFORESEEN) as error:
        # The rules refuse it, or it was written by another release.
        logger.error("an interrupted record cannot be completed and is in quarantine: %r", error)
        library.store.quarantine(intent)
    return None
