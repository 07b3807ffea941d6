"""Owns what happens to promises that were not kept at once: completed, or set aside where `doctor` finds them.

It reads intents only and never walks the store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from peewee import DatabaseError

from ..errors import ArtifactDBError, StoreFailed, TooNew, Unavailable
from ..storage.local import Intent
from . import chains, importing, recording
from .repeats import Repeated

if TYPE_CHECKING:
    from .opening import Library

logger = logging.getLogger("artifact_db.library")

_COMPLETIONS: dict[str, Callable[[Library, Intent], object]] = {
    recording.KIND: partial(recording.complete, interrupted=True),
    chains.PURGE: chains.complete_purge,
    importing.KIND: partial(importing.complete, interrupted=True),
}

_MADE: dict[str, Callable[[dict[str, Any]], str]] = {
    recording.KIND: lambda record: str(record["outputs"][0]["artifact_id"]),
    importing.KIND: lambda record: str(record["artifacts"][0]),
}
"""An artifact that an intent makes; one that makes none has no files that could be missing."""

RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits between two tries to reach a database that is away; the last one repeats."""


class Deferred:
    """The intents of this process that wait for their database, and the one thread that sees to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._intents: list[Intent] = []
        self._abandoned = False
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def __len__(self) -> int:
        return len(self._intents)

    def add(self, library: Library, intent: Intent) -> None:
        with self._lock:
            self._intents.append(intent)
            self._see_to_it(library)

    def look_again(self, library: Library) -> None:
        """What processes that are gone had promised could not be completed yet."""
        with self._lock:
            self._abandoned = True
            self._see_to_it(library)

    def _see_to_it(self, library: Library) -> None:
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(
                target=self._work, args=(library,), name="artifact-db-recovery", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the thread; what it had left stays on disk for the next process."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout=30)

    def _work(self, library: Library) -> None:
        tries = 0
        while not self._stop.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]):
            tries += 1
            with self._lock:
                waiting = list(self._intents)
                abandoned, self._abandoned = self._abandoned, False
            if abandoned:
                recover_abandoned(library)
            for intent in waiting:
                if not _complete(library, intent):
                    break
                tries = 0
                with self._lock:
                    self._intents.remove(intent)
            with self._lock:
                if not self._intents and not self._abandoned:
                    self._thread = None
                    return


def recover_abandoned(library: Library) -> int:
    """Complete what processes that are gone had promised; returns how many intents were seen to.

    An intent that cannot be completed while the database is away stays where it is, and is looked at again later.
    """
    with library.store.abandoned() as intents:
        done = 0
        for intent in intents:
            if not _complete(library, intent):
                library.deferred.look_again(library)
                break
            done += 1
    if done:
        logger.info("recovered %d interrupted record(s)", done)
    return done


def _complete(library: Library, intent: Intent) -> bool:
    """Whether the intent is off the list: completed, or impossible and set aside."""
    try:
        if intent.kind in _MADE and library.store.missing(intent):
            with library.reading():
                recording.refuse_deleted(_MADE[intent.kind](intent.record))
        library.store.place(intent)
        _COMPLETIONS[intent.kind](library, intent)
        library.store.fulfilled(intent)
    except (Repeated, recording.Deleted):
        # Its client asked again before we came to it, and was answered; or it was deleted since: nobody knows of these
        # bytes.
        library.store.withdraw(intent)
    except (StoreFailed, TooNew, Unavailable) as error:
        if isinstance(error, StoreFailed) and library.store.missing(intent):
            logger.error("an interrupted record has lost its files: %s", error)
            library.store.quarantine(intent)
            return True
        logger.warning("an interrupted record waits: %s", error)
        return False
    except (ArtifactDBError, DatabaseError, KeyError, TypeError, ValueError) as error:
        # The rules refuse it, or it was written by another release.
        logger.error("an interrupted record cannot be completed and is in quarantine: %r", error)
        library.store.quarantine(intent)
    return True
