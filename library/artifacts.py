"""Owns what can be asked of artifacts: one, many, versions, the current one, and whether it is usable."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from peewee import SQL

from ..db import models
from ..db.querying import all_rows, all_tuples, first_row, listed_by, prepared
from ..errors import Gone, Invalid, NotFound, NotUsable, StaleRevision
from ..storage.files import FileState
from . import conditions, identities, pages, pointers, revisions, searches, workflows
from .views import Artifact, Event

if TYPE_CHECKING:
    from .opening import Library

Row = dict[str, Any]

_TRUE = SQL("TRUE")
SORTS = ("relevance", "-created", "created", "-size", "size")

MAX_COUNT = 1000
"""Nothing is counted further than this."""

CHANGED = "its bytes are not those that were recorded"

_BATCH = 500


def get_artifact(library: Library, artifact_id: str) -> Artifact:
    """One artifact, also one that was deleted on its own and is in the trash.

    Raises:
        NotFound: there is none with this id, or its chain is in the trash.
    """
    with library.reading():
        return view(library, row_of(artifact_id))


def get_recorded(library: Library, artifact_id: str) -> Artifact:
    """An artifact that was recorded a moment ago, wherever it is by now: whoever recorded it is told that it was.

    Raises:
        NotFound: it is gone with the trash already.
    """
    with library.reading():
        row = first_row(models.Artifact.select().where(models.Artifact.id == artifact_id))
        return view(library, row or row_of(artifact_id))


def get_downloadable(library: Library, artifact_id: str) -> Artifact:
    """An artifact whose bytes may be looked at, whatever its approval: they are there, and are those of its record.

    Raises:
        NotFound: there is none with this id. Gone: it is in the trash, or its bytes were removed.
        NotUsable: its bytes are gone or others.
    """
    artifact = get_artifact(library, artifact_id)
    if artifact.bytes_removed_at is not None:
        raise Gone(f"the bytes of artifact {artifact.id} were removed on {artifact.bytes_removed_at}")
    if artifact.deleted_at is not None:
        raise Gone(f"artifact {artifact.id} is in the trash; take it out to see it")
    if not has_its_bytes(library, artifact):
        raise NotUsable(
            f"the bytes of artifact {artifact.id} are gone or are not those that were recorded", artifact=artifact
        )
    return artifact


def get_latest_artifact(library: Library, workflow_id: str) -> Artifact | None:
    """The current artifact of a workflow by its pointer; None while it has none.

    Raises:
        NotFound: there is no workflow with this id.
    """
    with library.reading():
        workflow = workflows.row_of(workflow_id)
        if workflow["latest_artifact_id"] is None:
            return None
        return view(library, row_of(workflow["latest_artifact_id"]))


def get_latest_artifact_by_flag(library: Library, workflow_id: str) -> Artifact | None:
    """The same, by the `is_latest` flag; the two agree after every transaction."""
    with library.reading():
        row = models.Artifact.select().where(
            (models.Artifact.workflow_id == workflow_id)
            & (models.Artifact.is_latest == _TRUE)
            & models.Artifact.chain_deleted_at.is_null()
        )
        found = first_row(row)
        return view(library, found) if found else None


def get_current_at(library: Library, workflow_id: str, at: str) -> Artifact | None:
    """The artifact that was a workflow's current one at a time, as it is now; None where it had none then.

    Raises:
        NotFound: there is no workflow with this id. Invalid: `at` is not a time. Gone: the trash was emptied of it.
    """
    at = identities.checked_time(at, "at")
    with library.reading():
        workflow = workflows.row_of(workflow_id)
        query = models.Event.select().where(
            (models.Event.workflow_id == workflow["id"])
            & (models.Event.action == "workflow.current_changed")
            & (models.Event.at <= at)
        )
        row = first_row(query.order_by(models.Event.seq.desc()))
        event = Event.of_stored(row) if row else None
        artifact_id = event.after["latest_artifact_id"] if event and event.after else None
        if artifact_id is None:
            return None
        found = first_row(models.Artifact.select().where(models.Artifact.id == artifact_id))
        if found is None:
            raise Gone(f"artifact {artifact_id} was current then, and went with the trash since")
        return view(library, found)


def get_dependency_artifact(library: Library, chain_id: str, step_id: str) -> Artifact:
    """What a step hands to those that depend on it: the current artifact of its newest workflow, its hash proven.

    Raises:
        NotFound: the step has no workflow or no artifact yet. NotUsable: it waits, was rejected, or its bytes changed.
    """
    workflow = workflows.get_workflow_by_step(library, chain_id, step_id)
    artifact = get_latest_artifact(library, workflow.id)
    if artifact is None:
        raise NotFound(f"step {step_id!r} has no artifact yet")
    return require_usable(library, artifact)


def list_workflow_artifacts(
    library: Library, workflow_id: str, ask: pages.Ask, *, heads: bool = False
) -> pages.Page[Artifact]:
    """All versions of all outputs of a workflow, newest version first; `heads` keeps one for each output."""
    table = models.Artifact
    with library.reading():
        workflow = workflows.row_of(workflow_id)
        query = table.select().where((table.workflow_id == workflow["id"]) & table.deleted_at.is_null())
        if heads:
            query = query.where(table.is_head == _TRUE)
        return pages.page(query, (table.version, table.id), ask, lambda rows: views(library, rows))


def list_heads(library: Library, workflow_id: str) -> list[Artifact]:
    """The heads of all outputs of a workflow in the order in which they were made, the current artifact first.

    Raises:
        NotFound: there is no workflow with this id.
    """
    with library.reading():
        workflow = workflows.row_of(workflow_id)
        heads = views(library, _heads.rows(workflow["id"]))
    return current_first(heads)


@prepared
def _heads(workflow_id: Any) -> Any:
    table = models.Artifact
    return table.select().where(
        (table.workflow_id == workflow_id) & table.deleted_at.is_null() & (table.is_head == _TRUE)
    )


def current_first(heads: Iterable[Artifact]) -> list[Artifact]:
    """Heads in the order in which they were made, the current artifact first."""
    return sorted(heads, key=lambda artifact: (not artifact.is_latest, artifact.id))


def list_versions(library: Library, artifact_id: str, ask: pages.Ask) -> pages.Page[Artifact]:
    """The versions of the output that an artifact belongs to, newest first."""
    table = models.Artifact
    with library.reading():
        row = row_of(artifact_id)
        query = table.select().where(
            (table.workflow_id == row["workflow_id"])
            & (table.output_key == row["output_key"])
            & table.deleted_at.is_null()
        )
        return pages.page(query, (table.version,), ask, lambda rows: views(library, rows))


def list_artifacts(
    library: Library, ask: pages.Ask, *, sort: str = "relevance", trash: bool = False, **filters: Any
) -> pages.Page[Artifact]:
    """Artifacts that are not in the trash.

    Args:
        sort: one of `SORTS`; by relevance, what is not searched for by words comes the newest first.
        trash: those instead that were deleted on their own, and whose chain is not in the trash itself; sorted by when
            they were deleted where `sort` says by when they were created, unless words are searched for.
        filters: `q` (words, see `words` and `ranking`), `kind`, `status`, `tag`, `chain` (an id), `step`,
            `workflow` (an id), `latest`, `queue` (what waits for a decision), `since`, `until` (times), `min_size`,
            `max_size` (bytes).
    Raises:
        Invalid: a value is wrong.
    """
    filters = {name: value for name, value in filters.items() if value is not None and value is not False}
    q = filters.pop("q", None)
    if sort not in SORTS:
        raise Invalid(f"sort is one of {', '.join(SORTS)}", field="sort")
    table = models.Artifact
    make = lambda rows: views(library, rows)
    of_trash = table.deleted_at.is_null(False) & table.chain_deleted_at.is_null()
    there = of_trash if trash else is_there()
    with library.reading():
        if q is not None:
            return searches.page(q, ask, conditions.for_search(filters, there), make, sort=sort)
        by_size = sort.endswith("size")
        kind = None if by_size or trash else conditions.indexed(filters)
        keys: tuple[Any, ...] = (table.deleted_at if trash else table.created_at, table.id)
        query, keys = conditions.found(kind, filters.pop(kind)) if kind else (table.select(), keys)
        if by_size:
            keys = (table.file_size, table.id)
        query = conditions.filtered(query.where(there), filters, led=kind is not None or trash)
        return pages.page(query, keys, ask, make, descending=sort not in ("created", "size"))


def count_queue(library: Library) -> tuple[int, bool]:
    """How many artifacts wait for a decision, counted up to `MAX_COUNT`; and whether there are more."""
    table = models.Artifact
    with library.reading():
        waiting = conditions.filtered(table.select(table.id).where(is_there()), {"queue": True})
        found = int(waiting.limit(MAX_COUNT + 1).count())
    return min(found, MAX_COUNT), found > MAX_COUNT


def last_approved(library: Library, artifact: Artifact) -> Artifact:
    """The newest usable version of the same output, its hash proven: what `last_approved` asks for by name.

    Raises:
        NotUsable: the output has no usable version.
    """
    table = models.Artifact
    with library.reading():
        query = table.select().where(
            (table.workflow_id == artifact.workflow_id) & (table.output_key == artifact.output_key)
        )
        found = [row for row in all_rows(query.order_by(table.version.desc())) if pointers.is_usable(row)]
        candidates = views(library, found)
    for candidate in candidates:
        if candidate.usable and _proven(library, candidate):
            return candidate
    raise NotUsable(f"no version of output {artifact.output_key} is usable", artifact=artifact)


def require_usable(library: Library, artifact: Artifact) -> Artifact:
    """The artifact itself, once its state allows it downstream and its bytes are proven to be those of its hash.

    Raises:
        NotUsable: pending, rejected, in the trash, or changed bytes; `data["artifact"]` has its state.
        Gone: retention removed its bytes.
    """
    if artifact.bytes_removed_at is not None:
        raise Gone(f"the bytes of artifact {artifact.id} were removed on {artifact.bytes_removed_at}")
    refuse_unusable(artifact)
    if not _proven(library, artifact):
        raise NotUsable(f"artifact {artifact.id} is not usable: {CHANGED}", artifact=artifact)
    return artifact


def refuse_unusable(artifact: Artifact) -> None:
    """The same by what was seen of it, without a look at its bytes.

    Raises:
        NotUsable: as `require_usable`.
    """
    if (reason := why_not_usable(artifact)) is not None:
        raise NotUsable(f"artifact {artifact.id} is not usable: {reason}", artifact=artifact)


def why_not_usable(artifact: Artifact) -> str | None:
    """What stands in the way, in words; None when it is usable."""
    if artifact.deleted_at is not None or artifact.chain_deleted_at is not None:
        return "it is in the trash"
    if artifact.bytes_removed_at is not None:
        return "its bytes were removed"
    if artifact.approval_status == "pending":
        return "it waits for a decision"
    if artifact.approval_status == "rejected":
        return f"it was rejected ({artifact.rejection_reason})" if artifact.rejection_reason else "it was rejected"
    return None if artifact.usable else CHANGED


def row_of(artifact_id: str) -> Row:
    """An artifact's row, inside the caller's transaction.

    Raises:
        NotFound: there is none with this id, or its chain is in the trash.
    """
    row = _by_id.row(artifact_id.lower())
    if row is None or row["chain_deleted_at"] is not None:
        raise NotFound(f"no artifact {artifact_id}")
    return row


@prepared
def _by_id(artifact_id: Any) -> Any:
    return models.Artifact.select().where(models.Artifact.id == artifact_id)


def is_there() -> Any:
    """The condition that an artifact is in no trash, in the words of the index that leads to pages of such."""
    return models.Artifact.deleted_at.is_null() & models.Artifact.chain_deleted_at.is_null()


def unnamed(local_paths: list[str]) -> list[str]:
    """Those of some places in the store that no row names, inside the caller's transaction."""
    table = models.Artifact
    named: set[str] = set()
    for start in range(0, len(local_paths), _BATCH):
        query = table.select(table.local_path).where(table.local_path.in_(local_paths[start : start + _BATCH]))
        named.update(path for (path,) in all_tuples(query))
    return [path for path in local_paths if path not in named]


def check_revision(library: Library, row: Row, expected: int | None) -> None:
    """As `revisions.check`, inside the caller's transaction; the error shows the artifact as it is now."""
    try:
        revisions.check(row, expected)
    except StaleRevision as error:
        error.data["artifact"] = view(library, row)
        raise


def view(library: Library, row: Row) -> Artifact:
    """One row as the library hands it out, inside the caller's transaction."""
    return views(library, [row])[0]


def views(library: Library, rows: Iterable[Row]) -> list[Artifact]:
    """Rows as the library hands them out, with their tags, inside the caller's transaction."""
    rows = list(rows)
    tags: dict[str, list[str]] = {row["id"]: [] for row in rows}
    if rows:
        for row in _tags.rows(json.dumps(list(tags))):
            tags[row["artifact_id"]].append(row["tag"])
    return [
        Artifact.of(
            {**row, "local_path": str(library.store.root / row["local_path"]), "metadata": row["metadata"] or {}},
            usable=pointers.is_usable(row) and row["chain_deleted_at"] is None and unchanged(library, row),
            tags=tuple(sorted(tags[row["id"]])),
        )
        for row in rows
    ]


@prepared
def _tags(artifact_ids: Any) -> Any:
    table = models.Tag
    return table.select(table.artifact_id, table.tag).where(table.artifact_id.in_(listed_by(artifact_ids)))


def unchanged(library: Library, row: Row) -> bool:
    """Whether a row's file is there and, by its size, time and inode or else by its hash, the one that was recorded."""
    recorded = FileState(row["file_size"], row["file_mtime_ns"], row["file_inode"])
    return library.store.unchanged(row["local_path"], recorded, row["sha256"])


def has_its_bytes(library: Library, artifact: Artifact) -> bool:
    """The same of a view, whatever its approval."""
    recorded = FileState(artifact.file_size, artifact.file_mtime_ns or 0, artifact.file_inode or 0)
    return library.store.unchanged(library.store.relative(artifact.local_path), recorded, artifact.sha256)


def _proven(library: Library, artifact: Artifact) -> bool:
    return library.store.digest(library.store.relative(artifact.local_path)) == artifact.sha256
