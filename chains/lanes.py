"""Owns the threads in which steps are worked on: each server has its own, so that one that is silent holds up no other.

A step whose prompt runs takes none of them between two looks.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 16
"""Steps that are worked on at the same time for one server."""


class Lanes:
    """Threads by the names of servers; `any` is a name as well, for steps whose server is not known yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def of(self, server: str) -> ThreadPoolExecutor:
        """The threads for what is done with a server."""
        with self._lock:
            if server not in self._pools:
                self._pools[server] = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="artifact-db-steps")
            return self._pools[server]

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(wait=True)
