"""Owns the question whether the rows of a bundle are here already, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..db import models
from ..db.querying import all_rows, all_tuples
from ..errors import Conflict
from .bundle_reading import lines
from .bundles import COLUMNS, EXTERNAL, ROWS, TABLES
from .events import text

Row = dict[str, Any]

WORDS = {
    "chains": "chain",
    "workflows": "workflow",
    "attempts": "attempt",
    "artifacts": "artifact",
    "artifact_transfers": "transfer",
}
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


def read(rows: Path) -> Iterator[tuple[str, Row]]:
    with rows.open("rb") as file:
        for _, line in lines(file, ROWS):
            yield line["table"], line["row"]


def _batches(rows: Path) -> Iterator[tuple[str, list[Row]]]:
    """The rows, some of one table at a time."""
    batch: list[Row] = []
    last = ""
    for table, row in read(rows):
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
    if not is_there(model, origin.id):
        return False
    table = models.Event
    query = table.select(table.after).where(
        (table.entity_id == origin.id) & (table.action == f"{origin.kind}.imported")
    )
    return any(json.loads(after)["from"].get("rows_sha256") == origin.rows_sha256 for (after,) in all_tuples(query))


def _refuse_taken(rows: Path) -> None:
    """A chain's Temporal id is its own."""
    table, row = next(read(rows))
    taken = row.get("temporal_workflow_id") if table == "chains" else None
    if taken is not None:
        query = models.Chain.select(models.Chain.id).where(models.Chain.temporal_workflow_id == taken)
        if (other := query.scalar()) is not None:
            raise Conflict(f"temporal_workflow_id {taken!r} is that of chain {other}; nothing was imported", id=other)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are stored as the same text: graphs hold NaN, which is not even equal to itself."""
    return one == other or text(one) == text(other)


def is_there(model: type[models.Row], row_id: str) -> bool:
    return bool(model.select().where(model._meta.primary_key == row_id).exists())


def _named(table: str, row: Row) -> str:
    word = {**WORDS, "tags": "tag", "lineage": "input"}[table]
    return f"{word} {' of '.join(reversed(_key(table, row)))}"
