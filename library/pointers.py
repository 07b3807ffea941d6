"""Owns the two pointers: a workflow's current artifact and an output's head. Nobody else moves them.

Each function is one row of the table in the design (section 4) and takes part in the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peewee import SQL

from ..db import models
from ..db.querying import all_rows, prepared
from ..db.statuses import USABLE

if TYPE_CHECKING:
    from .opening import Transaction

Row = dict[str, Any]

_LITERAL_TRUE = SQL("TRUE")
"""A literal, not a parameter: SQLite uses a partial index only for a condition that it can read."""


@dataclass(frozen=True)
class Claim:
    """Who held the pointers before a new version came: its output's head and its workflow's current artifact."""

    head: Row | None
    current: Row | None


def claim(tx: Transaction, artifact: Row) -> Claim:
    """Before a new version's row is written: give the row its flags, and take them from those that gave way."""
    first = artifact["version"] == 1
    head = None if first else head_of(artifact)
    current = current_of(artifact["workflow_id"])
    usable = is_usable(artifact)
    artifact["is_head"] = head is None or usable or not is_usable(head)
    artifact["is_latest"] = current is None or (usable and not first and _gives_way(current, artifact))
    if artifact["is_head"] and head is not None:
        _set(tx, head["id"], is_head=False)
    if artifact["is_latest"] and current is not None:
        _set(tx, current["id"], is_latest=False)
    return Claim(head, current)


def after_new_version(tx: Transaction, artifact: Row, claim: Claim) -> None:
    """A new version's row is written, usable or not: the workflow points to it, and the log says what moved."""
    if artifact["is_head"]:
        _log_head(tx, artifact, claim.head)
    if artifact["is_latest"]:
        _point(tx, artifact["workflow_id"], artifact, claim.current)


def after_approval(tx: Transaction, artifact: Row) -> None:
    """An artifact was approved."""
    _move_head(tx, artifact, head_of(artifact))
    current = current_of(artifact["workflow_id"])
    if current is None or _gives_way(current, artifact):
        _move_current(tx, artifact["workflow_id"], artifact, current)


def after_selection(tx: Transaction, artifact: Row) -> None:
    """A person picked this usable artifact."""
    _move_head(tx, artifact, head_of(artifact))
    _move_current(tx, artifact["workflow_id"], artifact, current_of(artifact["workflow_id"]))


def after_deletion(tx: Transaction, artifact: Row) -> tuple[Row | None, Row | None]:
    """An artifact went into the trash, its flags still as they were; the newest fit ones take over.

    Returns:
        The output's head and the workflow's current artifact, as they are now.
    """
    of_output = _newest_first(models.Artifact.output_key == artifact["output_key"], artifact["workflow_id"])
    if artifact["is_head"]:
        successor = _first_usable(of_output) or (of_output[0] if of_output else None)
        _move_head(tx, successor, artifact)
    if artifact["is_latest"]:
        of_workflow = _newest_first(None, artifact["workflow_id"])
        successor = _first_usable(of_output) or _first_usable(of_workflow) or (of_workflow[0] if of_workflow else None)
        _move_current(tx, artifact["workflow_id"], successor, artifact)
    return head_of(artifact), current_of(artifact["workflow_id"])


def after_undeletion(tx: Transaction, artifact: Row, left: Row) -> None:
    """An artifact came back from the trash.

    Args:
        left: what the deletion's event says: the pointers it held, and to whom they went. It gets back those that
            nobody moved since, and those that nobody holds.
    """
    head, current = head_of(artifact), current_of(artifact["workflow_id"])
    if head is None or (left["was_head"] and head["id"] == left["head_artifact_id"]):
        _move_head(tx, artifact, head)
    if current is None or (left["was_latest"] and current["id"] == left["latest_artifact_id"]):
        _move_current(tx, artifact["workflow_id"], artifact, current)


def mend_head(tx: Transaction, workflow_id: str, output_key: str, logged: str | None) -> int:
    """Put an output's head where the log has it, else where a deletion would; returns how many pointers moved."""
    versions = _newest_first(models.Artifact.output_key == output_key, workflow_id)
    right = _among(versions, logged) or _first_usable(versions) or (versions[0] if versions else None)
    of_output = (models.Artifact.workflow_id == workflow_id) & (models.Artifact.output_key == output_key)
    marked = all_rows(models.Artifact.select(*_COLUMNS).where(of_output & (models.Artifact.is_head == _LITERAL_TRUE)))
    if [row["id"] for row in marked] == ([right["id"]] if right else []) and (right is None or right["id"] == logged):
        return 0
    for row in marked:
        _set(tx, row["id"], is_head=False)
    if right is not None:
        _set(tx, right["id"], is_head=True)
        _log_head(tx, right, marked[0] if marked else None)
    return 1


def mend_current(tx: Transaction, workflow_id: str, logged: str | None) -> int:
    """The same for a workflow's current artifact, its flag and `latest_artifact_id`."""
    live = _newest_first(None, workflow_id)
    right = _among(live, logged) or _first_usable(live) or (live[0] if live else None)
    of_workflow = models.Artifact.workflow_id == workflow_id
    marked = all_rows(
        models.Artifact.select(*_COLUMNS).where(of_workflow & (models.Artifact.is_latest == _LITERAL_TRUE))
    )
    pointer = (
        models.Workflow.select(models.Workflow.latest_artifact_id).where(models.Workflow.id == workflow_id).scalar()
    )
    expected = right and right["id"]
    if [row["id"] for row in marked] == ([expected] if expected else []) and pointer == expected == logged:
        return 0
    for row in marked:
        _set(tx, row["id"], is_latest=False)
    if right is not None:
        _set(tx, right["id"], is_latest=True)
    _point(tx, workflow_id, right, {"id": pointer} if pointer else None)
    return 1


def is_usable(artifact: Row) -> bool:
    """Whether its state allows it downstream. The bytes themselves are `artifacts.require_usable`'s matter."""
    present = artifact["bytes_removed_at"] is None and artifact["deleted_at"] is None
    return present and artifact["approval_status"] in USABLE


def head_of(artifact: Row) -> Row | None:
    """The head of the output that this artifact is a version of."""
    return _head.row(artifact["workflow_id"], artifact["output_key"])


def current_of(workflow_id: str) -> Row | None:
    """The current artifact of a workflow, by its flag."""
    return _current.row(workflow_id)


def _gives_way(current: Row, artifact: Row) -> bool:
    return current["output_key"] == artifact["output_key"] or not is_usable(current)


def _move_head(tx: Transaction, to: Row | None, source: Row | None) -> None:
    if (to and to["id"]) == (source and source["id"]):
        return
    if source is not None:
        _set(tx, source["id"], is_head=False)
    if to is not None:
        _set(tx, to["id"], is_head=True)
        _log_head(tx, to, source)


def _move_current(tx: Transaction, workflow_id: str, to: Row | None, source: Row | None) -> None:
    if (to and to["id"]) == (source and source["id"]):
        return
    if source is not None:
        _set(tx, source["id"], is_latest=False)
    if to is not None:
        _set(tx, to["id"], is_latest=True)
    _point(tx, workflow_id, to, source)


def _log_head(tx: Transaction, to: Row, source: Row | None) -> None:
    tx.log(
        "artifact.head_changed",
        "artifact",
        to["id"],
        workflow_id=to["workflow_id"],
        before={"head_artifact_id": source and source["id"]},
        after={"head_artifact_id": to["id"]},
    )


def _point(tx: Transaction, workflow_id: str, to: Row | None, source: Row | None) -> None:
    after = to and to["id"]
    _set_pointer.run(after, tx.at, workflow_id)
    tx.log(
        "workflow.current_changed",
        "workflow",
        workflow_id,
        workflow_id=workflow_id,
        before={"latest_artifact_id": source and source["id"]},
        after={"latest_artifact_id": after},
    )


def _set(tx: Transaction, artifact_id: str, **values: Any) -> None:
    revision = models.Artifact.revision + 1
    models.Artifact.update(updated_at=tx.at, revision=revision, **values).where(
        models.Artifact.id == artifact_id
    ).execute()


@prepared
def _head(workflow_id: Any, output_key: Any) -> Any:
    table = models.Artifact
    query = table.select(*_COLUMNS).where((table.workflow_id == workflow_id) & (table.output_key == output_key))
    return query.where(table.is_head == _LITERAL_TRUE)


@prepared
def _current(workflow_id: Any) -> Any:
    table = models.Artifact
    return table.select(*_COLUMNS).where((table.workflow_id == workflow_id) & (table.is_latest == _LITERAL_TRUE))


@prepared
def _set_pointer(artifact_id: Any, at: Any, workflow_id: Any) -> Any:
    table = models.Workflow
    changed = table.update(latest_artifact_id=artifact_id, updated_at=at, revision=table.revision + 1)
    return changed.where(table.id == workflow_id)


def _newest_first(where: Any, workflow_id: str) -> list[Row]:
    query = models.Artifact.select(*_COLUMNS).where(
        (models.Artifact.workflow_id == workflow_id) & models.Artifact.deleted_at.is_null()
    )
    if where is not None:
        return all_rows(query.where(where).order_by(models.Artifact.version.desc()))
    return all_rows(query.order_by(models.Artifact.created_at.desc(), models.Artifact.id.desc()))


def _among(rows: list[Row], artifact_id: str | None) -> Row | None:
    return next((row for row in rows if row["id"] == artifact_id), None)


def _first_usable(rows: list[Row]) -> Row | None:
    return next((row for row in rows if is_usable(row)), None)


_COLUMNS = (
    models.Artifact.id,
    models.Artifact.workflow_id,
    models.Artifact.output_key,
    models.Artifact.version,
    models.Artifact.approval_status,
    models.Artifact.is_head,
    models.Artifact.is_latest,
    models.Artifact.bytes_removed_at,
    models.Artifact.deleted_at,
)
