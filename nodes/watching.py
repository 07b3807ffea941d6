"""Owns watching ComfyUI's queue: which prompts run, how each ended, and that this is written down, whatever fails.

It sees them through what ComfyUI publishes: a handler of new prompts, its queue and its history. One thread looks, a
second one records, and tries again what could not be done yet; neither is ever waited for.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server import PromptServer

from ..errors import ArtifactDBError
from ..library import identities
from .prompts import PROMPTS, Item, Prompt
from .settling import Job, Settling

logger = logging.getLogger("artifact_db.nodes")

LOOK_SECONDS, REST_SECONDS = 0.1, 1.0
"""Between two looks while something is in the queue; and while only what may have been refused is waited for."""

EXPECTED_SECONDS = 600.0
"""How long a prompt may take from its request into the queue, which validates it first."""

REMEMBERED = 1000
"""How many prompts that have ended are remembered, so that none is seen twice."""

Run = tuple[float, str]


@dataclass
class Expected:
    """A prompt that was asked for, and how far it has been seen to come."""

    since: float
    queued: bool = False


class Watch:
    """The prompts of this process, from their request to their end."""

    def __init__(self) -> None:
        self.began = identities.now()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._expected: dict[str, Expected] = {}
        self._running: dict[Run, Job] = {}
        self._ended: OrderedDict[Run, None] = OrderedDict()
        self.settling = Settling(self.began, is_known)

    def on_prompt(self, request: Any) -> Any:
        """ComfyUI asks this of every prompt before it validates it; it is on the event loop, and takes no time.

        One without an id gets one here rather than from ComfyUI, so that it is known under what to look for it.
        """
        if isinstance(request, dict) and "prompt" in request:
            prompt_id = str(request.setdefault("prompt_id", str(uuid.uuid4())))
            with self._lock:
                self._expected[prompt_id] = Expected(time.monotonic())
            self.start()
        return request

    def follow(self, prompt: Prompt) -> None:
        """A node of ours has recorded something in this prompt: the attempt that it made is closed at its end."""
        prompt.recorded = True
        if prompt.run not in self._running:
            with self._lock:
                self._expected.setdefault(prompt.prompt_id, Expected(time.monotonic()))
            self.start()

    def start(self) -> None:
        """Look now, and as long as there is something to look at."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="artifact-db-prompts", daemon=True)
                self._thread.start()
        self._wake.set()

    def _watch(self) -> None:
        self.settling.start()
        pause: float | None = None
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                pause = self._look()
            except ArtifactDBError as error:
                # The configuration is wrong, and read again until it is right.
                logger.warning("ComfyUI's queue is looked at later: %s", error)
                pause = REST_SECONDS

    def _look(self) -> float | None:
        """See what has begun and what has ended; returns the seconds until it is worth looking again."""
        with self._lock:
            expected = dict(self._expected)
        running, queued = PromptServer.instance.prompt_queue.get_current_queue_volatile()
        now = {(item[0], item[1]): item for item in running}
        for run, item in now.items():
            if run not in self._running:
                self._begin(run, item)
        for run in [run for run in self._running if run not in now]:
            self._end(run, self._running.pop(run))
        waiting = {item[1] for item in queued}
        for prompt_id, seen in expected.items():
            if prompt_id in waiting:
                seen.queued = True
            elif any(run[1] == prompt_id for run in now):
                self._forget(prompt_id, seen)
            else:
                self._look_back(prompt_id, seen)
        if now or waiting:
            return LOOK_SECONDS
        with self._lock:
            fresh = any(time.monotonic() - seen.since < 10 for seen in self._expected.values())
            return LOOK_SECONDS if fresh else REST_SECONDS if self._expected else None

    def _look_back(self, prompt_id: str, seen: Expected) -> None:
        """A prompt that is nowhere in the queue: it ran between two looks, was taken out, refused, or is on its way."""
        entry = entry_of(prompt_id)
        item = entry.get("prompt") if entry else None
        if item is not None and (run := (item[0], item[1])) not in self._ended:
            self._begin(run, item)
            self._end(run, self._running.pop(run))
            self._forget(prompt_id, seen)
        elif seen.queued or time.monotonic() - seen.since > EXPECTED_SECONDS:
            self._forget(prompt_id, seen)

    def _forget(self, prompt_id: str, seen: Expected) -> None:
        with self._lock:
            if self._expected.get(prompt_id) is seen:  # Else it was asked for once more.
                del self._expected[prompt_id]

    def _begin(self, run: Run, item: Item) -> None:
        self._running[run] = job = Job(PROMPTS.of(item))
        self.settling.begun(job)

    def _end(self, run: Run, job: Job) -> None:
        self._ended[run] = None
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        entry = entry_of(job.prompt.prompt_id)
        if entry is not None and entry["prompt"][0] != run[0]:
            entry = None  # Another prompt under the same id has ended since.
        self.settling.ended(job, entry)


def entry_of(prompt_id: str) -> Mapping[str, Any] | None:
    """What ComfyUI's history has of a prompt, as it is in memory: it is not changed any more, and not to be changed."""
    queue = PromptServer.instance.prompt_queue
    entry: Mapping[str, Any] | None = queue.get_history(prompt_id=prompt_id, map_function=lambda e: e).get(prompt_id)
    return entry


def is_known(prompt_id: str) -> bool:
    """Whether a prompt is in the queue, or in the history."""
    running, queued = PromptServer.instance.prompt_queue.get_current_queue_volatile()
    return any(item[1] == prompt_id for item in (*running, *queued)) or entry_of(prompt_id) is not None


WATCH = Watch()


def watch(server: PromptServer) -> None:
    """See every prompt of this ComfyUI from now on, and see to what an earlier process of it has left."""

    async def begin(_: Any) -> None:
        WATCH.start()

    server.add_on_prompt_handler(WATCH.on_prompt)
    server.app.on_startup.append(begin)
