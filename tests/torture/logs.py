"""Owns what a worker says of its work: what it tries, and, only once the call has returned, what came of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

write = os.write  # as it is before anybody wraps it


@dataclass
class Change:
    """One call of one worker. Its `actor` is in every event of it, and in no other.

    `outcome` is "open" (it never returned, or its answer was lost), "done" or "refused". `promised` has what is known
    of its artifacts before it begins, `artifacts` what was acknowledged: ids and the SHA-256 of their bytes. `prompt`
    is the execution that it was a part of.
    """

    actor: str
    op: str
    outcome: str = "open"
    promised: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    prompt: str | None = None

    @property
    def worker(self) -> str:
        return self.actor.rsplit(".", 1)[0]


class Log:
    """The log of one worker, a file to which each word goes in one write."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.folder = folder
        self.worker = worker
        self._file = os.open(folder / f"{worker}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._number = 0
        self._traced: set[str] = set()

    def begin(self, op: str, promised: dict[str, str] | None = None, prompt: str | None = None) -> str:
        """A change is tried from here on; returns the actor that it is made by."""
        self._number += 1
        actor = f"{self.worker}.{self._number}"
        self._say(actor=actor, op=op, promised=promised or {}, prompt=prompt)
        return actor

    def done(self, actor: str, op: str, artifacts: dict[str, str], steps: Sequence[str]) -> None:
        """The call has returned. `steps` are those that it took; they are told once of each kind of change."""
        told = {"steps": list(steps)} if steps and op not in self._traced else {}
        self._traced.add(op)
        self._say(actor=actor, op=op, outcome="done", artifacts=artifacts, **told)

    def refused(self, actor: str, op: str, why: str) -> None:
        """The rules did not allow it: nothing has changed."""
        self._say(actor=actor, op=op, outcome="refused", why=why)

    def _say(self, **words: Any) -> None:
        write(self._file, json.dumps(words).encode() + b"\n")


def read(folder: Path) -> dict[str, Change]:
    """The changes of every worker, by their actors."""
    changes: dict[str, Change] = {}
    for words in _lines(folder):
        change = changes.setdefault(words["actor"], Change(words["actor"], words["op"]))
        change.outcome = words.get("outcome", change.outcome)
        change.promised = words.get("promised", change.promised)
        change.prompt = words.get("prompt", change.prompt)
        change.artifacts = words.get("artifacts", change.artifacts)
    return changes


def steps(folder: Path) -> dict[str, list[str]]:
    """The steps of each kind of change, where somebody told of them: the longest way that was seen."""
    longest: dict[str, list[str]] = {}
    for words in _lines(folder):
        if len(words.get("steps", ())) > len(longest.get(words["op"], ())):
            longest[words["op"]] = words["steps"]
    return longest


def last_op(folder: Path, worker: str) -> str:
    """What a worker was doing when it was killed; "between" where it had just finished something."""
    op = "opening"
    for words in _lines(folder, worker):
        op = words["op"] if "outcome" not in words else "between"
    return op


def _lines(folder: Path, worker: str = "*") -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(f"{worker}.log")):
        # The last line is whole: it went out in one write, or not at all.
        yield from map(json.loads, path.read_text().splitlines())
