"""Owns what is known of the prompt that is running: who asked for it, which server this is, how it ended.

All of it comes from ComfyUI's published objects; nothing of ComfyUI is replaced or wrapped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from comfy.cli_args import args
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ..errors import ArtifactDBError, Invalid
from ..graphs.walking import Graph
from ..library import attempts, identities, names
from ..library.opening import SHARED, Library

logger = logging.getLogger("artifact_db.nodes")

ACTOR = "comfyui"
"""The actor of what nodes record where the prompt's `extra_data` does not say {"artifact_db": {"actor": "anna"}}."""

REMEMBERED = 8
"""How many prompts are remembered; ComfyUI runs one at a time."""

WATCH_SECONDS = 0.25


@dataclass
class Prompt:
    """One prompt in this ComfyUI's queue, while it runs. `graph` is as it was queued.

    `run` tells it from every other, also from one that was queued under the same id.
    """

    run: tuple[float, str]
    prompt_id: str
    graph: Graph
    server_address: str
    client_id: str | None
    requested_by: str
    workflow_ids: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)

    def workflow_id(self, chain: str, step: str) -> str:
        """The id that this prompt's outputs for a chain and step share, known before there is a row."""
        return self.workflow_ids.setdefault((chain, step), identities.new_id())

    def other_workflow_ids(self, chain: str, step: str) -> list[str]:
        """The ids of what its outputs for other chains and steps share."""
        return [workflow_id for named, workflow_id in self.workflow_ids.items() if named != (chain, step)]

    def output_keys(self, node_id: str, kind: str, count: int) -> list[str]:
        """The keys of a node's next outputs; the index counts on when the node runs again within the prompt."""
        first = self.counts.get((node_id, kind), 0)
        self.counts[(node_id, kind)] = first + count
        return [f"{node_id}:{kind}:{index}" for index in range(first, first + count)]


class Prompts:
    """The prompts of this process that our nodes ran in, and those whose end is still to be written down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._prompts: OrderedDict[tuple[float, str], Prompt] = OrderedDict()
        self._open: dict[str, Prompt] = {}
        self._watcher: threading.Thread | None = None

    def running(self) -> Prompt:
        """The prompt that the calling node runs in."""
        context = get_executing_context()
        prompt_id = context.prompt_id if context else ""
        item = _queue_item(prompt_id)
        run = (item[0] if item else 0.0, prompt_id)
        extra = item[3] if item else {}
        with self._lock:
            prompt = self._prompts.get(run)
            if prompt is None:
                graph = item[2] if item else {}
                client_id, told = _text(extra.get("client_id")), extra.get("artifact_db")
                actor = _text(told.get("actor") if isinstance(told, dict) else None) or ACTOR
                prompt = self._prompts[run] = Prompt(run, prompt_id, graph, _own_address(), client_id, actor)
                while len(self._prompts) > REMEMBERED:
                    self._prompts.popitem(last=False)
            return prompt

    def follow(self, prompt: Prompt) -> None:
        """See to it that the attempt of this prompt is closed when the prompt ends, however it ends."""
        with self._lock:
            self._open[prompt.prompt_id] = prompt
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="artifact-db-prompts", daemon=True)
                self._watcher.start()

    def _watch(self) -> None:
        while True:
            time.sleep(WATCH_SECONDS)
            for prompt in list(self._open.values()):
                if (ending := _ending(prompt.prompt_id)) is not None and _close(prompt, *ending):
                    with self._lock:
                        if self._open.get(prompt.prompt_id) is prompt:
                            del self._open[prompt.prompt_id]
            with self._lock:
                if not self._open:
                    self._watcher = None
                    return


PROMPTS = Prompts()


def library() -> Library:
    """The library that this ComfyUI records into."""
    return SHARED.get()


def executing_node() -> str:
    """The id of the node that the caller runs in."""
    context = get_executing_context()
    return str(context.node_id) if context else ""


def _close(prompt: Prompt, status: str, error: str | None) -> bool:
    try:
        hub = library()
        if len(hub.deferred):
            return False  # Its rows may be among those that are still to come.
        attempts.finish(
            hub,
            server_address=prompt.server_address,
            prompt_id=prompt.prompt_id,
            status=status,
            error=error,
            actor=prompt.requested_by,
        )
    except ArtifactDBError as problem:
        logger.warning("how prompt %s ended is written down later: %s", prompt.prompt_id, problem)
        return False
    return True


def _ending(prompt_id: str) -> tuple[str, str | None] | None:
    """The status of a prompt that has ended, and its error; None while it runs."""
    queue = PromptServer.instance.prompt_queue
    if _queue_item(prompt_id) is not None:
        return None
    entry = queue.get_history(prompt_id=prompt_id, map_function=lambda item: item.get("status")).get(prompt_id)
    if entry is None:
        return "outcome_unknown", "ComfyUI keeps no history of this prompt"
    if entry.get("status_str") == "success":
        return "completed", None
    for event, data in reversed(entry.get("messages") or []):
        if event == "execution_interrupted":
            return "cancelled", "interrupted"
        if event == "execution_error":
            return "failed", str(data.get("exception_message") or "the prompt failed").strip()[:2000]
    return "failed", "the prompt failed"


def _queue_item(prompt_id: str) -> Any:
    running, _ = PromptServer.instance.prompt_queue.get_current_queue_volatile()
    return next((item for item in running if item[1] == prompt_id), None)


def _own_address() -> str:
    """What rows call this server: its configured name where its URL is configured."""
    server = PromptServer.instance
    host = getattr(server, "address", None) or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    scheme = "https" if args.tls_keyfile and args.tls_certfile else "http"
    return SHARED.config().server_label(f"{scheme}://{host}:{getattr(server, 'port', 8188)}")


def _text(value: Any) -> str | None:
    """A name out of a prompt's `extra_data`, which is whatever was posted; None where it cannot be one."""
    try:
        return names.checked_text(value, "name")
    except Invalid:
        return None
