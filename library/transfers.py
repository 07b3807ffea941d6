"""Owns transfers: one delivery of one artifact to one configured server, proven by reading back what arrived."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from peewee import SQL, fn

from ..comfyui_client.filenames import is_plain_subfolder
from ..db import models
from ..db.querying import all_rows, insert, prepared, update
from ..db.statuses import TRANSFER_STATUSES
from ..errors import ArtifactDBError, Conflict, DeliveryFailed, Invalid, NotFound, StoreFailed
from . import artifacts, attempts, identities, names, pages, workflows
from .delivering import bring, content_name
from .views import Artifact, Attempt, Transfer

if TYPE_CHECKING:
    from .opening import Library, Transaction

logger = logging.getLogger("artifact_db.library")

BEGUN_WITHIN = 5.0
"""Seconds within which a transfer that was asked for is begun, unless its process has died."""


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
    if target_workflow_id is not None:
        target_workflow_id = identities.checked_id(target_workflow_id, "target_workflow_id")
    artifact = artifacts.require_usable(library, artifacts.get_artifact(library, artifact_id))
    with library.writing(by) as tx:
        return Transfer.of(add(tx, identities.new_id(), artifact.id, target.name, subfolder, target_workflow_id))


def add(
    tx: Transaction, transfer_id: str, artifact_id: str, server: str, subfolder: str, target_workflow_id: str | None
) -> dict[str, Any]:
    source = artifacts.row_of(artifact_id)
    if target_workflow_id is not None:
        target_workflow_id = workflows.row_of(target_workflow_id)["id"]
    wanted = {
        "artifact_id": source["id"],
        "target_server": server,
        "target_workflow_id": target_workflow_id,
        "status": "pending",
    }
    row = {
        **wanted,
        "id": transfer_id,
        "source_workflow_id": source["workflow_id"],
        "target_subfolder": subfolder,
        "created_at": tx.at,
        "updated_at": tx.at,
        "attempts": 0,
        "requested_by": tx.actor,
    }
    insert(models.Transfer, row)
    tx.log("transfer.created", "transfer", transfer_id, workflow_id=source["workflow_id"], after=wanted)
    return row_of(transfer_id)


def deliver(library: Library, transfer_id: str, *, by: str) -> Transfer:
    """Deliver, and prove it: nothing is sent when the server has those bytes; what was sent is read back and hashed.

    It is not read back where the server tells by itself the hash of what it stored. The artifact is proven usable again
    first, since time may have passed. A failure is in the transfer that comes back. One that says `uploading` and whose
    process has died goes on.

    Raises:
        NotFound. Conflict: it is being delivered at this moment, or was already.
    """
    ended, _ = _try(library, transfer_id, by)
    return ended


def deliver_for(library: Library, attempt: Attempt, artifact_id: str, *, by: str) -> str:
    """Deliver what an attempt of a workflow needs to its server.

    It is one transfer for the attempt, however often and by whomever this is called: one that failed is tried again,
    one that was cut short goes on, and one that was completed stays so.

    Returns:
        What a LoadImage-like widget of the server calls it.
    Raises:
        Whatever made it fail, once that is written down; what `create_transfer` raises. DeliveryFailed: also where the
        store could not give the bytes. Conflict: it is being delivered at this moment.
    """
    transfer, error = latest_for(library, attempt, artifact_id), None
    if transfer is None:
        transfer, error = _try_new(library, attempt, artifact_id, by)
    elif transfer.status != "completed":
        transfer, error = _try(library, transfer.id, by)
    if isinstance(error, StoreFailed):
        raise DeliveryFailed(str(error), server=transfer.target_server) from error
    if error is not None:
        raise error
    if transfer.target_filename is None:
        raise Conflict("it is being delivered at this moment", transfer=transfer)
    return transfer.target_filename


def list_interrupted(library: Library) -> list[Transfer]:
    """Transfers that have not ended, oldest first: `deliver` goes on with those of them whose process has died.

    One that was asked for a moment ago is none: whoever asked for it is about to begin.
    """
    table = models.Transfer
    moment_ago = identities.later(identities.now(), -BEGUN_WITHIN)
    open_ones = (table.status == "uploading") | ((table.status == "pending") & (table.created_at < moment_ago))
    with library.reading():
        return [
            Transfer.of(row)
            for row in all_rows(table.select().where(open_ones & _source_is_there()).order_by(table.id))
        ]


def require_retryable(library: Library, transfer_id: str) -> Transfer:
    """A transfer that may be tried again, now.

    Raises:
        NotFound. Conflict: it was delivered already. (One that is being delivered at this moment `deliver` refuses.)
        NotUsable, Gone: its artifact may not travel any more. UnknownServer: its server is not configured any more.
    """
    with library.reading():
        row = row_of(transfer_id)
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
        return Transfer.of(row_of(transfer_id))


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


def latest_for(library: Library, attempt: Attempt, artifact_id: str) -> Transfer | None:
    """The newest delivery of an artifact that was begun for an attempt."""
    with library.reading():
        row = _newest_for.row(attempt.workflow_id, artifact_id, attempt.server_address, attempt.created_at)
        return Transfer.of(row) if row is not None else None


@prepared
def _newest_for(workflow_id: Any, artifact_id: Any, server: Any, since: Any) -> Any:
    table = models.Transfer
    query = table.select().where(
        (table.target_workflow_id == workflow_id)
        & (table.artifact_id == artifact_id)
        & (table.target_server == server)
        & (table.target_subfolder == "")
        & (table.created_at >= since)
    )
    return query.order_by(table.id.desc()).limit(1)


def _try(library: Library, transfer_id: str, by: str) -> tuple[Transfer, ArtifactDBError | None]:
    """Deliver once, and write down how that ended; returns the transfer, and why it failed."""
    with alone(library, get_transfer(library, transfer_id).id):
        with library.writing(by) as tx:
            row = start(tx, row_of(transfer_id))
        try:
            artifact = artifacts.require_usable(library, artifacts.get_artifact(library, row["artifact_id"]))
        except ArtifactDBError as error:
            return _failed(library, row, by, error)
        return _send(library, row, artifact, by)


def _try_new(library: Library, attempt: Attempt, artifact_id: str, by: str) -> tuple[Transfer, ArtifactDBError | None]:
    """As `create_transfer` and `_try`: one transaction and one proof do for both."""
    server, transfer_id = library.config.server(attempt.server_address).name, identities.new_id()
    with alone(library, transfer_id):
        artifact = artifacts.require_usable(library, artifacts.get_artifact(library, artifact_id))
        with library.writing(by) as tx:
            row = start(tx, add(tx, transfer_id, artifact.id, server, "", attempt.workflow_id))
        return _send(library, row, artifact, by)


@contextmanager
def alone(library: Library, transfer_id: str) -> Iterator[None]:
    """Nobody else delivers it within this block, in no process; whoever did and has died holds it no longer."""
    with library.store.alone(f"transfer-{transfer_id}") as free:
        if not free:
            raise Conflict("it is being delivered at this moment", transfer=get_transfer(library, transfer_id))
        yield


def start(tx: Transaction, row: dict[str, Any]) -> dict[str, Any]:
    """Write down that a try begins; returns the row as it is then."""
    _refuse_delivered(row)
    begun = {"status": "uploading", "attempts": row["attempts"] + 1, "error_message": None, "updated_at": tx.at}
    update(models.Transfer, row["id"], begun)
    _log_update(tx, row, {"status": "uploading"})
    return {**row, **begun}


def _send(
    library: Library, row: dict[str, Any], artifact: Artifact, by: str
) -> tuple[Transfer, ArtifactDBError | None]:
    """Deliver what was proven just now, and write down how that ended; returns as `_try` does."""
    try:
        name = _delivered_name(library, row, artifact)
    except ArtifactDBError as error:
        return _failed(library, row, by, error)
    receipt = {"target_filename": name, "receipt_sha256": artifact.sha256}
    return finish(library, row, by, status="completed", error_message=None, **receipt), None


def _failed(library: Library, row: dict[str, Any], by: str, error: ArtifactDBError) -> tuple[Transfer, ArtifactDBError]:
    logger.warning("transfer %s to %s failed: %s", row["id"], row["target_server"], error)
    return finish(library, row, by, status="failed", error_message=str(error)), error


def _refuse_delivered(row: dict[str, Any]) -> None:
    if row["status"] == "completed":
        raise Conflict(f"it was delivered already, as {row['target_filename']}", transfer=Transfer.of(row))


def _delivered_name(library: Library, row: dict[str, Any], artifact: Artifact) -> str:
    """Bring the bytes to the server unless they are there; returns what a LoadImage-like widget of it calls them."""
    target = library.config.server(row["target_server"])
    subfolder = row["target_subfolder"] or ""
    read = lambda: library.store.reading(library.store.relative(artifact.local_path))
    with library.deliveries.alone(target.name, subfolder, artifact.sha256):  # The second finds what the first sent.
        known = known_names(library, row, artifact)
        return bring(library.connections, target, artifact, read, subfolder=subfolder, known=known)


def known_names(library: Library, row: dict[str, Any], artifact: Artifact) -> list[str]:
    """Where these bytes may be already: under their own name, and under the name the last delivery ended with."""
    own = f"{row['target_subfolder']}/{content_name(artifact)}".lstrip("/")
    with library.reading():
        last = _last_name.value(artifact.id, row["target_server"], row["target_subfolder"])
    return [own] if last in (None, own) else [last, own]


@prepared
def _last_name(artifact_id: Any, server: Any, subfolder: Any) -> Any:
    table = models.Transfer
    query = table.select(table.target_filename).where(
        (table.artifact_id == artifact_id)
        & (table.target_server == server)
        & (table.target_subfolder == subfolder)
        & (table.status == "completed")
    )
    return query.order_by(table.created_at.desc()).limit(1)


def finish(library: Library, row: dict[str, Any], by: str, **columns: Any) -> Transfer:
    """Write down how a try ended, unless a later one has taken the transfer over: then that one has the last word.

    Raises:
        NotFound: the trash was emptied of its chain meanwhile.
    """
    with library.writing(by) as tx:
        # Its chain may have gone into the trash in the meantime: how it ended is told all the same.
        there = _unless_purged.row(row["id"])
        if there is None:
            raise NotFound(f"transfer {row['id']} is gone: the trash was emptied of its chain")
        if (there["status"], there["attempts"]) != ("uploading", row["attempts"]):
            return Transfer.of(there)
        if columns["status"] == "completed":
            columns["uploaded_at"] = tx.at
        update(models.Transfer, row["id"], {**columns, "updated_at": tx.at})
        _log_update(tx, row, columns)
        if columns["status"] == "completed" and row["target_workflow_id"] is not None:
            attempts.record_delivery(tx, row["target_workflow_id"], row["artifact_id"])
        return Transfer.of({**there, **columns, "updated_at": tx.at})


def _log_update(tx: Transaction, row: dict[str, Any], after: dict[str, Any]) -> None:
    before = {"status": row["status"]}
    workflow_id = row["source_workflow_id"]
    tx.log("transfer.updated", "transfer", row["id"], workflow_id=workflow_id, before=before, after=after)


def _source_is_there() -> Any:
    """The condition that what is delivered is not in the trash with its chain."""
    source = (models.Workflow.id == models.Transfer.source_workflow_id) & workflows.is_there()
    return fn.EXISTS(models.Workflow.select(SQL("1")).where(source))


@prepared
def _unless_purged(transfer_id: Any) -> Any:
    """A transfer, unless the trash was emptied of its chain: its rows go one after another."""
    table = models.Transfer
    source = models.Workflow.select(SQL("1")).join(models.Chain, on=(models.Chain.id == models.Workflow.chain_id))
    purged = source.where((models.Workflow.id == table.source_workflow_id) & models.Chain.purged_at.is_null(False))
    return table.select().where((table.id == transfer_id) & ~fn.EXISTS(purged))


def row_of(transfer_id: str) -> dict[str, Any]:
    row = _by_id.row(transfer_id.lower())
    if row is None:
        raise NotFound(f"no transfer {transfer_id}")
    return row


@prepared
def _by_id(transfer_id: Any) -> Any:
    return models.Transfer.select().where((models.Transfer.id == transfer_id) & _source_is_there())
