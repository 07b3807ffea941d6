"""Owns which server a step runs on: the one that it names, else the least loaded that has what its graph needs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Container, Mapping
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

    def choose(self, name: str, graph: Mapping[str, Any], *, besides: Container[str] = ()) -> str:
        """The name of the server for a graph; where it may run on any, not one of `besides`.

        Raises:
            UnknownServer: it is not configured any more. NoServer: none is up that has what the graph needs.
        """
        if name != ANY:
            return self._config.server(name).name
        names = sorted(one for one in self._config.servers if one not in besides)
        with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="artifact-db-servers") as pool:
            answers = list(pool.map(lambda one: self._load(one, graph), names))
        loads = [(load, one) for one, load in zip(names, answers, strict=True) if isinstance(load, int)]
        if not loads:
            told = "; ".join(f"{one}: {why}" for one, why in zip(names, answers, strict=True)) or "none is configured"
            raise NoServer(f"no server can run this step: {told}")
        return min(loads)[1]

    def _load(self, name: str, graph: Mapping[str, Any]) -> int | str:
        """How long a server's queue is; or why it cannot run the graph."""
        try:
            with client(self._records, name) as comfyui:
                missing = self._types_of(comfyui).missing(graph)
                return f"it has no {', no '.join(missing[:3])}" if missing else comfyui.queue_length()
        except ServerFailed as error:
            return str(error)

    def _types_of(self, comfyui: ComfyUIServer) -> NodeTypes:
        name, now = comfyui.server.name, time.monotonic()
        with self._lock:
            known = self._types.get(name)
        if known is None or now - known[0] > REMEMBERED:
            known = (now, comfyui.node_types())
            with self._lock:
                self._types[name] = known
        return known[1]
