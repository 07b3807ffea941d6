"""Owns the trash of artifacts: one in it keeps its row, its file and its version number, and stands for nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows
from ..errors import Gone, NotFound
from . import artifacts, attempts, events, names, pointers
from .views import Artifact, Event

if TYPE_CHECKING:
    from .opening import Library, Transaction


def delete(library: Library, artifact_id: str, *, by: str, revision: int | None = None) -> Artifact:
    """Put an artifact into the trash; the newest fit version takes over what it stood for.

    Raises:
        NotFound, StaleRevision.
    """
    by = names.checked_text(by, "actor")
    with library.writing(by) as tx:
        row = artifacts.row_of(artifact_id)
        artifacts.check_revision(library, row, revision)
        if row["deleted_at"] is None:
            _set_deleted(tx, row, tx.at)
            head, current = pointers.after_deletion(tx, row)
            left = {
                "deleted_at": tx.at,
                "was_head": row["is_head"],
                "was_latest": row["is_latest"],
                "head_artifact_id": head and head["id"],
                "latest_artifact_id": current and current["id"],
            }
            _log(tx, "artifact.deleted", row, after=left)
            attempts.follow_current(tx, row["workflow_id"])
        return artifacts.view(library, artifacts.row_of(artifact_id))


def undelete(library: Library, artifact_id: str, *, by: str, revision: int | None = None) -> Artifact:
    """Take an artifact out of the trash, with the pointers it held that nobody has moved since.

    Raises:
        NotFound, StaleRevision. Gone: the trash was emptied of it.
    """
    by = names.checked_text(by, "actor")
    with library.writing(by) as tx:
        row = _row_in_trash(artifact_id)
        artifacts.check_revision(library, row, revision)
        if row["deleted_at"] is not None:
            _set_deleted(tx, row, None)
            _log(tx, "artifact.undeleted", row, after={"deleted_at": None})
            pointers.after_undeletion(tx, {**row, "deleted_at": None}, _deletion(row["id"]))
            attempts.follow_current(tx, row["workflow_id"])
        return artifacts.view(library, artifacts.row_of(artifact_id))


def _row_in_trash(artifact_id: str) -> dict[str, Any]:
    try:
        return artifacts.row_of(artifact_id)
    except NotFound:
        if events.has(artifact_id.lower(), "artifact.purged"):
            raise Gone(f"the trash was emptied of artifact {artifact_id}") from None
        raise


def _set_deleted(tx: Transaction, row: dict[str, Any], at: str | None) -> None:
    models.Artifact.update(deleted_at=at, updated_at=tx.at, revision=models.Artifact.revision + 1).where(
        models.Artifact.id == row["id"]
    ).execute()


def _deletion(artifact_id: str) -> dict[str, Any]:
    """What the event of an artifact's last deletion says, here or, of an imported one, where it came from."""
    query = models.Event.select().where(
        (models.Event.entity_id == artifact_id) & models.Event.action.in_(("artifact.deleted", "artifact.imported"))
    )
    event = asdict(Event.of_stored(all_rows(query.order_by(models.Event.seq.desc()).limit(1))[0]))
    while event["action"] == "artifact.imported":
        told = [old for old in event["after"]["history"] if old["action"] in ("artifact.deleted", "artifact.imported")]
        if not told:
            return {"was_head": False, "was_latest": False}
        event = told[-1]
    after: dict[str, Any] = event["after"]
    return after


def _log(tx: Transaction, action: str, row: dict[str, Any], after: dict[str, Any]) -> None:
    before = {"deleted_at": row["deleted_at"]}
    tx.log(action, "artifact", row["id"], workflow_id=row["workflow_id"], before=before, after=after)
