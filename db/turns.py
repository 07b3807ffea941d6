"""Owns the order in which the threads of one process write: first come, first served.

SQLite lets everybody who waits for its lock look again now and then, so that whoever has just finished mostly gets it
again, and another one may look in vain until its patience ends.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """A queue in front of the database's lock: of one process one thread asks for it, and the others wait for that one.

    Args:
        patience: seconds since a turn last began or ended after which waiting is in vain.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False
        self._moved = 0.0

    @contextmanager
    def taken(self) -> Iterator[Callable[[], None]]:
        """Wait for one's turn; the block is it, and calls what it is given once it has the database's lock.

        A turn that never gets it moves nobody on: those who came at the same time give up at the same time.

        Raises:
            sqlite3.OperationalError: somebody holds on to the lock; as SQLite says it.
        """
        begun = False

        def begin() -> None:
            nonlocal begun
            begun, self._moved = True, time.monotonic()

        self._take()
        try:
            yield begin
        finally:
            self._pass_on(moved=begun)

    def _take(self) -> None:
        mine = threading.Event()
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            self._waiting.append(mine)
        came = time.monotonic()
        try:
            while not mine.wait(self._left(came)):
                if self._left(came) <= 0:
                    raise sqlite3.OperationalError("database is locked")
        except BaseException:
            with self._guard:
                if not mine.is_set():
                    self._waiting.remove(mine)
                    raise
            # It is our turn by now, and nobody will take it.
            self._pass_on(moved=False)
            raise

    def _left(self, came: float) -> float:
        return max(came, self._moved) + self._patience - time.monotonic()

    def _pass_on(self, *, moved: bool) -> None:
        with self._guard:
            if moved:
                self._moved = time.monotonic()
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
