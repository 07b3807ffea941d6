"""Owns the proof that every pointer is where the log put it: current artifacts, heads, and `latest_artifact_id`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_tuples
from . import findings, pointers
from .findings import Finding, read_json
from .replaying import Advance

if TYPE_CHECKING:
    from .opening import Library

PAGE = 500

_OUTPUTS = """
    SELECT DISTINCT workflow_id, output_key FROM artifacts
    WHERE (workflow_id, output_key) > (?, ?) ORDER BY workflow_id, output_key LIMIT ?
"""
_RANGE = "(a.workflow_id, a.output_key) >= (?, ?) AND (a.workflow_id, a.output_key) <= (?, ?)"
_HEADS = f"""
    SELECT a.workflow_id, a.output_key, COALESCE(SUM(a.is_head), 0), SUM(a.deleted_at IS NULL),
        MAX(CASE WHEN a.is_head THEN a.id END), MAX(CASE WHEN a.is_head THEN a.deleted_at END)
    FROM artifacts AS a WHERE {_RANGE} GROUP BY a.workflow_id, a.output_key
"""
_LOGGED_HEADS = f"""
    SELECT a.workflow_id, a.output_key, e.entity_id, MAX(e.seq)
    FROM artifacts AS a CROSS JOIN events AS e ON e.entity_id = a.id
    WHERE {_RANGE} AND e.action = 'artifact.head_changed' GROUP BY a.workflow_id, a.output_key
"""


def prove_currents(library: Library, after: str | None, advance: Advance) -> tuple[list[Finding], str | None]:
    """Prove the current artifacts of the page of workflows whose ids follow `after`; `advance` hears how many.

    Returns:
        What is wrong; and the last id of the page, None where there are no more.
    """
    table = models.Workflow
    with library.reading():
        query = table.select(table.id, table.latest_artifact_id).order_by(table.id).limit(PAGE)
        rows = dict(all_tuples(query if after is None else query.where(table.id > after)))
        ids = list(rows)
        emptied = _emptied(ids)
        flagged, logged, used = _flagged(ids), _logged_currents(ids), _with_artifacts(ids)
        found = []
        for workflow_id, pointer in rows.items():
            if workflow_id in emptied:
                continue
            wrong = _wrong_current(pointer, flagged.get(workflow_id, []), workflow_id in used)
            expected = logged.get(workflow_id)
            if wrong is None and pointer != expected:
                wrong = f"its current artifact is {pointer or 'none'}, the log says {expected or 'none'}"
            if wrong is not None:
                flag = flagged.get(workflow_id, [(None, None)])[0][0]
                found.append(findings.of_workflow("pointers", workflow_id, wrong, pointer or flag or expected))
    advance(len(ids))
    return found, ids[-1] if len(ids) == PAGE else None


def prove_heads(library: Library, after: list[str] | None, advance: Advance) -> tuple[list[Finding], list[str] | None]:
    """The same for the heads of the page of outputs that follow `after`, a workflow's id and an output key."""
    with library.reading():
        outputs = all_tuples(models.Artifact.raw(_OUTPUTS, *(after or ["", ""]), PAGE))
        if not outputs:
            return [], None
        reach = (*outputs[0], *outputs[-1])
        logged = {(w, key): head for w, key, head, _ in all_tuples(models.Artifact.raw(_LOGGED_HEADS, *reach))}
        emptied = _emptied([workflow_id for workflow_id, _ in outputs])
        found = []
        for workflow_id, key, count, live, head, deleted in all_tuples(models.Artifact.raw(_HEADS, *reach)):
            if workflow_id in emptied:
                continue
            expected = logged.get((workflow_id, key)) if live else None
            wrong = _wrong_head(count, bool(live), head, deleted, expected)
            if wrong is not None:
                message = f"output {key}: {wrong}"
                found.append(findings.of_workflow("pointers", workflow_id, message, head or expected))
    advance(len(outputs))
    return found, list(outputs[-1]) if len(outputs) == PAGE else None


def fix_pointers(library: Library, workflow_ids: list[str], *, actor: str) -> int:
    """Put the pointers of these workflows where the log has them, else where the rules do, in one transaction.

    Returns:
        How many pointers were moved, each with its event.
    """
    with library.writing(actor) as tx:
        moved = 0
        for workflow_id in dict.fromkeys(workflow_ids):
            if not models.Workflow.select().where(models.Workflow.id == workflow_id).exists():
                continue
            table = models.Artifact
            keys = all_tuples(table.select(table.output_key).where(table.workflow_id == workflow_id).distinct())
            for (key,) in keys:
                reach = (workflow_id, key, workflow_id, key)
                logged = [head for _, _, head, _ in all_tuples(table.raw(_LOGGED_HEADS, *reach))]
                moved += pointers.mend_head(tx, workflow_id, key, logged[0] if logged else None)
            moved += pointers.mend_current(tx, workflow_id, _logged_currents([workflow_id]).get(workflow_id))
        return moved


def _wrong_current(pointer: str | None, flags: list[tuple[str, str | None]], has_artifacts: bool) -> str | None:
    ids = [artifact_id for artifact_id, _ in flags]
    if len(ids) > 1:
        return f"{len(ids)} artifacts are marked as its current one"
    if has_artifacts and not ids:
        return "no artifact is marked as its current one"
    if pointer != (ids[0] if ids else None):
        return (
            f"latest_artifact_id is {pointer or 'none'}, the artifact marked as current is {ids[0] if ids else 'none'}"
        )
    if flags and flags[0][1] is not None:
        return f"its current artifact {ids[0]} is in the trash"
    return None


def _wrong_head(count: int, live: bool, head: str | None, deleted: str | None, expected: str | None) -> str | None:
    if count > 1:
        return f"{count} versions are marked as its head"
    if live and count == 0:
        return "no version is marked as its head"
    if deleted is not None:
        return f"its head {head} is in the trash"
    if head != expected:
        return f"its head is {head or 'none'}, the log says {expected or 'none'}"
    return None


def _flagged(workflow_ids: list[str]) -> dict[str, list[tuple[str, str | None]]]:
    found: dict[str, list[tuple[str, str | None]]] = {}
    places = ", ".join("?" * len(workflow_ids))
    sql = f"SELECT workflow_id, id, deleted_at FROM artifacts WHERE is_latest = TRUE AND workflow_id IN ({places})"
    for workflow_id, artifact_id, deleted_at in all_tuples(models.Artifact.raw(sql, *workflow_ids)):
        found.setdefault(workflow_id, []).append((artifact_id, deleted_at))
    return found


def _logged_currents(workflow_ids: list[str]) -> dict[str, Any]:
    """The current artifact of each workflow as its newest event of that kind says."""
    places = ", ".join("?" * len(workflow_ids))
    sql = (
        f"SELECT entity_id, after, MAX(seq) FROM events WHERE entity_id IN ({places})"
        " AND action IN ('workflow.current_changed', 'workflow.imported') GROUP BY entity_id"
    )
    rows = all_tuples(models.Event.raw(sql, *workflow_ids))
    return {workflow_id: (read_json(after) or {}).get("latest_artifact_id") for workflow_id, after, _ in rows}


def _emptied(workflow_ids: list[str]) -> set[str]:
    """Those of the workflows whose chain is being emptied from the trash: their artifacts go one after the other."""
    workflow, chain = models.Workflow, models.Chain
    query = workflow.select(workflow.id).join(chain).where(chain.purged_at.is_null(False))
    return {workflow_id for (workflow_id,) in all_tuples(query.where(workflow.id.in_(sorted(set(workflow_ids)))))}


def _with_artifacts(workflow_ids: list[str]) -> set[str]:
    """Those of the workflows that have an artifact outside of the trash."""
    places = ", ".join("?" * len(workflow_ids))
    sql = (
        f"SELECT w.id FROM workflows AS w WHERE w.id IN ({places}) AND EXISTS"
        " (SELECT 1 FROM artifacts AS a WHERE a.workflow_id = w.id AND a.deleted_at IS NULL)"
    )
    return {workflow_id for (workflow_id,) in all_tuples(models.Workflow.raw(sql, *workflow_ids))}
