"""Owns what load nodes gave when they last ran: what ComfyUI's cache repeats of them is kept true and traced by it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ..graphs.walking import leading_to
from ..library import identities
from ..library.loads import Wanted
from .prompts import Prompt

REMEMBERED = 256
"""How many load nodes are remembered."""


@dataclass(frozen=True)
class Asked:
    """What one call of a load node asked for."""

    wanted: Wanted
    if_not_usable: str

    @property
    def last_approved(self) -> bool:
        return self.if_not_usable == "last_approved"


@dataclass(frozen=True)
class Given:
    """What it gave, and the state that this artifact was in."""

    artifact_id: str
    state: str


@dataclass
class _Loaded:
    """The last run of a load node: its prompt's, its fingerprint, and its calls. One that gave nothing has None."""

    run: tuple[float, str]
    fingerprint: str | None
    calls: list[tuple[Asked, Given | None]] = field(default_factory=list)


class Loads:
    """What the load nodes of this process gave last, each known by all of the graph that leads to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()

    def fingerprint(self, prompt: Prompt, node_id: str, look: Callable[[Asked], str]) -> str:
        """The fingerprint that a node last ran under while `look` finds what it gave then, else one never used.

        So ComfyUI serves a cached result exactly as long as it is true: also where the names are linked and not known
        yet, where the node had to wait, and where something was decided while the prompt already ran.
        """
        last = self._loaded.get(_key(prompt, node_id))
        same = last is not None and all(given and look(asked) == given.state for asked, given in last.calls)
        fingerprint = last.fingerprint if last is not None and same else None
        prompt.fingerprints[node_id] = fingerprint or identities.new_id()
        return prompt.fingerprints[node_id]

    def remember(self, prompt: Prompt, node_id: str, asked: Asked, given: Given | None) -> None:
        """A node has run; where its inputs are lists this is called once for each item."""
        key = _key(prompt, node_id)
        with self._lock:
            last = self._loaded.get(key)
            if last is None or last.run != prompt.run:
                last = self._loaded[key] = _Loaded(prompt.run, prompt.fingerprints.get(node_id))
            last.calls.append((asked, given))
            self._loaded.move_to_end(key)
            while len(self._loaded) > REMEMBERED:
                self._loaded.popitem(last=False)

    def artifact_ids(self, prompt: Prompt, node_id: str) -> list[str]:
        """What a node gave when it last ran, and its cached result still holds."""
        last = self._loaded.get(_key(prompt, node_id))
        return [given.artifact_id for _, given in last.calls if given is not None] if last else []


LOADS = Loads()


def _key(prompt: Prompt, node_id: str) -> str:
    described = json.dumps([node_id, leading_to(prompt.graph, node_id)], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()
