"""Owns what a chain is made of: its steps, what each waits for, and in which order they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ANY = "any"
"""In place of a server's name: the least loaded one that has the nodes and models of the graph."""


@dataclass(frozen=True)
class Retry:
    """How often a step is tried in all, and the seconds before the second try; each further wait is doubled."""

    attempts: int = 1
    backoff: float = 2.0


@dataclass(frozen=True)
class ApprovalTimeout:
    """After so many seconds without a decision, what is decided by itself."""

    after: float
    then: str  # fail, approve


@dataclass(frozen=True)
class Step:
    """One step. `workflow` is a graph in API format; keys of `inputs` and `parameters` are `node_id.input`.

    Values of the two may be templates. `timeout` is in seconds, from the queueing of the prompt to its end.
    """

    id: str
    workflow: Mapping[str, Any]
    workflow_name: str
    server: str = ANY
    depends_on: tuple[str, ...] = ()
    requires_approval: bool = False
    approval_timeout: ApprovalTimeout | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    condition: str | None = None
    retry: Retry = Retry()
    timeout: float | None = None
    on_error: str = "fail"  # or continue


@dataclass(frozen=True)
class Definition:
    """A chain that has been checked as a whole. `parameters` are names with their defaults."""

    name: str
    steps: tuple[Step, ...]
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def step(self, step_id: str) -> Step:
        """The step of this id; a KeyError where there is none."""
        return next(step for step in self.steps if step.id == step_id)

    @property
    def levels(self) -> tuple[tuple[Step, ...], ...]:
        """The steps by levels: each depends on steps of earlier ones only. A level's steps run side by side."""
        found, _ = in_levels({step.id: step.depends_on for step in self.steps})
        return tuple(tuple(self.step(step_id) for step_id in level) for level in found)


def in_levels(depends_on: Mapping[str, tuple[str, ...]]) -> tuple[list[list[str]], list[str]]:
    """Steps in levels, each after all that it depends on; and those that a cycle keeps from ever running.

    What is depended on and is no step is passed over.
    """
    waiting = {step: {other for other in others if other in depends_on} for step, others in depends_on.items()}
    levels: list[list[str]] = []
    while ready := [step for step, others in waiting.items() if not others]:
        levels.append(ready)
        for step in ready:
            del waiting[step]
        for others in waiting.values():
            others.difference_update(ready)
    return levels, list(waiting)


def upstream(depends_on: Mapping[str, tuple[str, ...]], step: str) -> set[str]:
    """All that a step depends on, also through others."""
    found: set[str] = set()
    waiting = list(depends_on.get(step, ()))
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting.extend(depends_on.get(here, ()))
    return found


def stored(definition: Definition) -> dict[str, Any]:
    """A definition as a chain's row holds it: plain values that `checking.check` reads as the same definition."""
    return {
        "name": definition.name,
        "description": definition.description,
        "parameters": dict(definition.parameters),
        "steps": [_stored_step(step) for step in definition.steps],
    }


def _stored_step(step: Step) -> dict[str, Any]:
    plain = asdict(step)
    if step.approval_timeout is None:
        del plain["approval_timeout"]
    return {**plain, "depends_on": list(step.depends_on)}
