"""Owns what people decide: approve, reject, ask again, select, tag. A decision is made on bytes, and names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..db import models
from ..errors import Conflict, Gone, Invalid, NotUsable
from . import artifacts, attempts, executing, names, pointers, revisions, workflows
from .views import Artifact

if TYPE_CHECKING:
    from .opening import Library, Transaction

Row = dict[str, Any]


def approve(
    library: Library,
    artifact_id: str,
    *,
    by: str,
    actor: str | None = None,
    sha256: str | None = None,
    revision: int | None = None,
) -> Artifact:
    """Approve an artifact: it becomes its output's head, and current where the current one gives way.

    Args:
        by: who decides. actor: who asks, where that is somebody else (a program, on behalf of a person).
        sha256: what they saw; where it is given it must be this artifact's. revision: the revision they saw.
    Raises:
        NotFound, StaleRevision. Conflict: somebody else has approved it, or it is an edit, which is usable already.
        NotUsable: its bytes are not those that were recorded, or it is in the trash. Gone: its bytes were removed.
    """
    by = names.checked_text(by, "approved_by")
    done = {"approval_status": "approved", "decided_by": by}
    if sha256 is not None:
        done["sha256"] = sha256 = sha256.lower()

    def change(tx: Transaction, row: Row) -> Row | None:
        if sha256 is not None and sha256 != row["sha256"]:
            raise Conflict("this is not what was looked at: its sha256 is another", sha256=row["sha256"])
        if row["approval_status"] == "approved":
            raise _decided_already(library, row)
        if row["approval_status"] == "edited":
            raise Conflict(
                "it is an edit and usable already; ask for a review first", artifact=artifacts.view(library, row)
            )
        _require_bytes(library, row)
        _decide(tx, row, by, "artifact.approved", approval_status="approved", approved_by=by, approved_at=tx.at)
        pointers.after_approval(tx, {**row, "approval_status": "approved"})
        attempts.follow_current(tx, row["workflow_id"])
        return row

    return _change(library, artifact_id, actor or by, revision, change, done)


def reject(
    library: Library,
    artifact_id: str,
    *,
    by: str,
    reason: str,
    actor: str | None = None,
    revision: int | None = None,
    again: dict[str, Any] | None = None,
) -> Artifact:
    """Reject an artifact. No pointer moves: nothing is offered downstream until somebody approves, edits or selects.

    Args:
        by, actor: as in `approve`. again: run the step again with these parameters, `node_id.input` to values.
    Raises:
        NotFound, StaleRevision. Invalid: there is no reason, or a parameter is wrong.
        Conflict: somebody else has rejected it already; or the step cannot run again at this moment.
    """
    by = names.checked_text(by, "approved_by")
    reason = names.checked_text(reason, "reason", longest=names.MAX_REASON)

    def change(tx: Transaction, row: Row) -> Row | None:
        if row["approval_status"] == "rejected" and row["decided_by"] != by:
            raise _decided_already(library, row)
        _decide(
            tx, row, by, "artifact.rejected", approval_status="rejected", rejection_reason=reason,
            approved_by=None, approved_at=None,
        )  # fmt: skip
        if again is not None:
            executing.again(tx, workflows.row_of(row["workflow_id"]), again)
        return row

    done = {"approval_status": "rejected", "decided_by": by, "rejection_reason": reason}
    runs = lambda row: again is None or executing.runs_again(row["workflow_id"], row["attempt_id"], again)
    return _change(library, artifact_id, actor or by, revision, change, done, runs)


def checked_request(status: Any, field: str) -> str:
    """What may be asked for as a status: all others are somebody's decision.

    Raises:
        Invalid: it is another one.
    """
    if status != "pending":
        raise Invalid(
            f'{field} can be set to "pending" here; approve, reject and edit have calls of their own', field=field
        )
    return "pending"


def ask_again(library: Library, artifact_id: str, *, by: str, revision: int | None = None) -> Artifact:
    """Put a usable artifact back to pending, for a new decision.

    Raises:
        NotFound, StaleRevision. Conflict: something downstream has used it, or it was rejected.
    """
    by = names.checked_text(by, "actor")

    def change(tx: Transaction, row: Row) -> Row | None:
        if row["approval_status"] == "pending":
            return None
        if row["approval_status"] == "rejected":
            raise Conflict(
                "it was rejected: approve it, or record a new version", artifact=artifacts.view(library, row)
            )
        if (used := _used_by(row["id"])) is not None:
            raise Conflict(f"it cannot be taken back: {used}", artifact=artifacts.view(library, row))
        cleared = {"approved_by": None, "approved_at": None, "decided_by": None, "decided_at": None}
        _update(tx, row, "artifact.review_requested", approval_status="pending", decided_sha256=None, **cleared)
        attempts.follow_current(tx, row["workflow_id"])
        return row

    return _change(library, artifact_id, by, revision, change)


def select(
    library: Library, artifact_id: str, *, by: str, actor: str | None = None, revision: int | None = None
) -> Artifact:
    """Make a usable artifact the current one of its workflow and the head of its output.

    `by` and `actor` are as in `approve`.

    Raises:
        NotFound, StaleRevision. NotUsable: pending, rejected, in the trash, or changed bytes. Gone: they were removed.
    """
    by = names.checked_text(by, "approved_by")

    def change(tx: Transaction, row: Row) -> Row | None:
        _require_kept(row)
        if not pointers.is_usable(row):
            seen = artifacts.view(library, row)
            raise NotUsable(f"it cannot be selected: {artifacts.why_not_usable(seen)}", artifact=seen)
        _require_bytes(library, row)
        if row["is_latest"] and row["is_head"]:
            return None
        tx.log(
            "artifact.selected",
            "artifact",
            row["id"],
            workflow_id=row["workflow_id"],
            before={"is_latest": row["is_latest"], "is_head": row["is_head"]},
            after={"is_latest": True, "is_head": True, "selected_by": by},
        )
        pointers.after_selection(tx, row)
        attempts.follow_current(tx, row["workflow_id"])
        return row

    return _change(library, artifact_id, actor or by, revision, change)


def tag(library: Library, artifact_id: str, tag: str, *, by: str, revision: int | None = None) -> Artifact:
    """Put a tag on an artifact; one that it has already stays as it is.

    Raises:
        NotFound, StaleRevision. Invalid: it is no tag.
    """
    tag = names.checked_tag(tag)
    return _change(library, artifact_id, by, revision, lambda tx, row: row if put_tag(tx, row, tag, by) else None)


def untag(library: Library, artifact_id: str, tag: str, *, by: str, revision: int | None = None) -> Artifact:
    """Take a tag off an artifact; one that it has not is no matter.

    Raises:
        NotFound, StaleRevision. Invalid: it is no tag.
    """
    tag = names.checked_tag(tag)
    return _change(library, artifact_id, by, revision, lambda tx, row: row if take_tag(tx, row, tag) else None)


def put_tag(tx: Transaction, row: Row, tag: str, by: str) -> bool:
    """Put a tag on an artifact's row, inside the caller's transaction; False where it has it already."""
    if _has_tag(row["id"], tag):
        return False
    models.Tag.insert(artifact_id=row["id"], tag=tag, created_by=by, created_at=tx.at).execute()
    _update(tx, row, "artifact.tagged", became={"tag": tag})
    return True


def take_tag(tx: Transaction, row: Row, tag: str) -> bool:
    """Take a tag off an artifact's row, inside the caller's transaction; False where it has it not."""
    if not _has_tag(row["id"], tag):
        return False
    models.Tag.delete().where((models.Tag.artifact_id == row["id"]) & (models.Tag.tag == tag)).execute()
    _update(tx, row, "artifact.untagged", was={"tag": tag})
    return True


def _change(
    library: Library,
    artifact_id: str,
    by: str,
    revision: int | None,
    change: Callable[[Transaction, Row], Row | None],
    done: Row | None = None,
    also: Callable[[Row], bool] = lambda row: True,
) -> Artifact:
    """Run one decision in its transaction; `change` returns None where there is nothing to change.

    `done` is how a row looks on which this person has made this decision already, where `also` holds: asking again,
    with whatever revision was seen then, is answered as the first time.
    """
    with library.writing(by) as tx:
        row = artifacts.row_of(artifact_id)
        if done is None or revisions.changed(row, done) or not also(row):
            artifacts.check_revision(library, row, revision)
            change(tx, row)
        return artifacts.view(library, artifacts.row_of(artifact_id))


def _decide(tx: Transaction, row: Row, by: str, action: str, **columns: Any) -> None:
    columns.setdefault("rejection_reason", None)
    _update(tx, row, action, decided_sha256=row["sha256"], decided_by=by, decided_at=tx.at, **columns)


def _update(
    tx: Transaction, row: Row, action: str, was: Row | None = None, became: Row | None = None, **columns: Any
) -> None:
    models.Artifact.update(updated_at=tx.at, revision=models.Artifact.revision + 1, **columns).where(
        models.Artifact.id == row["id"]
    ).execute()
    if columns:
        became = revisions.changed(row, columns)
        was = {key: row[key] for key in became}
    tx.log(action, "artifact", row["id"], workflow_id=row["workflow_id"], before=was, after=became)


def _decided_already(library: Library, row: Row) -> Conflict:
    seen = artifacts.view(library, row)
    return Conflict(f"{row['decided_by']} has decided already: {row['approval_status']}", artifact=seen)


def _require_bytes(library: Library, row: Row) -> None:
    _require_kept(row)
    seen = artifacts.view(library, row)
    if row["deleted_at"] is not None:
        raise NotUsable(f"there is nothing to decide on: {artifacts.why_not_usable(seen)}", artifact=seen)
    if not artifacts.unchanged(library, row):
        raise NotUsable(f"{artifacts.CHANGED}; look at it again", artifact=seen)


def _require_kept(row: Row) -> None:
    if row["bytes_removed_at"] is not None:
        raise Gone(f"the bytes of artifact {row['id']} were removed on {row['bytes_removed_at']}")


def _used_by(artifact_id: str) -> str | None:
    """What downstream has used an artifact, in words."""
    delivered = models.Transfer.select(models.Transfer.target_server).where(
        (models.Transfer.artifact_id == artifact_id) & (models.Transfer.status == "completed")
    )
    if (server := delivered.limit(1).scalar()) is not None:
        return f"it was delivered to {server}"
    if models.Lineage.select().where(models.Lineage.artifact_id == artifact_id).exists():
        return "another workflow was made from it"
    if models.Artifact.select().where(models.Artifact.source_artifact_id == artifact_id).exists():
        return "another chain has taken it over"
    return None


def _has_tag(artifact_id: str, tag: str) -> bool:
    query = models.Tag.select().where((models.Tag.artifact_id == artifact_id) & (models.Tag.tag == tag))
    return bool(query.exists())
