"""Owns making thumbnails before anybody asks, of what this process records, while it has nothing else to write."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from peewee import DatabaseError

from ..db import models
from ..db.querying import all_tuples
from ..errors import ArtifactDBError, Unavailable
from . import thumbnails

if TYPE_CHECKING:
    from .opening import Library

logger = logging.getLogger("artifact_db.library")

QUIET_SECONDS = 1.0
"""Work begins, and goes on, when nothing has been written for this long."""

NEWEST = 200
"""How many of the newest artifacts are looked at; older ones wait until somebody asks."""

_RECORDED = ("artifact.recorded", "artifact.edited", "artifact.restored")


class Ahead:
    """The one thread that has thumbnails made ahead, one after the other. It is started with the first change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._library: Library | None = None
        self._thread: threading.Thread | None = None
        self._newest = 0  # the last event that was heard of
        self._looked = 0  # the last one that made this thread look
        self._done = 0  # the last one whose artifacts have their thumbnails
        self._last_change = 0.0
        self._stopped = False

    def start(self, library: Library) -> None:
        """From here on, what this process records gets its thumbnails ahead. Asked again, it does nothing."""
        if self._library is not None:
            return
        with self._changed:
            if self._library is None and not self._stopped:
                self._library = library
                library.subscribe(self._hear)

    def stop(self) -> None:
        """End the thread; what it has not made is made when somebody asks."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=30)

    def _hear(self, seq: int, _: str) -> None:
        """Called by whoever has just committed: notes the time, and returns."""
        with self._changed:
            self._newest = max(self._newest, seq)
            self._last_change = time.monotonic()
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._work, name="artifact-db-ahead", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        assert self._library is not None
        while self._quiet():
            newest = self._newest
            done = newest
            try:
                recorded = _recorded(self._library, self._done)
                # What a list shows comes first; a strip is only asked for by a mouse.
                for size in ("medium", thumbnails.STRIP):
                    for artifact_id in recorded:
                        if not self._quiet():
                            return
                        _make(self._library, artifact_id, size)
            except (CancelledError, RuntimeError):
                return  # The pool is closed, or Python is about to end.
            except (ArtifactDBError, DatabaseError) as error:
                logger.debug("thumbnails are made ahead after the next change: %s", error)
                done = self._done
            self._looked, self._done = newest, done

    def _quiet(self) -> bool:
        """Wait for something new and then for quiet; False when it is time to end."""
        with self._changed:
            while not self._stopped:
                wait = self._last_change + QUIET_SECONDS - time.monotonic()
                if self._newest <= self._looked:
                    self._changed.wait()
                elif wait > 0:
                    self._changed.wait(wait)
                else:
                    return True
            return False


def _recorded(library: Library, after: int) -> list[str]:
    """The ids of the newest artifacts that were recorded after an event, the newest first."""
    table = models.Event
    with library.reading():
        query = table.select(table.entity_id).where((table.seq > after) & table.action.in_(_RECORDED))
        return [artifact_id for (artifact_id,) in all_tuples(query.order_by(table.seq.desc()).limit(NEWEST))]


def _make(library: Library, artifact_id: str, size: str) -> None:
    try:
        thumbnails.thumbnail(library, artifact_id, size)
    except Unavailable:
        raise
    except ArtifactDBError as error:
        logger.debug("no thumbnail of artifact %s ahead: %s", artifact_id, error)
