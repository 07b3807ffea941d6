"""Owns the word in time: which of the two disks, the store's and the database's, is nearly full.

The rule itself is `storage.disks`'s. The disks are asked now and then, so that asking costs nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from ..storage.disks import disk_of

logger = logging.getLogger("artifact_db.library")

KEPT_SECONDS = 10.0
"""How long an answer is kept."""

WARN_SECONDS = 3600.0
"""The log is told at most this often, as long as it lasts."""


class Disks:
    """The disks of one store and its database."""

    def __init__(self, store: Path, database: Path) -> None:
        self._folders = {"store": store, "database": database.parent}
        self._lock = threading.Lock()
        self._known: tuple[str, ...] = ()
        self._asked: float | None = None
        self._warned: float | None = None

    def nearly_full(self) -> tuple[str, ...]:
        """`store`, `database`, or both or neither: what lies on a disk that is nearly full; the log is told too."""
        now = time.monotonic()
        with self._lock:
            if self._asked is None or now - self._asked >= KEPT_SECONDS:
                self._asked = now
                self._known = self._look(now)
            return self._known

    def _look(self, now: float) -> tuple[str, ...]:
        found = {name: disk_of(folder) for name, folder in self._folders.items()}
        full = {name: disk for name, disk in found.items() if disk is not None and disk.nearly_full}
        if not full:
            self._warned = None
        elif self._warned is None or now - self._warned >= WARN_SECONDS:
            self._warned = now
            told = ", ".join(f"{disk.free / 1000**3:.1f} GB left for the {name}" for name, disk in full.items())
            logger.warning("a disk is nearly full: %s; make room, what does not fit cannot be kept", told)
        return tuple(full)
