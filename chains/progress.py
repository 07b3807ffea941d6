"""Owns how a chain stands, told from the rows of its steps alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ..db.statuses import FINISHED_CHAIN, UNDER_WAY
from ..library import views
from ..library.views import Artifact, Attempt, Workflow
from . import steps
from .definitions import Step
from .driven import Chain

Rows = tuple["Workflow | None", "Attempt | None", "Artifact | None"]
"""The rows that a step has."""


class Phase(Enum):
    """How one step stands."""

    WAITING = "waits for the steps before it"
    RUNNING = "runs, or is about to"
    PENDING = "waits for a person"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Standing:
    """One step with its rows, where it has any."""

    step: Step
    phase: Phase
    workflow: Workflow | None
    attempt: Attempt | None
    current: Artifact | None


@dataclass(frozen=True)
class Progress:
    """A chain: its steps level by level, its status, and which steps there is something to do for.

    `row` is what is written down of it as a whole, which `status` and `error` may be ahead of.
    """

    row: views.Chain
    levels: tuple[tuple[Standing, ...], ...]
    status: str
    error: str | None
    ready: tuple[Step, ...]
    skip: tuple[tuple[Step, str], ...]

    @property
    def under_way(self) -> set[str]:
        """The ids of the attempts that have not ended."""
        attempts = [one.attempt for level in self.levels for one in level]
        return {attempt.id for attempt in attempts if attempt is not None and attempt.status in UNDER_WAY}

    @property
    def done(self) -> dict[str, Workflow]:
        """The workflows of the steps that have ended, by the steps' ids."""
        return {
            one.step.id: one.workflow
            for level in self.levels
            for one in level
            if one.workflow is not None and one.phase in (Phase.DONE, Phase.SKIPPED, Phase.FAILED)
        }


def look(chain: Chain) -> Progress:
    """How a chain stands; one that has ended as its row says.

    Raises:
        NotFound: it is gone, or in the trash.
    """
    definition, there = chain.definition, chain.records.get_standings(chain.id)
    row = there.chain
    nothing: Rows = (None, None, None)
    rows = {step.id: there.steps.get(chain.workflow_id(step), nothing) for level in definition.levels for step in level}
    standings: dict[str, Standing] = {}
    levels = []
    for level in definition.levels:
        found = tuple(_standing(chain, step, rows[step.id]) for step in level)
        standings.update((one.step.id, one) for one in found)
        levels.append(found)
    if row.status in FINISHED_CHAIN:
        return Progress(row, tuple(levels), row.status, row.error_message, (), ())
    return _judge(row, tuple(levels), standings)


def _judge(row: views.Chain, levels: tuple[tuple[Standing, ...], ...], standings: Mapping[str, Standing]) -> Progress:
    for number, level in enumerate(levels):
        open_ones = [one for one in level if one.phase in (Phase.WAITING, Phase.RUNNING, Phase.PENDING)]
        failed = [one for one in level if one.phase is Phase.FAILED and one.step.on_error == "fail"]
        if not open_ones and not failed:
            continue
        skip = tuple((one.step, why) for one in open_ones if (why := _stopped_by(one, standings)) is not None)
        stopped = {step.id for step, _ in skip}
        ready = [
            one.step
            for one in open_ones
            if one.step.id not in stopped
            and (one.phase is Phase.RUNNING or (one.phase is Phase.WAITING and not failed))
        ]
        # Prompts that ran already when a step before them was opened again.
        ready += [one.step for later in levels[number + 1 :] for one in later if _executes(one)]
        running = bool(ready or skip)
        if failed and not running:
            # What else runs on this level comes to its end first: its outputs are not lost.
            error = "; ".join(f"step {one.step.id}: {_why(one)}" for one in failed)
            return Progress(row, levels, "failed", error, (), ())
        status = f"executing_level_{number}" if running else "awaiting_approval"
        return Progress(row, levels, status, None, tuple(ready), skip)
    return Progress(row, levels, "completed", None, (), ())


def _executes(one: Standing) -> bool:
    return one.phase is Phase.RUNNING and one.attempt is not None and one.attempt.status == "executing"


def _stopped_by(one: Standing, standings: Mapping[str, Standing]) -> str | None:
    """Why a step never runs: what it waits for was skipped, or failed in a chain that goes on."""
    if one.phase is not Phase.WAITING:
        return None
    for other in one.step.depends_on:
        if standings[other].phase in (Phase.SKIPPED, Phase.FAILED):
            word = "was skipped" if standings[other].phase is Phase.SKIPPED else "failed"
            return f"step {other}, which it waits for, {word}"
    return None


def _why(one: Standing) -> str:
    assert one.workflow is not None
    return one.workflow.error_message or one.workflow.status


def _standing(chain: Chain, step: Step, rows: tuple[Workflow | None, Attempt | None, Artifact | None]) -> Standing:
    workflow, attempt, current = rows
    return Standing(step, _phase(chain, step, workflow, attempt, current), workflow, attempt, current)


def _phase(
    chain: Chain, step: Step, workflow: Workflow | None, attempt: Attempt | None, current: Artifact | None
) -> Phase:
    if workflow is None or (attempt is None and workflow.status == "queued"):
        return Phase.WAITING
    if workflow.status == "skipped":
        return Phase.SKIPPED
    if workflow.status in UNDER_WAY:
        return Phase.RUNNING
    if workflow.status in ("completed", "awaiting_approval"):
        is_done = current.usable if current is not None else workflow.status == "completed"
        return Phase.DONE if is_done else Phase.PENDING
    if attempt is not None and steps.due_in(chain, step, attempt) is not None:
        return Phase.RUNNING
    return Phase.FAILED
