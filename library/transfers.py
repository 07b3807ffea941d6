"""Owns transfers: one delivery of one artifact to one configured server, proven by reading back what arrived."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from peewee import SQL, fn

from ..comfyui_client import ComfyUIServer
from ..comfyui_client.filenames import is_plain_subfolder
from ..db import models
from ..db.querying import all_rows, first_row
from ..db.statuses import TRANSFER_STATUSES
from ..errors import ArtifactDBError, Conflict, DeliveryFailed, Invalid, NotFound
from . import artifacts, attempts, identities, names, pages, workflows
from .views import Artifact, Transfer

if TYPE_CHECKING:
    from .opening import Library

logger = logging.getLogger("artifact_db.library")

ABANDONED_AFTER = timedelta(minutes=15)
"""A transfer that says `uploading` for longer than this belongs to no living process and may be tried again."""


def create_transfer(
    library: Library,
    artifact_id: str,
    *,
    server: str,
    by: str,
    subfolder: str = "",
    target_workflow_id: str | None = None,
) -> Transfer:
    """Write down that an artifact is to be delivered; `deliver` does it.

    Raises:
        NotFound: no such artifact or workflow. UnknownServer. Invalid: the subfolder is wrong.
        NotUsable, Gone: it is pending, rejected, in the trash, removed, or its bytes changed. Nothing is written then.
    """
    target = library.config.server(names.checked_text(server, "server"))
    subfolder = names.checked_subfolder(subfolder)
    if not is_plain_subfolder(subfolder):
        raise Invalid("subfolder has a part that a ComfyUI server may take for something else", field="subfolder")
    artifact = artifacts.require_usable(library, artifacts.get_artifact(library, artifact_id))
    transfer_id = identities.new_id()
    with library.writing(by) as tx:
        row = artifacts.row_of(artifact.id)
        if target_workflow_id is not None:
            target_workflow_id = workflows.row_of(identities.checked_id(target_workflow_id, "target_workflow_id"))["id"]
        models.Transfer.insert(
            id=transfer_id,
            artifact_id=row["id"],
            source_workflow_id=row["workflow_id"],
            target_workflow_id=target_workflow_id,
            target_server=target.name,
            target_subfolder=subfolder,
            status="pending",
            created_at=tx.at,
            updated_at=tx.at,
            attempts=0,
            requested_by=by,
        ).execute()
        after = {
            "artifact_id": row["id"],
            "target_server": target.name,
            "target_workflow_id": target_workflow_id,
            "status": "pending",
        }
        tx.log("transfer.created", "transfer", transfer_id, workflow_id=row["workflow_id"], after=after)
        return Transfer.of(_get(transfer_id))


def deliver(library: Library, transfer_id: str, *, by: str) -> Transfer:
    """Deliver, and prove it: nothing is sent when the server has those bytes; what was sent is read back and hashed.

    The artifact is proven usable again first, since time may have passed. A failure is in the transfer that comes back.

    Raises:
        NotFound. Conflict: it is being delivered at this moment, or was already.
    """
    row = _start(library, transfer_id, by)
    try:
        artifact = artifacts.require_usable(library, artifacts.get_artifact(library, row["artifact_id"]))
        name = _delivered_name(library, row, artifact)
    except ArtifactDBError as error:
        logger.warning("transfer %s to %s failed: %s", transfer_id, row["target_server"], error)
        return _finish(library, row, by, status="failed", error_message=str(error))
    return _finish(
        library, row, by, status="completed", error_message=None, target_filename=name, receipt_sha256=artifact.sha256
    )


def require_retryable(library: Library, transfer_id: str) -> Transfer:
    """A transfer that may be tried again, now.

    Raises:
        NotFound. Conflict: it was delivered already, or is being delivered at this moment.
        NotUsable, Gone: its artifact may not travel any more. UnknownServer: its server is not configured any more.
    """
    with library.reading():
        row = _get(transfer_id)
    _refuse_delivered(row)
    library.config.server(row["target_server"])
    artifacts.require_usable(library, artifacts.get_artifact(library, row["artifact_id"]))
    return Transfer.of(row)


def get_transfer(library: Library, transfer_id: str) -> Transfer:
    """One transfer.

    Raises:
        NotFound: there is none with this id.
    """
    with library.reading():
        return Transfer.of(_get(transfer_id))


def list_transfers(
    library: Library,
    ask: pages.Ask,
    *,
    status: str | None = None,
    artifact: str | None = None,
    server: str | None = None,
) -> pages.Page[Transfer]:
    """Transfers, newest first."""
    table = models.Transfer
    with library.reading():
        query = table.select().where(_source_is_there())
        if status is not None:
            if status not in TRANSFER_STATUSES:
                raise Invalid(f"status is one of {', '.join(TRANSFER_STATUSES)}", field="status")
            query = query.where(table.status == status)
        if artifact is not None:
            query = query.where(table.artifact_id == identities.checked_id(artifact, "artifact"))
        if server is not None:
            query = query.where(table.target_server == server)
        return pages.page(query, (table.created_at, table.id), ask, lambda rows: [Transfer.of(row) for row in rows])


def content_name(artifact: Artifact) -> str:
    """The name under which an artifact's bytes lie on any server: the same bytes have the same name."""
    return artifact.sha256 + PurePosixPath(artifact.local_filename).suffix


def _start(library: Library, transfer_id: str, by: str) -> dict[str, Any]:
    with library.writing(by) as tx:
        row = _get(transfer_id)
        _refuse_delivered(row)
        models.Transfer.update(
            status="uploading", attempts=row["attempts"] + 1, error_message=None, updated_at=tx.at
        ).where(models.Transfer.id == row["id"]).execute()
        tx.log(
            "transfer.updated",
            "transfer",
            row["id"],
            workflow_id=row["source_workflow_id"],
            before={"status": row["status"]},
            after={"status": "uploading"},
        )
        return {**row, "status": "uploading"}


def _refuse_delivered(row: dict[str, Any]) -> None:
    if row["status"] == "completed":
        raise Conflict(f"it was delivered already, as {row['target_filename']}", transfer=Transfer.of(row))
    if row["status"] == "uploading" and not _is_abandoned(row):
        raise Conflict("it is being delivered at this moment", transfer=Transfer.of(row))


def _is_abandoned(row: dict[str, Any]) -> bool:
    since = datetime.fromisoformat(row["updated_at"].replace("Z", "+00:00"))
    return datetime.now(timezone.utc) - since > ABANDONED_AFTER


def _delivered_name(library: Library, row: dict[str, Any], artifact: Artifact) -> str:
    """Bring the bytes to the server unless they are there; returns what a LoadImage-like widget of it calls them."""
    target = library.config.server(row["target_server"])
    subfolder = row["target_subfolder"] or ""
    alone = library.deliveries.alone(target.name, subfolder, artifact.sha256)  # The second finds what the first sent.
    with alone, ComfyUIServer(target) as server:
        for known in _known_names(library, row, artifact):
            folder, _, name = known.rpartition("/")
            if _holds(server, artifact, name, folder):
                return known
        with library.store.reading(library.store.relative(artifact.local_path)) as source:
            uploaded = server.upload(
                source, filename=content_name(artifact), subfolder=subfolder, size=artifact.file_size
            )
        if not _holds(server, artifact, uploaded.filename, uploaded.subfolder):
            raise DeliveryFailed(
                f"{target.name} took the file but does not give the same bytes back; check its disk, then retry"
            )
        return f"{uploaded.subfolder}/{uploaded.filename}".lstrip("/")


def _holds(server: ComfyUIServer, artifact: Artifact, name: str, folder: str) -> bool:
    try:
        there = server.fetch_digest(filename=name, subfolder=folder, folder_type="input", size=artifact.file_size)
    except DeliveryFailed:
        # Longer or shorter than ours: some other file of that name.
        return False
    return there == artifact.sha256


def _known_names(library: Library, row: dict[str, Any], artifact: Artifact) -> list[str]:
    """Where these bytes may be already: under their own name, and under the name the last delivery ended with."""
    own = f"{row['target_subfolder']}/{content_name(artifact)}".lstrip("/")
    table = models.Transfer
    with library.reading():
        last = (
            table.select(table.target_filename)
            .join(models.Artifact, on=(models.Artifact.id == table.artifact_id))
            .where(
                (models.Artifact.id == artifact.id)
                & (table.target_server == row["target_server"])
                & (table.target_subfolder == row["target_subfolder"])
                & (table.status == "completed")
            )
            .order_by(table.created_at.desc())
            .limit(1)
            .scalar()
        )
    return [own] if last in (None, own) else [last, own]


def _finish(library: Library, row: dict[str, Any], by: str, **columns: Any) -> Transfer:
    with library.writing(by) as tx:
        if columns["status"] == "completed":
            columns["uploaded_at"] = tx.at
        models.Transfer.update(updated_at=tx.at, **columns).where(models.Transfer.id == row["id"]).execute()
        tx.log(
            "transfer.updated",
            "transfer",
            row["id"],
            workflow_id=row["source_workflow_id"],
            before={"status": row["status"]},
            after=columns,
        )
        if columns["status"] == "completed" and row["target_workflow_id"] is not None:
            attempts.record_delivery(tx, row["target_workflow_id"], row["artifact_id"])
        # Its chain may have gone into the trash in the meantime: how it ended is told all the same.
        return Transfer.of(all_rows(models.Transfer.select().where(models.Transfer.id == row["id"]))[0])


def _source_is_there() -> Any:
    """The condition that what is delivered is not in the trash with its chain."""
    source = (models.Workflow.id == models.Transfer.source_workflow_id) & workflows.is_there()
    return fn.EXISTS(models.Workflow.select(SQL("1")).where(source))


def _get(transfer_id: str) -> dict[str, Any]:
    found = (models.Transfer.id == transfer_id.lower()) & _source_is_there()
    row = first_row(models.Transfer.select().where(found))
    if row is None:
        raise NotFound(f"no transfer {transfer_id}")
    return row
