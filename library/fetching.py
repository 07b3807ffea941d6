"""Owns fetching the outputs of a prompt into the store: several at once, each tried again, none waited for for ever.

What it brings is finished and durable, and promised to nobody yet: `recording` does that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from queue import SimpleQueue
from typing import Protocol, TypeVar

from ..comfyui_client import ComfyUIServer, Reported, Server
from ..comfyui_client.connections import Connections
from ..config import Config
from ..errors import ArtifactDBError, DeliveryFailed, ServerFailed, ServerUnreachable, StoreFailed
from ..media.kinds import HEAD_SIZE, classify
from ..storage.local import Store
from . import identities
from .arrivals import Arrived, Graph, Missing, discard, keep, keep_text

T = TypeVar("T")

AT_ONCE = 4
"""Files that are fetched side by side: while one is flushed to the disk, another comes."""

TIMEOUT, DEADLINE = 30.0, 60.0
"""Seconds without a byte; and for an answer, beyond what its size allows for."""

WAITS = (0.5, 2.0)
"""Seconds before the second and before the third try."""

_PASSING, _LASTING = (408, 429), (507,)
"""Statuses below 500 that pass by themselves; and from there on ones that do not: a full disk waits for somebody."""


class Place(Protocol):
    """Where outputs are brought to: a library, or a process that has a store of its own for what it hands on."""

    @property
    def config(self) -> Config: ...

    @property
    def connections(self) -> Connections: ...

    @property
    def store(self) -> Store: ...


def client(place: Place, server: Server) -> AbstractContextManager[ComfyUIServer]:
    """A client whose patience is that of a collection. For one thread at a time."""
    return place.connections.client(server, timeout=TIMEOUT, deadline=DEADLINE)


def again(call: Callable[[], T], over: threading.Event | None = None) -> T:
    """Call, and after a failure that may pass wait and call again, until `over`.

    Raises:
        ServerFailed: it failed each time, or in a way that the next try would too.
    """
    over = over or threading.Event()
    for seconds in WAITS:
        try:
            return call()
        except ServerFailed as error:
            if not may_pass(error) or over.wait(seconds):
                raise
    return call()


def fetch(
    place: Place, server: Server, outputs: Sequence[Reported], graph: Graph | None = None
) -> tuple[list[Arrived], list[Missing]]:
    """Bring these outputs into the staging folder, in their order.

    A server that is gone or refuses everything is not asked for the rest, nor is a store that takes nothing given any.
    What arrived is the caller's to record, or to `discard`. `graph` is the prompt's, where it is known.
    """
    if not outputs:
        return [], []
    crew = _Crew(place, graph)
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="artifact-db-fetch") as pool:
        for _ in range(min(AT_ONCE, len(outputs))):
            crew.clients.put(stack.enter_context(client(place, server)))
        try:
            # Ids are given in the order of the outputs, so that the artifacts sort as they do.
            jobs = [pool.submit(crew.bring, output, identities.new_id()) for output in outputs]
            results = [job.result() for job in jobs]
        except BaseException:
            crew.end()
            pool.shutdown(wait=True, cancel_futures=True)
            discard(place.store, [job.result() for job in jobs if not job.cancelled() and not job.exception()])
            raise
    arrived = [result for result in results if isinstance(result, Arrived)]
    return arrived, [result for result in results if isinstance(result, Missing)]


class _Crew:
    """Those who fetch for one collection, each with a connection of its own."""

    def __init__(self, place: Place, graph: Graph | None) -> None:
        self._place = place
        self._graph = graph
        self._over = threading.Event()
        self._why: ArtifactDBError | None = None
        self.clients: SimpleQueue[ComfyUIServer] = SimpleQueue()

    def end(self) -> None:
        """Nothing more is begun or tried again."""
        self._over.set()

    def bring(self, output: Reported, artifact_id: str) -> Arrived | Missing:
        if self._over.is_set():
            return Missing(output, self._not_tried())
        try:
            if output.text is not None:
                return keep_text(self._place.store, output, artifact_id=artifact_id, graph=self._graph)
            server = self.clients.get()
            try:
                return again(lambda: self._download(server, output, artifact_id), self._over)
            finally:
                self.clients.put(server)
        except (ServerFailed, StoreFailed) as error:
            if isinstance(error, (ServerUnreachable, StoreFailed)) or error.data.get("status") in (401, 403):
                self._why = error
                self.end()
            return Missing(output, error)

    def _download(self, server: ComfyUIServer, output: Reported, artifact_id: str) -> Arrived:
        with self._place.store.receiving() as part:
            size = server.download(
                part.write,
                filename=output.filename,
                subfolder=output.subfolder,
                folder_type=output.folder_type,
                most=self._place.config.max_upload,
            )
            if size is None:
                raise DeliveryFailed(
                    f"server {server.server.name!r} does not have this file any more",
                    **{"server": server.server.name, "status": 404},
                )
            kind = classify(part.beginning(HEAD_SIZE), output.filename)
            return keep(self._place.store, part, output, kind, artifact_id=artifact_id, graph=self._graph)

    def _not_tried(self) -> ArtifactDBError:
        why = self._why
        return type(why)(f"not tried any more, since {why}", **why.data) if why else ServerFailed("not tried any more")


def may_pass(error: ArtifactDBError) -> bool:
    """Whether the same may go well later: the server was away or broke off, or the disk took no more."""
    if isinstance(error, StoreFailed):
        return True
    status = error.data.get("status")
    passes = status is None or status in _PASSING or (status >= 500 and status not in _LASTING)
    return passes and not error.data.get("lasting")
