"""Owns what a check says of something wrong: which artifact it is, where it belongs, and which decisions it touches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..db import models
from ..db.querying import all_rows, first_row
from .views import Event

_DECISIONS = {
    "artifact.edited": "edited",
    "artifact.approved": "approved",
    "artifact.rejected": "rejected",
    "artifact.selected": "selected",
    "artifact.review_requested": "sent back for review",
}
_IMPORTED = "artifact.imported"


@dataclass(frozen=True)
class Decision:
    """What was done with some bytes, by whom and when; `server` is where a delivery went."""

    what: str
    by: str
    at: str
    server: str | None = None

    def __str__(self) -> str:
        return f"{self.what} to {self.server} on {self.at}" if self.server else f"{self.what} by {self.by} on {self.at}"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `entity_type` is event, chain, workflow, attempt, artifact, transfer or database.

    `kind` is one of file_missing, file_changed, file_unreadable, row_changed, row_unexplained, row_missing,
    pointers, event_changed, event_missing, log_cut, schema.
    """

    kind: str
    entity_type: str
    entity_id: str
    message: str
    artifact_id: str | None = None
    workflow_id: str | None = None
    chain: str | None = None
    step: str | None = None
    filename: str | None = None
    version: int | None = None
    decisions: tuple[Decision, ...] = ()

    @property
    def line(self) -> str:
        """All of it in one line."""
        place = " / ".join(part for part in (self.chain, self.step, self.filename) if part)
        if self.version is not None:
            place = f"{place} v{self.version}".strip()
        what = self.entity_type if self.entity_type == "database" else f"{self.entity_type} {self.entity_id}"
        if self.artifact_id is not None and self.artifact_id != self.entity_id:
            what += f", artifact {self.artifact_id}"
        touched = f"; decisions on it: {', '.join(map(str, self.decisions))}" if self.decisions else ""
        return one_line(f"{what}{f' ({place})' if place else ''}: {self.message}{touched}")

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def one_line(text: str) -> str:
    """A text without what would move a terminal's cursor: an edited row may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def of_artifact(kind: str, artifact_id: str, message: str, **more: Any) -> Finding:
    """A finding that concerns an artifact, inside the caller's transaction; also of one whose row is gone.

    Args:
        more: `entity_type` and `entity_id`, where it is something else that is wrong.
    """
    place = _place(artifact_id)
    more = {"entity_type": "artifact", "entity_id": artifact_id, **more}
    return Finding(
        kind=kind, message=message, artifact_id=artifact_id, decisions=decisions_on(artifact_id), **{**place, **more}
    )


def of_workflow(kind: str, workflow_id: str, message: str, artifact_id: str | None = None) -> Finding:
    """A finding that concerns a workflow, and the artifact that it offers, inside the caller's transaction."""
    if artifact_id is not None:
        more = {"entity_type": "workflow", "entity_id": workflow_id, "workflow_id": workflow_id}
        return of_artifact(kind, artifact_id, message, **more)
    return Finding(kind, "workflow", workflow_id, message, **_steps(workflow_id))


def decisions_on(artifact_id: str) -> tuple[Decision, ...]:
    """What was decided on an artifact, and where it was delivered to, inside the caller's transaction; oldest first."""
    table = models.Event
    actions = [*_DECISIONS, _IMPORTED]
    query = table.select().where((table.entity_id == artifact_id) & table.action.in_(actions))
    found: list[Decision] = []
    for row in all_rows(query.order_by(table.seq)):
        found += _told({**row, "after": read_json(row["after"]) or {}})
    sent = models.Transfer
    delivered = sent.select(sent.target_server, sent.requested_by, sent.uploaded_at).where(
        (sent.artifact_id == artifact_id) & (sent.status == "completed")
    )
    for row in all_rows(delivered.order_by(sent.uploaded_at)):
        found.append(Decision("delivered", row["requested_by"] or "", row["uploaded_at"] or "", row["target_server"]))
    return tuple(found)


def _told(event: dict[str, Any]) -> list[Decision]:
    """The decision of one event; of an import, those that its event quotes from where it came."""
    told = event["after"] or {}
    if event["action"] == _IMPORTED:
        quoted = [old for old in told.get("history", ()) if old.get("action") in (*_DECISIONS, _IMPORTED)]
        return [decision for old in quoted for decision in _told(old)]
    by = told.get("decided_by") or told.get("selected_by") or told.get("approved_by") or event["actor"]
    return [Decision(_DECISIONS[event["action"]], str(by), event["at"])]


def read_json(text: str | None) -> dict[str, Any] | None:
    """What an event says; None where it says nothing, or was edited into something that cannot be read."""
    try:
        said = Event.of_stored({**_EMPTY, "after": text}).after
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


_EMPTY: dict[str, Any] = dict.fromkeys(Event.__dataclass_fields__)


def _place(artifact_id: str) -> dict[str, Any]:
    table = models.Artifact
    row = first_row(table.select(table.workflow_id, table.filename, table.version).where(table.id == artifact_id))
    if row is None:
        log = models.Event
        first = log.select().where((log.entity_id == artifact_id) & (log.entity_type == "artifact")).order_by(log.seq)
        event = first_row(first)
        if event is None:
            return {}
        told = read_json(event["after"]) or {}
        row = {"workflow_id": event["workflow_id"], "filename": told.get("filename"), "version": told.get("version")}
    return {**_steps(row["workflow_id"]), "filename": row["filename"], "version": row["version"]}


def _steps(workflow_id: str | None) -> dict[str, Any]:
    if workflow_id is None:
        return {}
    table = models.Workflow
    row = first_row(table.select(table.chain_id, table.step_id, table.workflow_name).where(table.id == workflow_id))
    if row is None:
        return {"workflow_id": workflow_id}
    name = models.Chain.select(models.Chain.name).where(models.Chain.id == row["chain_id"]).scalar()
    return {"workflow_id": workflow_id, "chain": name, "step": row["step_id"] or row["workflow_name"]}
