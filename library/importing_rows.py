"""Owns the rows of an import inside its transaction: are they here already, and if not, all of them with their events.

Each row is told of by one event that holds all of it but its graphs, `from` where it came, and its `history`: the
events that the exporting hub had of it, as they were written there. They are quoted, not repeated: this hub's log says
who imported what and when, and the quotation says who decided, when, over there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, all_tuples, insert
from ..errors import Conflict
from ..storage.local import FILES, Placement
from . import identities
from .bundle_reading import lines
from .bundles import COLUMNS, EVENTS, EXTERNAL, ROWS, TABLES
from .events import text

if TYPE_CHECKING:
    from .opening import Transaction

Row = dict[str, Any]

_HEAVY = ("chain_definition", "workflow_definition", "parameters", "extra_pnginfo")
_WORDS = {
    "chains": "chain",
    "workflows": "workflow",
    "attempts": "attempt",
    "artifacts": "artifact",
    "artifact_transfers": "transfer",
}
_BESIDE = {"tags": "artifact_id", "lineage": "attempt_id"}
_KEYS = {"tags": ("artifact_id", "tag"), "lineage": ("attempt_id", "artifact_id")}
_BATCH = 500


@dataclass(frozen=True)
class Origin:
    """Where an import comes from. `hub` is the hash of the first event of the exporting hub's log, which names it."""

    kind: str
    id: str
    file: str
    rows_sha256: str
    events_sha256: str
    hub: str | None = None
    exported_at: str | None = None
    exported_by: str | None = None

    def as_json(self) -> Row:
        return asdict(self)

    def told(self) -> Row:
        """What each event of the import says of it."""
        return {name: value for name, value in asdict(self).items() if name not in ("kind", "id", "events_sha256")}


def is_here(rows: Path, origin: Origin) -> bool:
    """Whether the hub has everything in a bundle, inside the caller's transaction.

    It has where this bundle was imported before, whatever became of it since, and where each row is as in the bundle.

    Raises:
        Conflict: it has something of it and not the rest, or the same ids with something else, or it is in the trash.
    """
    in_trash = (models.Chain.id == origin.id) & models.Chain.deleted_at.is_null(False)
    if models.Chain.select().where(in_trash).exists():
        raise Conflict(f"chain {origin.id} is here, in the trash: take it out, or empty the trash", id=origin.id)
    if _was_imported(origin):
        return True
    found, missing, first_missing = 0, 0, ""
    for table, batch in _batches(rows):
        there = _there(table, batch)
        for row in batch:
            existing = there.get(_key(table, row))
            if existing is None:
                missing += 1
                first_missing = _named(table, row)
                continue
            found += 1
            different = [name for name in row if not _same(existing[name], row[name])]
            if different:
                raise Conflict(
                    f"{_named(table, row)} is here already, with another {different[0]}; nothing was imported",
                    id=row.get("id"),
                )
    if found and missing:
        raise Conflict(f"a part of the bundle is here already, and not {first_missing}; nothing was imported")
    if not found:
        _refuse_taken(rows)
    return not missing


def insert_all(tx: Transaction, rows: Path, log: Path, origin: Origin, placements: dict[str, Placement]) -> bool:
    """Add every row with its event; returns False where they were here already.

    Raises:
        Conflict: as `is_here`.
    """
    if is_here(rows, origin):
        return False
    insertion = _Insertion(tx, rows, log, origin, placements)
    for table, row in _read(rows):
        insertion.add(table, row)
    insertion.refer()
    return True


class _History:
    """The events of the exporting hub, by what they speak of. What speaks of nothing that is left is the root's."""

    def __init__(self, log: Path, root: str, ids: set[str]) -> None:
        self._log = log
        self._places: dict[str, list[int]] = {}
        with log.open("rb") as file:
            for place, event in lines(file, EVENTS):
                owner = event["entity_id"] if event["entity_id"] in ids else root
                self._places.setdefault(owner, []).append(place)

    def of(self, entity_id: str) -> list[Row]:
        found = []
        with self._log.open("rb") as file:
            for place in self._places.get(entity_id, ()):
                file.seek(place)
                event = json.loads(file.readline())
                told = {name: event[name] and json.loads(event[name]) for name in ("before", "after")}
                found.append({**event, **told})
        return found


class _Insertion:
    """One import. References that point forwards are set once every row is there."""

    def __init__(
        self, tx: Transaction, rows: Path, log: Path, origin: Origin, placements: dict[str, Placement]
    ) -> None:
        self._tx, self._origin, self._placements = tx, origin, placements
        self._from = origin.told()
        self._chain_id = origin.id if origin.kind == "chain" else None
        self._here: set[str] = set()
        self._beside: dict[str, list[Row]] = {}
        self._references: list[tuple[type[models.Row], str, Row]] = []
        self._pointers: list[tuple[str, str, str, str, str, str]] = []
        own: set[str] = set()
        for table, row in _read(rows):
            if table in _WORDS:
                own.add(row["id"])
            elif table in _BESIDE:
                self._beside.setdefault(row[_BESIDE[table]], []).append(row)
            elif _is_there(models.Artifact, row["id"]):
                self._here.add(row["id"])
        self._here |= own
        self._history = _History(log, origin.id, own)

    def add(self, table: str, row: Row) -> None:
        """Add one row, and its event where it is more than a line between two others."""
        if table == "workflows":
            self._add_workflow(row)
        elif table == "artifacts":
            self._add_artifact(row)
        elif table == "artifact_transfers":
            self._add_transfer(row)
        elif table in _WORDS:
            insert(TABLES[table], row)
            self._log(table, row)
        elif table != EXTERNAL and row["artifact_id"] in self._here:
            insert(TABLES[table], row)

    def refer(self) -> None:
        """Set what points to a row that came later, and say which pointers this hub has from now on."""
        for model, row_id, values in self._references:
            model.update(**values).where(model._meta.primary_key == row_id).execute()
        for action, word, entity_id, workflow_id, pointer, value in self._pointers:
            # Here nothing was current, and nothing a head, before.
            self._tx.log(
                action, word, entity_id, workflow_id=workflow_id, before={pointer: None}, after={pointer: value}
            )

    def _add_workflow(self, row: Row) -> None:
        insert(models.Workflow, {**row, "latest_artifact_id": None})
        self._references.append((models.Workflow, row["id"], {"latest_artifact_id": row["latest_artifact_id"]}))
        self._log("workflows", row)
        if (current := row["latest_artifact_id"]) is not None:
            pointer = ("latest_artifact_id", current)
            self._pointers.append(("workflow.current_changed", "workflow", row["id"], row["id"], *pointer))

    def _add_artifact(self, row: Row) -> None:
        sources = {name: row[name] for name in ("parent_artifact_id", "source_artifact_id") if row[name] is not None}
        kept = {name: value for name, value in sources.items() if value in self._here}
        cleared = dict.fromkeys(sources)
        insert(models.Artifact, {**row, **cleared, **self._place(row)})
        if kept:
            self._references.append((models.Artifact, row["id"], kept))
        elsewhere = {name: value for name, value in sources.items() if name not in kept}
        if row["is_head"]:
            pointer = ("head_artifact_id", row["id"])
            self._pointers.append(("artifact.head_changed", "artifact", row["id"], row["workflow_id"], *pointer))
        tags = sorted(tag["tag"] for tag in self._beside.get(row["id"], ()))
        self._log("artifacts", {**row, **cleared, **kept}, tags=tags, **_if_any(elsewhere=elsewhere))

    def _place(self, row: Row) -> Row:
        """Where the file is; of one whose bytes were removed, where it would be."""
        placement = self._placements.get(row["id"])
        if placement is None:
            name = f"{row['id']}-{identities.new_id()[-8:]}"
            state = {"file_mtime_ns": None, "file_inode": None}
            return {"local_filename": name, "local_path": f"{FILES}/{self._tx.at[:10]}/{name}", **state}
        return {
            "local_filename": placement.local_filename,
            "local_path": placement.local_path,
            "file_mtime_ns": placement.mtime_ns,
            "file_inode": placement.inode,
        }

    def _add_transfer(self, row: Row) -> None:
        target = row["target_workflow_id"]
        known = target is None or target in self._here or _is_there(models.Workflow, target)
        kept = row if known else {**row, "target_workflow_id": None}
        insert(models.Transfer, kept)
        self._log("artifact_transfers", kept, **_if_any(elsewhere={} if known else {"target_workflow_id": target}))

    def _log(self, table: str, row: Row, **more: Any) -> None:
        """The event of one row: all of it but its graphs, where it came from, and what the other hub's log says."""
        if table == "attempts":
            inputs = [{name: used[name] for name in ("artifact_id", "via")} for used in self._beside.get(row["id"], ())]
            missing = [used for used in inputs if used["artifact_id"] not in self._here]
            kept = [used for used in inputs if used["artifact_id"] in self._here]
            more = _if_any(inputs=kept, elsewhere=_if_any(inputs=missing))
        word = _WORDS[table]
        after = {
            **{name: value for name, value in row.items() if name not in _HEAVY},
            **more,
            "from": self._from,
            "history": self._history.of(row["id"]),
        }
        workflow_id = row["id"] if word == "workflow" else row.get("workflow_id") or row.get("source_workflow_id")
        self._tx.log(f"{word}.imported", word, row["id"], chain_id=self._chain_id, workflow_id=workflow_id, after=after)


def _if_any(**values: Any) -> Row:
    return {name: value for name, value in values.items() if value}


def _read(rows: Path) -> Iterator[tuple[str, Row]]:
    with rows.open("rb") as file:
        for _, line in lines(file, ROWS):
            yield line["table"], line["row"]


def _batches(rows: Path) -> Iterator[tuple[str, list[Row]]]:
    """The rows, some of one table at a time."""
    batch: list[Row] = []
    last = ""
    for table, row in _read(rows):
        if batch and (table != last or len(batch) >= _BATCH):
            yield last, batch
            batch = []
        last = table
        if table != EXTERNAL:
            batch.append(row)
    if batch:
        yield last, batch


def _key(table: str, row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in _KEYS.get(table, ("id",)))


def _there(table: str, batch: list[Row]) -> dict[tuple[str, ...], Row]:
    """What the hub has under the ids of some rows."""
    model = TABLES[table]
    columns = model._meta.columns
    owner = _KEYS.get(table, ("id",))[0]
    query = model.select(*(columns[name] for name in COLUMNS[table]))
    ids = sorted({row[owner] for row in batch})
    return {_key(table, row): row for row in all_rows(query.where(columns[owner].in_(ids)))}


def _was_imported(origin: Origin) -> bool:
    model = models.Chain if origin.kind == "chain" else models.Workflow
    if not _is_there(model, origin.id):
        return False
    table = models.Event
    query = table.select(table.after).where(
        (table.entity_id == origin.id) & (table.action == f"{origin.kind}.imported")
    )
    return any(json.loads(after)["from"].get("rows_sha256") == origin.rows_sha256 for (after,) in all_tuples(query))


def _refuse_taken(rows: Path) -> None:
    """A chain's Temporal id is its own."""
    table, row = next(_read(rows))
    taken = row.get("temporal_workflow_id") if table == "chains" else None
    if taken is not None:
        query = models.Chain.select(models.Chain.id).where(models.Chain.temporal_workflow_id == taken)
        if (other := query.scalar()) is not None:
            raise Conflict(f"temporal_workflow_id {taken!r} is that of chain {other}; nothing was imported", id=other)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are stored as the same text: graphs hold NaN, which is not even equal to itself."""
    return one == other or text(one) == text(other)


def _is_there(model: type[models.Row], row_id: str) -> bool:
    return bool(model.select().where(model._meta.primary_key == row_id).exists())


def _named(table: str, row: Row) -> str:
    word = {**_WORDS, "tags": "tag", "lineage": "input"}[table]
    return f"{word} {' of '.join(reversed(_key(table, row)))}"
