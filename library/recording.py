"""Owns the way of new bytes into the record: file first, then intent, then place, then row and event together.

Everything that makes an artifact comes through `record`: nodes, uploads, edits, restored versions.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from peewee import JOIN, fn

from ..db import models
from ..db.querying import all_tuples, insert, prepared
from ..errors import Conflict, NotFound, TooNew, Unavailable
from ..storage.local import Intent, Placement
from . import artifacts, attempts, pointers, repeats, runs

if TYPE_CHECKING:
    from .opening import Library, Transaction

logger = logging.getLogger("artifact_db.library")

KIND = "record"
RECORDING = ("artifact.recorded", "artifact.edited", "artifact.restored", "artifact.imported")
"""What the log calls a new artifact."""

_BATCH = 500


class Deleted(Conflict):
    """An interrupted record was complete before, and what it recorded is deleted."""

    code = "deleted"


@dataclass(frozen=True)
class NewArtifact:
    """What is known of a new artifact before it has a row. `status` None leaves the choice to the approval rules.

    An `output_key` that ends in a colon, such as `upload:images:`, makes a new output: the next free index follows it.
    `seen` is the artifact that is edited, and the revision of it that the caller saw: a later one refuses the record.
    It rises with the record, also where no pointer moves, so that of two edits of one revision the second is refused.
    `once`: where its prompt has an artifact of this output already, whoever recorded it, that one stands for it.
    `made_at`: its own time, where it was made long before this; `told` is what its event says beside.
    `source_artifact_id`: the artifact of another chain that it is taken over from; `decision`: what was decided there
    on the same bytes, as columns of its row.
    """

    artifact_id: str
    output_key: str
    filename: str
    file_type: str
    file_format: str
    metadata: dict[str, Any] = field(default_factory=dict)
    node_id: str | None = None
    subfolder: str = ""
    comfy_folder_type: str = "output"
    parent_artifact_id: str | None = None
    status: str | None = None
    approved_by: str | None = None
    tags: tuple[str, ...] = ()
    action: str = "artifact.recorded"
    seen: tuple[str, int | None] | None = None
    once: bool = False
    made_at: str | None = None
    source_artifact_id: str | None = None
    decision: dict[str, Any] | None = None
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """`artifact_ids` are in the order they were given. `deferred` says why the rows are not there yet, or is None.

    `unneeded` are the places of files that no row names, since the same call came before.
    """

    workflow_id: str
    artifact_ids: tuple[str, ...]
    deferred: str | None = None
    unneeded: tuple[str, ...] = ()


def record(
    library: Library,
    outputs: Sequence[tuple[NewArtifact, Placement]],
    *,
    actor: str,
    workflow_id: str,
    run: runs.Run | None = None,
    attempt_id: str | None = None,
    ending: attempts.Ending | None = None,
    keep_when_unavailable: bool = False,
) -> Recorded:
    """Record finished parts as artifacts of one workflow, in one transaction.

    Args:
        workflow_id: the workflow they belong to; with `run`, the id for it where it has none yet.
        run: the execution that made them, which begins its chain, workflow and attempt as needed.
        attempt_id: in its place, an attempt that is there: they belong to its workflow.
        ending: how an attempt of this workflow that is there ended; with `run`, how that did.
        keep_when_unavailable: answer with the ids even when the database is away; recovery completes the record. While
            earlier ones wait for it, it is not asked.
    Raises:
        NotFound: the workflow is not there. Conflict: another artifact has this id. StaleRevision: as `seen` says.
            What a `run` or an `ending` brings for a chain in the trash is recorded there, as is what was promised
            before: its bytes may be nowhere else. Whoever hands in a file for a workflow is told that it is not there.
        Unavailable, TooNew: the database is away; nothing is left behind, unless it may have been committed.
        StoreFailed: the disk refuses; nothing is left behind.
    """
    library.disks.nearly_full()
    body = promised([output for output, _ in outputs], actor, workflow_id, run, ending, attempt_id)
    intent = library.store.promise(KIND, [placement for _, placement in outputs], body)
    try:
        with library.deferred.unless_withdrawn(library, intent, keep=keep_when_unavailable):
            library.store.place(intent)
            if keep_when_unavailable and (reason := library.deferred.follow(library, intent)) is not None:
                return _kept(outputs, workflow_id, reason)
            recorded = complete(library, intent)
    except (TooNew, Unavailable) as error:
        if not keep_when_unavailable:
            raise
        return _kept(outputs, workflow_id, str(error))
    library.deferred.fulfil(library, intent, recorded.unneeded)
    return recorded


def _kept(outputs: Sequence[tuple[NewArtifact, Placement]], workflow_id: str, reason: str) -> Recorded:
    logger.warning("the record of %d artifact(s) waits for the database: %s", len(outputs), reason)
    return Recorded(workflow_id, tuple(output.artifact_id for output, _ in outputs), deferred=reason)


def promised(
    outputs: Sequence[NewArtifact],
    actor: str,
    workflow_id: str,
    run: runs.Run | None,
    ending: attempts.Ending | None = None,
    attempt_id: str | None = None,
) -> dict[str, Any]:
    """What an intent says of a record, so that `complete` can write its rows from it alone."""
    return {
        "actor": actor,
        "workflow_id": workflow_id,
        "run": asdict(run) if run else None,
        "attempt_id": attempt_id,
        "ending": asdict(ending) if ending else None,
        "outputs": [asdict(output) for output in outputs],
        "request": asdict(request) if (request := repeats.current()) else None,
    }


def complete(library: Library, intent: Intent, *, interrupted: bool = False) -> Recorded:
    """Write the rows of an intent whose files are in their places; rows that are there already are left alone.

    Args:
        interrupted: it may have come so far before, and the rows be deleted since.
    Raises:
        NotFound, Conflict, StaleRevision, TooNew, Unavailable: as `record`. Deleted: as `interrupted` says.
    """
    body = intent.record
    run = runs.Run(**body["run"]) if body["run"] else None
    ending = attempts.Ending(**body["ending"]) if body.get("ending") else None
    outputs = [NewArtifact(**{**output, "tags": tuple(output["tags"])}) for output in body["outputs"]]
    request = body.get("request")
    with repeats.during(repeats.Request(**request) if request else None), library.writing(body["actor"]) as tx:
        if interrupted:
            refuse_deleted([output.artifact_id for output in outputs])
        known = body.get("attempt_id") or (ending.attempt_id if ending else None)
        workflow_id, attempt_id = _owner(tx, body["workflow_id"], run, known)
        workflow = _workflow.row(workflow_id)
        handed_in = run is None and known is None and not interrupted
        if workflow is None or workflow["purged_at"] or (workflow["chain_deleted_at"] and handed_in):
            raise NotFound(f"no workflow {workflow_id}")
        taken = runs.recorded_outputs(attempt_id) if attempt_id and any(output.once for output in outputs) else {}
        recorded = [
            insert_artifact(tx, output, placement, workflow_id, attempt_id, taken.get(output.output_key))
            for output, placement in zip(outputs, intent.placements, strict=True)
        ]
        if ending is not None:
            attempts.end(tx, replace(ending, attempt_id=attempt_id))
        attempts.follow_current(tx, workflow_id)
    places = [placement.local_path for placement in intent.placements]
    unneeded = tuple(place for place, path in zip(places, recorded, strict=True) if place != path)
    return Recorded(workflow_id, tuple(output.artifact_id for output in outputs), unneeded=unneeded)


def refuse_deleted(artifact_ids: Sequence[str]) -> None:
    """Ask whether some artifacts were recorded before, together, and one of them is deleted for good since.

    The log outlives the rows: what was recorded and is not there went with the trash.

    Raises:
        Deleted: it was, and nothing is left to complete of the record of any of them.
    """
    table, log = models.Artifact, models.Event
    for start in range(0, len(artifact_ids), _BATCH):
        ids = artifact_ids[start : start + _BATCH]
        there = {artifact_id for (artifact_id,) in all_tuples(table.select(table.id).where(table.id.in_(ids)))}
        gone = [artifact_id for artifact_id in ids if artifact_id not in there]
        if log.select().where(log.entity_id.in_(gone) & log.action.in_(RECORDING)).exists():
            raise Deleted("it was recorded before, and deleted since")


def next_version(workflow_id: str, output_key: str) -> int:
    """The version number after the highest that this output ever had, in the trash or emptied from it included."""
    last = (_last_version.value(workflow_id, output_key), _purged_version.value(workflow_id, output_key))
    return max(version or 0 for version in last) + 1


@prepared
def _last_version(workflow_id: Any, output_key: Any) -> Any:
    table = models.Artifact
    query = table.select(fn.MAX(table.version).alias("version"))
    return query.where((table.workflow_id == workflow_id) & (table.output_key == output_key))


@prepared
def _purged_version(workflow_id: Any, output_key: Any) -> Any:
    table = models.PurgedVersion
    return table.select(table.version).where((table.workflow_id == workflow_id) & (table.output_key == output_key))


@prepared
def _existing(artifact_id: Any) -> Any:
    return models.Artifact.select().where(models.Artifact.id == artifact_id)


@prepared
def _raise_revision(at: Any, artifact_id: Any) -> Any:
    table = models.Artifact
    return table.update(updated_at=at, revision=table.revision + 1).where(table.id == artifact_id)


@prepared
def _workflow(workflow_id: Any) -> Any:
    table, chain = models.Workflow, models.Chain
    columns = (table.id, table.requires_approval, table.chain_id, table.chain_deleted_at, chain.purged_at)
    query = table.select(*columns).join(chain, JOIN.LEFT_OUTER, on=(chain.id == table.chain_id))
    return query.where(table.id == workflow_id)


def _free_key(workflow_id: str, prefix: str) -> str:
    """The key after the highest that begins so in this workflow, in the trash or emptied from it included."""
    taken = [-1]
    for table in (models.Artifact, models.PurgedVersion):
        query = table.select(table.output_key).where(
            (table.workflow_id == workflow_id) & table.output_key.startswith(prefix)
        )
        taken += [int(key.rsplit(":", 1)[1]) for (key,) in all_tuples(query.distinct())]
    return f"{prefix}{max(taken) + 1}"


def _owner(tx: Transaction, workflow_id: str, run: runs.Run | None, attempt_id: str | None) -> tuple[str, str | None]:
    if run is not None:
        return runs.begin(tx, run, workflow_id)
    if attempt_id is not None:
        attempt = attempts.row_of(attempt_id)
        return str(attempt["workflow_id"]), str(attempt["id"])
    newest = models.Attempt.select(models.Attempt.id).where(models.Attempt.workflow_id == workflow_id)
    return workflow_id, newest.order_by(models.Attempt.number.desc()).limit(1).scalar()


def insert_artifact(
    tx: Transaction,
    output: NewArtifact,
    placement: Placement,
    workflow_id: str,
    attempt_id: str | None,
    taken: dict[str, Any] | None = None,
) -> str:
    """Write the row with its events, inside the caller's transaction, unless the same call wrote it before.

    Args:
        taken: a row that stands for it, where it is to be recorded `once`.
    Returns:
        The `local_path` of what is recorded.
    Raises:
        Conflict: another artifact has this id. StaleRevision: as `output.seen` says. NotFound: what it edits is gone.
    """
    existing = _existing.row(output.artifact_id)
    if existing is not None:
        _refuse_other(existing, output, placement, workflow_id)
        return str(existing["local_path"])
    if output.once and taken is not None:
        return str(taken["local_path"])
    if output.output_key.endswith(":"):
        output = replace(output, output_key=_free_key(workflow_id, output.output_key))
    if output.seen is not None:
        seen = _existing.row(output.seen[0]) or artifacts.row_of(output.seen[0])
        artifacts.check_revision(tx.library, seen, output.seen[1])
    row = _row(tx, output, placement, workflow_id, attempt_id)
    claim = pointers.claim(tx, row)
    insert(models.Artifact, row)
    for tag in output.tags:
        insert(models.Tag, {"artifact_id": output.artifact_id, "tag": tag, "created_by": tx.actor, "created_at": tx.at})
    tx.log(output.action, "artifact", output.artifact_id, workflow_id=workflow_id, after=_told(output, row))
    pointers.after_new_version(tx, row, claim)
    if output.seen is not None:
        _raise_revision.run(tx.at, output.seen[0])
    return placement.local_path


def _row(
    tx: Transaction, output: NewArtifact, placement: Placement, workflow_id: str, attempt_id: str | None
) -> dict[str, Any]:
    (workflow,) = _workflow.rows(workflow_id)
    status = output.status or _default_status(tx, workflow["requires_approval"])
    return {
        "id": output.artifact_id,
        "workflow_id": workflow_id,
        "filename": output.filename,
        "local_filename": placement.local_filename,
        "local_path": placement.local_path,
        "file_type": output.file_type,
        "file_format": output.file_format,
        "file_size": placement.size,
        "node_id": output.node_id,
        "subfolder": output.subfolder,
        "comfy_folder_type": output.comfy_folder_type,
        "version": next_version(workflow_id, output.output_key),
        "parent_artifact_id": _parent(output),
        "source_artifact_id": output.source_artifact_id,
        "approval_status": status,
        "metadata": output.metadata,
        "created_at": output.made_at or tx.at,
        "updated_at": tx.at,
        "output_key": output.output_key,
        "attempt_id": attempt_id,
        "sha256": placement.sha256,
        "file_mtime_ns": placement.mtime_ns,
        "file_inode": placement.inode,
        "bytes_removed_at": None,
        "deleted_at": None,
        "chain_deleted_at": workflow["chain_deleted_at"],
        **_decision(tx, output, status, placement.sha256),
    }


def _decision(tx: Transaction, output: NewArtifact, status: str, sha256: str) -> dict[str, Any]:
    """What is decided on it from the start, as columns."""
    if output.decision is not None:
        return output.decision
    if status == "approved":
        by = output.approved_by or tx.actor
        decided = {"decided_by": by, "decided_at": tx.at, "decided_sha256": sha256}
        return {"approved_by": by, "approved_at": tx.at, **decided}
    return {"approved_by": output.approved_by} if output.approved_by else {}


def _told(output: NewArtifact, row: dict[str, Any]) -> dict[str, Any]:
    """What its event tells: always the first of these, and the others where there is something to tell."""
    always = (
        *("output_key", "version", "approval_status", "parent_artifact_id"),
        *("filename", "file_size", "sha256"),
    )
    more = {
        "approved_by": row.get("approved_by"),
        "tags": sorted(output.tags),
        "edited_artifact_id": output.seen[0] if output.seen else None,
        "created_at": output.made_at,
        "workflow_id": row["workflow_id"] if output.made_at else None,
        "source_artifact_id": output.source_artifact_id,
    }
    told = {name: value for name, value in more.items() if value}
    return {**{name: row[name] for name in always}, **told, **output.told}


def _refuse_other(existing: dict[str, Any], output: NewArtifact, placement: Placement, workflow_id: str) -> None:
    same = {"sha256": placement.sha256, "workflow_id": workflow_id}
    if not output.output_key.endswith(":"):
        same["output_key"] = output.output_key
    different = [name for name, value in same.items() if existing[name] != value]
    if different:
        raise Conflict(f"artifact {output.artifact_id} is there already, with another {different[0]}")


def _parent(output: NewArtifact) -> str | None:
    """The parent, or None where it is gone with the trash since the intent was written."""
    if output.parent_artifact_id is None:
        return None
    there = models.Artifact.select().where(models.Artifact.id == output.parent_artifact_id).exists()
    return output.parent_artifact_id if there else None


def _default_status(tx: Transaction, requires_approval: bool) -> str:
    required = requires_approval or tx.library.config.approval.default == "required"
    return "pending" if required else "auto_approved"
