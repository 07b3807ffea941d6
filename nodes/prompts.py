"""Owns what is known of a prompt of this ComfyUI: who asked for it, which server this is, what its outputs share.

All of it comes from ComfyUI's published objects; nothing of ComfyUI is replaced or wrapped.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from comfy.cli_args import args
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ..errors import Invalid
from ..graphs.walking import Graph
from ..library import identities, names
from ..library.opening import SHARED
from ..library.witnessing import ACTOR
from ..records.interface import Recorder
from ..records.opening import RECORDER

REMEMBERED = 8
"""How many prompts are remembered; ComfyUI runs one at a time."""

Item = Sequence[Any]
"""A prompt in ComfyUI's queue: its number, its id, its graph, its `extra_data`, and more."""


@dataclass
class Prompt:
    """One prompt in this ComfyUI's queue, while it runs. `graph` is as it was queued.

    `run` tells it from every other, also from one that was queued under the same id. `recorded`: nodes of ours have
    recorded something in it.
    """

    run: tuple[float, str]
    prompt_id: str
    graph: Graph
    server_address: str
    client_id: str | None
    requested_by: str
    extra_pnginfo: Mapping[str, Any] | None = None
    recorded: bool = False
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
    """The prompts of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._prompts: OrderedDict[tuple[float, str], Prompt] = OrderedDict()

    def running(self) -> Prompt:
        """The prompt that the calling node runs in."""
        context = get_executing_context()
        prompt_id = context.prompt_id if context else ""
        return self.of(_queue_item(prompt_id) or (0.0, prompt_id, {}, {}))

    def of(self, item: Item) -> Prompt:
        """A prompt of the queue, or of the history."""
        run, graph, extra = (item[0], item[1]), item[2], item[3]
        with self._lock:
            prompt = self._prompts.get(run)
            if prompt is None:
                # What `extra_data` says is a claim: {"artifact_db": {"actor": "anna"}}.
                told, shown = extra.get("artifact_db"), extra.get("extra_pnginfo")
                prompt = self._prompts[run] = Prompt(
                    *(run, item[1], graph, own_address()),
                    client_id=_text(extra.get("client_id")),
                    requested_by=_text(told.get("actor") if isinstance(told, dict) else None) or ACTOR,
                    extra_pnginfo=shown if isinstance(shown, dict) else None,
                )
                while len(self._prompts) > REMEMBERED:
                    self._prompts.popitem(last=False)
            return prompt


PROMPTS = Prompts()


def recorder() -> Recorder:
    """Where this ComfyUI records, and loads from."""
    return RECORDER.get()


def executing_node() -> str:
    """The id of the node that the caller runs in."""
    context = get_executing_context()
    return str(context.node_id) if context else ""


def _queue_item(prompt_id: str) -> Any:
    running, _ = PromptServer.instance.prompt_queue.get_current_queue_volatile()
    return next((item for item in running if item[1] == prompt_id), None)


def own_address() -> str:
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
