"""Owns what is told of a chain while it runs: a line whenever a step has moved, for people or for programs."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from ..chains.hearing import Heard
from ..chains.progress import Phase, Progress, Standing
from ..db.statuses import FINISHED_CHAIN
from ..library.views import Chain
from . import shells

BETWEEN = 0.25
"""Seconds between two words of how far one node is."""

_WORDS = {
    Phase.WAITING: "waits",
    Phase.RUNNING: "runs",
    Phase.PENDING: "waits for a person",
    Phase.DONE: "done",
    Phase.SKIPPED: "skipped",
    Phase.FAILED: "failed",
}


class Teller:
    """Tells each change of one chain once; `ended` is set when there is no more to come."""

    def __init__(self, chain: Chain, *, as_json: bool) -> None:
        self.ended = threading.Event()
        self.status = ""
        self._as_json = as_json
        self._began = time.monotonic()
        self._told: dict[str, tuple[Any, ...]] = {}
        self._heard: dict[str, tuple[str | None, float]] = {}
        self._telling = threading.Lock()
        self._say({"event": "begun", "chain_id": chain.id, "name": chain.name}, f"chain {chain.name} ({chain.id})")

    def __call__(self, chain_id: str, progress: Progress) -> None:
        for level in progress.levels:
            for one in level:
                self._step(chain_id, one)
        if progress.status != self.status:
            self.status = progress.status
            self._say(
                {"event": "chain", "chain_id": chain_id, "status": progress.status, "error": progress.error},
                f"chain {progress.status.replace('_', ' ')}" + (f": {progress.error}" if progress.error else ""),
            )
        if progress.status in FINISHED_CHAIN:
            self.ended.set()

    def hear(self, heard: Heard) -> None:
        """Tell at which node a step's prompt is: each change of node, and how far it is a few times a second."""
        node, now = heard.node, time.monotonic()
        if node is None:
            return
        last, at = self._heard.get(heard.step_id, (None, 0.0))
        if last == node.node_id and node.value != node.max and now - at < BETWEEN:
            return
        self._heard[heard.step_id] = (node.node_id, now)
        if self._as_json:
            self._say({"event": "node", "chain_id": heard.chain_id, **heard.plain()}, "")
        elif sys.stdout.isatty():
            how_far = f" {node.value:g}/{node.max:g}" if node.value is not None and node.max is not None else ""
            self._say({}, f"{heard.step_id}: {node.class_type} ({node.node_id}){how_far} on {heard.server}")

    def _step(self, chain_id: str, one: Standing) -> None:
        workflow, attempt = one.workflow, one.attempt
        if workflow is None:
            return
        now = (
            *(one.phase, workflow.status, workflow.error_message),
            *(attempt.id if attempt else None, one.current.id if one.current else None),
        )
        if self._told.get(one.step.id) == now:
            return
        self._told[one.step.id] = now
        where = f" on {attempt.server_address}" if attempt and one.phase is Phase.RUNNING else ""
        what = f" → {one.current.filename}" if one.current and one.phase in (Phase.DONE, Phase.PENDING) else ""
        why = f": {workflow.error_message}" if workflow.error_message else ""
        self._say(
            {
                "event": "step",
                "chain_id": chain_id,
                "step": one.step.id,
                "workflow_id": workflow.id,
                "phase": one.phase.name.lower(),
                "status": workflow.status,
                "attempt": attempt.number if attempt else None,
                "server": attempt.server_address if attempt else None,
                "artifact_id": one.current.id if one.current else None,
                "error": workflow.error_message,
            },
            f"{one.step.id}: {_WORDS[one.phase]}{where}{what}{why}",
        )

    def _say(self, event: dict[str, Any], text: str) -> None:
        elapsed = round(time.monotonic() - self._began, 3)
        with self._telling:
            try:
                if self._as_json:
                    shells.say_json({**event, "elapsed": elapsed})
                else:
                    shells.say(f"{elapsed:7.1f} s  {text}")
                sys.stdout.flush()
            except BrokenPipeError:
                self.ended.set()  # Whoever was reading has had enough.
