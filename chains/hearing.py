"""Owns what is heard of prompts while they run: of memory alone, for people to look at, and to know when to look.

Nothing is decided by it: how a prompt ended its server's history tells.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..comfyui_client import Server
from ..library.views import Attempt

if TYPE_CHECKING:
    from ..comfyui_client.websockets import NodeProgress

MOST = 100
"""Prompts that one process listens to at a time; of others it hears nothing."""


@dataclass(frozen=True)
class Heard:
    """Where a step's prompt is: `node` is None before it is at any. `since` is a monotonic time, as `elapsed` wants."""

    chain_id: str
    step_id: str
    workflow_id: str
    server: str
    node: NodeProgress | None
    since: float

    @property
    def elapsed(self) -> float:
        """Seconds for which this step has been listened to."""
        return time.monotonic() - self.since

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        node = self.node
        return {
            "step_id": self.step_id,
            "workflow_id": self.workflow_id,
            "server": self.server,
            "node_id": node.node_id if node else None,
            "node_type": node.class_type if node else None,
            "value": node.value if node else None,
            "max": node.max if node else None,
            "elapsed": round(self.elapsed, 3),
        }


@dataclass
class _Listening:
    heard: Heard
    task: Future[None] | None = field(default=None)


class Hearing:
    """Listens to prompts that are under way, all in one thread.

    In that thread `watch` hears of each change, and `ended` of chain and step when a prompt has ended.
    """

    def __init__(self, watch: Callable[[Heard], None] | None, ended: Callable[[str, str], None]) -> None:
        self._watch = watch
        self._ended = ended
        self._lock = threading.Lock()
        self._by_attempt: dict[str, _Listening] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def of(self, chain_id: str) -> list[Heard]:
        """What is heard of a chain's steps; of those of which nothing is heard there is nothing."""
        return [heard for heard in self.all() if heard.chain_id == chain_id]

    def all(self) -> list[Heard]:
        """The same of all chains."""
        with self._lock:
            found = [one.heard for one in self._by_attempt.values()]
        return [heard for heard in found if heard.node is not None]

    def follow(self, chain_id: str, step_id: str, attempt: Attempt, server: Server, client_id: str) -> None:
        """Listen to an attempt's prompt, which this client has queued or is about to. Asked again it goes on."""
        with self._lock:
            if self._closed or attempt.id in self._by_attempt or len(self._by_attempt) >= MOST:
                return
            heard = Heard(chain_id, step_id, attempt.workflow_id, server.name, None, time.monotonic())
            listening = self._by_attempt[attempt.id] = _Listening(heard)
            loop = self._running()
            from ..comfyui_client.websockets import listen  # here, so that ComfyUI starts without importing requests

            tell = lambda node: self._tell(attempt.id, node)
            ended = lambda: self._ended(chain_id, step_id)
            work = listen(server, client_id, attempt.prompt_id, attempt.workflow_definition or {}, tell, ended)
            listening.task = asyncio.run_coroutine_threadsafe(work, loop)

    def keep(self, chain_id: str, attempt_ids: Collection[str]) -> None:
        """Listen to no other attempts of this chain."""
        with self._lock:
            over = [
                attempt_id
                for attempt_id, one in self._by_attempt.items()
                if one.heard.chain_id == chain_id and attempt_id not in attempt_ids
            ]
            self._end(over)

    def leave(self, chain_id: str, step_id: str) -> None:
        """Listen to this step no more."""
        with self._lock:
            over = [
                attempt_id
                for attempt_id, one in self._by_attempt.items()
                if (one.heard.chain_id, one.heard.step_id) == (chain_id, step_id)
            ]
            self._end(over)

    def close(self) -> None:
        """Listen no more."""
        with self._lock:
            self._closed = True
            self._by_attempt.clear()
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout=30)

    def _end(self, attempt_ids: Collection[str]) -> None:
        for attempt_id in attempt_ids:
            if (task := self._by_attempt.pop(attempt_id).task) is not None:
                task.cancel()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="artifact-db-hearing", daemon=True)
            self._thread.start()
        return self._loop

    def _tell(self, attempt_id: str, node: NodeProgress | None) -> None:
        with self._lock:
            listening = self._by_attempt.get(attempt_id)
            if listening is None or listening.heard.node == node:
                return
            heard = listening.heard = replace(listening.heard, node=node)
        if self._watch is not None:
            self._watch(heard)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, and then end what is in it."""
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.run_until_complete(_end())
    loop.close()


async def _end() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
