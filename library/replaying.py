"""Owns what the log says that a row must be: every row is compared with what its events tell, a page at a time.

Rows and events are read in one snapshot, so that nothing which happens meanwhile looks wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, all_tuples
from . import findings
from .findings import Finding, read_json

if TYPE_CHECKING:
    from .opening import Library

Row = dict[str, Any]

PAGE = 500

Advance = Callable[[int], None]

UNKNOWN = object()
"""Stands for a value that an older release did not write into its events."""

CREATING = {
    "chain": ("chain.created", "chain.imported"),
    "workflow": ("workflow.created", "workflow.imported"),
    "attempt": ("attempt.created", "attempt.imported"),
    "artifact": ("artifact.recorded", "artifact.edited", "artifact.restored", "artifact.imported"),
    "transfer": ("transfer.created", "transfer.imported"),
}
REMOVING = ("chain.purged", "artifact.purged")
"""The events after which rows are gone, those of the whole chain with it."""

TRASHED = "chain.deleted"
"""A chain went into the trash; with nothing in its `after` it was removed, as in the first release, which had none."""

_POINTERS = ("artifact.head_changed", "artifact.selected", "workflow.current_changed")
_UNTOLD = ("workflow_definition", "parameters")
"""Columns that events name without saying what is in them."""


@dataclass(frozen=True)
class Kind:
    """A table whose rows have events of their own. `columns` are those that events may tell of."""

    name: str
    model: Any
    columns: tuple[str, ...]
    beside: tuple[str, ...] = ()
    """Columns of which no event of the row itself tells."""
    continuous: bool = True
    """Whether each event's `before` is what the events before it say; deliveries may cross each other."""


KINDS = (
    Kind(
        "chain",
        models.Chain,
        ("name", "status", "current_level", "error_message", "created_at", "deleted_at"),
        ("purged_at",),
    ),
    Kind(
        "workflow",
        models.Workflow,
        (
            *("chain_id", "step_id", "workflow_name", "server_address", "prompt_id", "status", "error_message"),
            *("requires_approval", "temporal_workflow_id", "temporal_run_id", "created_at"),
        ),
        ("chain_deleted_at",),
    ),
    Kind(
        "attempt",
        models.Attempt,
        ("workflow_id", "number", "server_address", "prompt_id", "status", "error_message", "created_at"),
    ),
    Kind(
        "artifact",
        models.Artifact,
        (
            *("workflow_id", "output_key", "version", "parent_artifact_id", "filename", "file_size", "sha256"),
            *("approval_status", "approved_by", "approved_at", "rejection_reason", "created_at"),
            *("decided_sha256", "decided_by", "decided_at", "deleted_at", "bytes_removed_at"),
        ),
        ("chain_deleted_at",),
    ),
    Kind(
        "transfer",
        models.Transfer,
        (
            *("artifact_id", "source_workflow_id", "target_server", "status", "error_message", "uploaded_at"),
            *("target_filename", "receipt_sha256", "created_at"),
        ),
        continuous=False,
    ),
)


def compare(kind: Kind, library: Library, after: str | None, advance: Advance) -> tuple[list[Finding], str | None]:
    """Compare the page of rows whose ids follow `after`; `advance` hears how many there were.

    Returns:
        What is wrong; and the last id of the page, None where there are no more rows.
    """
    table = kind.model
    columns = [table._meta.fields[name] for name in (*kind.columns, *kind.beside)]
    with library.reading():
        query = table.select(table.id, *columns).order_by(table.id).limit(PAGE)
        rows = all_rows(query if after is None else query.where(table.id > after))
        if not rows:
            return [], None
        ids = [row["id"] for row in rows]
        events = _events(ids)
        tags = _tags(ids) if kind.name == "artifact" else {}
        marks = _trashed_with(kind, rows)
        found: list[Finding] = []
        for row in rows:
            found += _compare(kind, row, events.get(row["id"], []), tags.get(row["id"], set()))
            if "chain_deleted_at" in row and row["chain_deleted_at"] != marks.get(row["id"]):
                told = (
                    f"chain_deleted_at is {_shown(row['chain_deleted_at'])}, its chain's {_shown(marks.get(row['id']))}"
                )
                found.append(_finding(kind, row, "row_changed", told))
    advance(len(rows))
    return found, ids[-1] if len(rows) == PAGE else None


def _compare(kind: Kind, row: Row, events: list[Row], tags: set[str]) -> list[Finding]:
    if not events or events[0]["action"] not in CREATING[kind.name]:
        return [_finding(kind, row, "row_unexplained", "no event tells how it came to be")]
    replay = Replay(kind, events)
    if replay.unreadable is not None:
        return [_finding(kind, row, "row_unexplained", f"event {replay.unreadable} of it cannot be read")]
    found = []
    different = [
        f"{name} is {_shown(row[name])}, the log says {_shown(value)}"
        for name, value in replay.state.items()
        if value is not UNKNOWN and row[name] != value and not _is_gone(name, row[name], value)
    ]
    if tags != replay.tags:
        different.append(f"its tags are {_shown(sorted(tags))}, the log says {_shown(sorted(replay.tags))}")
    if replay.removed is not None and not row.get("purged_at"):
        different.append(f"it is there, and event {replay.removed} says that it was deleted")
    if different:
        found.append(_finding(kind, row, "row_changed", "; ".join(different)))
    for message in replay.broken:
        found.append(_finding(kind, row, "event_missing", message))
    return found


class Replay:
    """What the events of one row say, one after the other."""

    def __init__(self, kind: Kind, events: Sequence[Row]) -> None:
        self.kind = kind
        self.state: Row = {}
        self.tags: set[str] = set()
        self.removed: int | None = None
        self.unreadable: int | None = None
        self.broken: list[str] = []
        for event in events:
            told = {name: read_json(event[name]) for name in ("before", "after")}
            if any(told[name] is None and event[name] is not None for name in told):
                self.unreadable = event["seq"]
                return
            self._apply(event, told["before"] or {}, told["after"] or {})

    def _apply(self, event: Row, before: Row, after: Row) -> None:
        action = event["action"]
        if action == f"{self.kind.name}.imported":
            # It tells all of the row; what was here before it was deleted is another life.
            self.state, self.tags, self.removed = {}, set(after.get("tags", ())), None
            self._take(after)
        elif action in CREATING[self.kind.name]:
            self._begin(event, after)
        elif action in REMOVING or (action == TRASHED and event["after"] is None):
            self.removed = event["seq"]
        elif action == "artifact.tagged":
            self.tags.add(after.get("tag", ""))
        elif action == "artifact.untagged":
            self.tags.discard(before.get("tag", ""))
        elif action not in _POINTERS:
            self._follow(event, before)
            self._take(after)
            if action == "transfer.updated" and after.get("status") == "uploading":
                self.state["error_message"] = None

    def _begin(self, event: Row, after: Row) -> None:
        self._take(after)
        if event["action"].endswith(".imported"):
            # The whole row is told, with its own times; one that was deleted here may come back so.
            self.tags, self.removed = set(after.get("tags", ())), None
            return
        self.state["created_at"] = event["at"]
        if self.kind.name == "chain":
            self.state["deleted_at"] = None
        if self.kind.name in ("workflow", "attempt", "transfer"):
            self.state["error_message"] = None
        if self.kind.name == "attempt":
            self.state["workflow_id"] = event["workflow_id"]
        elif self.kind.name == "transfer":
            self.state["source_workflow_id"] = event["workflow_id"]
            self.state.update(dict.fromkeys(("uploaded_at", "target_filename", "receipt_sha256")))
        elif self.kind.name == "artifact":
            self._begin_artifact(event, after)

    def _begin_artifact(self, event: Row, after: Row) -> None:
        self.tags = set(after.get("tags", ()))
        self.state["workflow_id"] = event["workflow_id"]
        untouched = ("rejection_reason", "deleted_at", "bytes_removed_at", "approved_at")
        self.state.update(dict.fromkeys((*untouched, "decided_sha256", "decided_by", "decided_at")))
        by = after.get("approved_by", UNKNOWN if after.get("approval_status") in ("approved", "edited") else None)
        self.state["approved_by"] = by
        if after.get("approval_status") == "approved":
            at = event["at"]
            self.state.update(approved_at=at, decided_at=at, decided_by=by, decided_sha256=after.get("sha256"))

    def _follow(self, event: Row, before: Row) -> None:
        """The event says what was there before it: where the events before it say otherwise, one of them is missing."""
        if not self.kind.continuous:
            return
        state = {name: self.state.get(name, UNKNOWN) for name in before}
        wrong = [name for name, known in state.items() if known is not UNKNOWN and known != before[name]]
        if wrong:
            told = ", ".join(f"{name} was {_shown(before[name])}" for name in wrong)
            known = ", ".join(_shown(state[name]) for name in wrong)
            self.broken.append(
                f"event {event['seq']} ({event['action']} by {event['actor']} on {event['at']}) says that before it "
                f"{told}; the events before it say {known}: one is missing"
            )

    def _take(self, after: Row) -> None:
        columns = self.kind.columns
        self.state.update({name: value for name, value in after.items() if name in columns and name not in _UNTOLD})


def _is_gone(name: str, value: Any, told: Any) -> bool:
    """A parent that was deleted with its chain leaves nothing in its place: the database sees to that."""
    if name != "parent_artifact_id" or value is not None:
        return False
    return not models.Artifact.select().where(models.Artifact.id == told).exists()


def _finding(kind: Kind, row: Row, what: str, message: str) -> Finding:
    if kind.name == "artifact":
        return findings.of_artifact(what, row["id"], message)
    if kind.name == "workflow":
        return findings.of_workflow(what, row["id"], message)
    if kind.name == "transfer":
        return findings.of_artifact(what, row["artifact_id"], message, entity_type="transfer", entity_id=row["id"])
    if kind.name == "attempt":
        place = findings.of_workflow(what, row["workflow_id"], message)
        return Finding(what, "attempt", row["id"], message, workflow_id=row["workflow_id"], chain=place.chain,
                       step=place.step)  # fmt: skip
    return Finding(what, "chain", row["id"], message, chain=row["name"])


def _events(ids: list[str]) -> dict[str, list[Row]]:
    table = models.Event
    columns = (table.seq, table.at, table.actor, table.action, table.entity_id, table.workflow_id)
    query = table.select(*columns, table.before, table.after).where(table.entity_id.in_(ids))
    found: dict[str, list[Row]] = {}
    for row in all_rows(query.where(table.action.not_in(list(_POINTERS))).order_by(table.entity_id, table.seq)):
        found.setdefault(row["entity_id"], []).append(row)
    return found


def _trashed_with(kind: Kind, rows: list[Row]) -> dict[str, str]:
    """When the chains of these workflows or artifacts went into the trash, of those that are there."""
    if "chain_deleted_at" not in kind.beside:
        return {}
    owner = "id" if kind.name == "workflow" else "workflow_id"
    workflow, chain = models.Workflow, models.Chain
    query = workflow.select(workflow.id, chain.deleted_at).join(chain).where(chain.deleted_at.is_null(False))
    trashed = dict(all_tuples(query.where(workflow.id.in_(sorted({row[owner] for row in rows})))))
    return {row["id"]: trashed[row[owner]] for row in rows if row[owner] in trashed}


def _tags(ids: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    query = models.Tag.select(models.Tag.artifact_id, models.Tag.tag).where(models.Tag.artifact_id.in_(ids))
    for artifact_id, tag in all_tuples(query):
        found.setdefault(artifact_id, set()).add(tag)
    return found


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)
