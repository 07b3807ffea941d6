"""Owns that of the same thing only one is done at a time, of all that this process does."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Underway:
    """What is being done at the moment; whoever comes second with the same waits for the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._keys: set[Hashable] = set()

    @contextmanager
    def alone(self, *key: Hashable) -> Iterator[None]:
        """Nobody else is in a block of the same key during this one."""
        with self._changed:
            self._changed.wait_for(lambda: key not in self._keys)
            self._keys.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._keys.remove(key)
                self._changed.notify_all()
