"""Owns prompts that are written down while they run, and what becomes of those whose end nobody saw.

ComfyUI keeps its queue and its history in memory. A prompt of which everything is to be recorded is therefore an
intent without files from its beginning until its outputs are in the record: cheaper than rows for what may leave
nothing, and found by whoever opens the store next when the process that wrote it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows
from ..storage.local import Intent
from . import attempts, identities, runs

if TYPE_CHECKING:
    from .opening import Library

KIND = "prompt"

ACTOR = "comfyui"
"""The actor of what a prompt brought about of which nobody said who asked for it."""

IMPORT = "`artifact-db import` finds the files that it saved"
DIED = f"ComfyUI ended while this prompt ran: {IMPORT} in ComfyUI's output folder"
CLEARED = f"ComfyUI's history was cleared before this prompt was recorded: {IMPORT} in ComfyUI's output folder"
UNSEEN = "ComfyUI ended before the end of this prompt was written down"


def witness(library: Library, run: runs.Run) -> Intent:
    """Write down that a prompt runs, without a row; `library.store.fulfilled` strikes it.

    Raises:
        StoreFailed: the disk refuses.
    """
    return library.store.promise(KIND, (), promised(run))


def promised(run: runs.Run) -> dict[str, Any]:
    """What the intent of a prompt says."""
    return {"run": asdict(run)}


def complete(library: Library, intent: Intent) -> None:
    """Whoever wrote the intent is gone: mark its prompt, unless its end is in the record."""
    mark_lost(library, runs.Run(**intent.record["run"]), DIED)


def mark_lost(library: Library, run: runs.Run, message: str) -> None:
    """A prompt's outcome will never be known: say so on each attempt that holds it and is open, or on a new one."""
    with library.writing(run.requested_by or ACTOR) as tx:
        if runs.holder(run) is None:
            runs.begin(tx, run, identities.new_id())
        attempts.finish_all(tx, run.server_address, run.prompt_id, "outcome_unknown", message)


def settle_left(library: Library, server_address: str, *, before: str, known: Callable[[str], bool], by: str) -> int:
    """Settle the attempts that earlier processes of a ComfyUI have left executing; returns how many there were.

    Args:
        server_address: what rows call that ComfyUI.
        before: when its present process began, as `identities.now` says it.
        known: whether a prompt is in its queue or history all the same.
    """
    workflow, attempt = models.Workflow, models.Attempt
    left = (
        attempt.select(attempt.prompt_id)
        .join(workflow, on=(workflow.id == attempt.workflow_id))
        .where((workflow.status == "executing") & (attempt.status == "executing"))
        .where((attempt.server_address == server_address) & (attempt.updated_at < before))
    )
    with library.reading():
        prompts = {row["prompt_id"] for row in all_rows(left)}
    lost = sorted(prompt_id for prompt_id in prompts if not known(prompt_id))
    if not lost:
        return 0
    with library.writing(by) as tx:
        return sum(attempts.finish_all(tx, server_address, prompt_id, "outcome_unknown", DIED) for prompt_id in lost)
