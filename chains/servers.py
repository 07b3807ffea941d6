"""Owns which server a step runs on: the one that it names, else the least loaded that has what its graph needs."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..comfyui_client import ComfyUIServer
from ..comfyui_client.node_types import NodeTypes
from ..errors import ServerFailed
from .definitions import ANY

if TYPE_CHECKING:
    from .records import Records

logger = logging.getLogger("artifact_db.chains")

TIMEOUT, DEADLINE = 10.0, 30.0
"""Seconds without a byte, and for a whole answer: a server that takes longer counts as away."""

REMEMBERED = 60.0
"""Seconds for which what a server said of its nodes is believed; models come and go seldom."""

SILENT = 60.0
"""Seconds for which a server that let somebody wait in vain is asked only where no other can run a graph."""

COMING = 60.0
"""Seconds for which a prompt at most counts as waiting on the server chosen for it, before it comes to its queue."""


class NoServer(ServerFailed):
    """No configured server can run a step now; the message says why for each."""


def client(records: Records, name: str) -> AbstractContextManager[ComfyUIServer]:
    """A client of a configured server whose patience is that of an engine. For one thread at a time.

    Raises:
        UnknownServer: it is not configured any more.
    """
    return records.connections.client(records.config.server(name), timeout=TIMEOUT, deadline=DEADLINE)


class Servers:
    """The configured servers as an engine sees them."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._config = records.config
        self._lock = threading.Lock()
        self._types: dict[str, tuple[float, NodeTypes]] = {}
        self._silent: dict[str, float] = {}
        self._coming: list[tuple[str, float]] = []

    def choose(self, name: str, graph: Mapping[str, Any], *, besides: Container[str] = ()) -> str:
        """The name of the server for a graph; where it may run on any, not one of `besides`.

        Raises:
            UnknownServer: it is not configured any more. NoServer: none is up that has what the graph needs.
        """
        if name != ANY:
            return self._config.server(name).name
        names = sorted(one for one in self._config.servers if one not in besides)
        since = time.monotonic() - SILENT
        told = self._ask([one for one in names if self._silent.get(one, since) <= since], graph)
        if not any(isinstance(answer, int) for answer in told.values()):
            told |= self._ask([one for one in names if one not in told], graph)
        loads = {one: answer for one, answer in told.items() if isinstance(answer, int)}
        if not loads:
            why = "; ".join(f"{one}: {answer}" for one, answer in told.items()) or "none is configured"
            raise NoServer(f"no server can run this step: {why}")
        with self._lock:
            since = time.monotonic() - COMING
            self._coming = [(server, at) for server, at in self._coming if at > since]
            coming = Counter(server for server, _ in self._coming)
            chosen = min(loads, key=lambda one: (loads[one] + coming[one], one))
            self._coming.append((chosen, time.monotonic()))
        return chosen

    def has_come(self, name: str) -> None:
        """A prompt that may run on any server was sent to the one chosen for it, and counts in its queue now."""
        with self._lock:
            oldest = next((number for number, (server, _) in enumerate(self._coming) if server == name), None)
            if oldest is not None:
                del self._coming[oldest]

    def _ask(self, names: Sequence[str], graph: Mapping[str, Any]) -> dict[str, int | str]:
        """How long the queues of servers are; or why they cannot run the graph."""
        with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="artifact-db-servers") as pool:
            return dict(zip(names, pool.map(lambda one: self._load(one, graph), names), strict=True))

    def _load(self, name: str, graph: Mapping[str, Any]) -> int | str:
        began = time.monotonic()
        try:
            with client(self._records, name) as comfyui:
                missing = self._types_of(comfyui).missing(graph)
                answer = f"it has no {', no '.join(missing[:3])}" if missing else comfyui.queue_length()
        except ServerFailed as error:
            if time.monotonic() - began > TIMEOUT / 2:
                self._silent[name] = time.monotonic()
            return str(error)
        self._silent.pop(name, None)
        return answer

    def _types_of(self, comfyui: ComfyUIServer) -> NodeTypes:
        name, now = comfyui.server.name, time.monotonic()
        with self._lock:
            known = self._types.get(name)
        if known is None or now - known[0] > REMEMBERED:
            known = (now, comfyui.node_types())
            with self._lock:
                self._types[name] = known
        return known[1]
