"""Owns how far prompts are, as engines in other processes report it: of memory alone, for people to look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

KEPT = 15.0
"""Seconds for which a report is told that is not repeated."""

MOST = 1000
"""Reports that are kept; of more prompts than that the oldest ones are told no more."""


class Reports:
    """The last report of each workflow: what `chains.hearing.Heard.plain` gives, and its `chain_id`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, tuple[float, dict[str, Any]]] = {}

    def tell(self, reports: Sequence[Mapping[str, Any]]) -> None:
        """Take these for how far their prompts are now."""
        now = time.monotonic()
        with self._lock:
            for one in reports:
                self._newest.pop(one["workflow_id"], None)
                self._newest[one["workflow_id"]] = now, dict(one)
            while len(self._newest) > MOST:
                del self._newest[next(iter(self._newest))]

    def of(self, chain_id: str) -> list[dict[str, Any]]:
        """What is reported of a chain's steps; of those of which nothing is there is nothing."""
        now = time.monotonic()
        with self._lock:
            found = [one for at, one in self._newest.values() if now - at < KEPT]
        return [
            {name: value for name, value in one.items() if name != "chain_id"}
            for one in found
            if one["chain_id"] == chain_id
        ]
