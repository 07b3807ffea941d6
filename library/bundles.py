"""Owns the bundle, format version 1: a chain or standalone workflow in one file that another hub imports.

A bundle is a ZIP file without compression, ZIP64 where it must be, with these members and no others:

    rows.jsonl            a line for each row, {"table": …, "row": {…}}, table by table in the order of `COLUMNS`
    events.jsonl          the events of the chain, oldest first, each as it is stored, with its number and its hashes
    files/<artifact id>   the bytes of each artifact, those in the trash included, unless retention removed them
    bundle.json           what the others hold: counts, and the SHA-256 of both lists; the rows name those of the files

Rows have every column but where the store keeps a file, which is each store's own matter. Rows of the table
`external` describe artifacts of other chains that the others refer to.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from peewee import fn

from ..db import models
from ..db.querying import all_rows, all_tuples
from ..errors import Conflict, StoreFailed
from ..storage.exports import TargetFailed, copy, give_name, passing, settle, target_errors
from . import identities
from .exporting import Progress, Refused, Root, silent, workflows_of

if TYPE_CHECKING:
    from .opening import Library

Row = dict[str, Any]

FORMAT, VERSION = "comfyui-artifact-db bundle", 1
HEADER, ROWS, EVENTS, FILES = "bundle.json", "rows.jsonl", "events.jsonl", "files/"

MAX_LINE = 64 * 1024 * 1024
"""Bytes of one row or event as JSON; the largest graphs have a few."""

EXTERNAL = "external"
EXTERNAL_COLUMNS = ("id", "workflow_id", "chain_id", "filename", "output_key", "version", "sha256")

TABLES: dict[str, type[models.Row]] = {
    model._meta.table_name: model
    for model in (
        *(models.Chain, models.Workflow, models.Attempt, models.Artifact),
        *(models.Tag, models.Lineage, models.Transfer),
    )
}
_OF_THE_STORE = ("local_filename", "local_path", "file_mtime_ns", "file_inode")
_OF_THE_TRASH = {
    "chains": ("deleted_at", "purged_at"),
    "workflows": ("chain_deleted_at",),
    "artifacts": ("chain_deleted_at",),
}
"""What is empty in all that is exported: a chain in the trash is not."""

COLUMNS: dict[str, tuple[str, ...]] = {
    **{
        name: tuple(
            column
            for column in model._meta.columns
            if column not in _OF_THE_STORE and column not in _OF_THE_TRASH.get(name, ())
        )
        for name, model in TABLES.items()
    },
    EXTERNAL: EXTERNAL_COLUMNS,
}
"""What a row of each table has in a bundle."""

EVENT_COLUMNS = tuple(models.Event._meta.columns)

_BATCH = 500
_ZIP64_FROM = 1 << 31


@dataclass
class ExportedBundle:
    """`counts` are rows by table, `events` and `files`; `size` the bytes of the files."""

    root: Root
    counts: dict[str, int] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True)
class _File:
    artifact_id: str
    filename: str
    local_path: str
    sha256: str
    size: int


def export_bundle(
    library: Library, root: Root, target: Path, *, by: str, progress: Progress = silent
) -> ExportedBundle:
    """Write everything about a chain or standalone workflow into one new file.

    It is written under a passing name and gets its own when it is complete; no file is ever held in memory.

    Raises:
        Conflict: the file is there already, or bytes are not those that were recorded; `data["refused"]` names them.
        StoreFailed: the file cannot be written.
    """
    if os.path.lexists(target):
        raise Conflict(f"{target.name} is there already; nothing is overwritten: name another file or remove it")
    with target_errors(), passing(target.parent) as (path, file):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            exported = _write(library, root, archive, by, progress)
        settle(file)
        try:
            give_name(path, target)
        except FileExistsError as error:
            raise Conflict(f"{target.name} is there already; nothing is overwritten") from error
    return exported


def _write(library: Library, root: Root, archive: zipfile.ZipFile, by: str, progress: Progress) -> ExportedBundle:
    exported = ExportedBundle(root)
    with library.reading():
        # One snapshot for the rows and for the events that tell how they came about.
        ids = [row["id"] for row in workflows_of(root)]
        with _lines(archive, ROWS) as rows:
            for table, row in _rows(root, ids):
                rows.write({"table": table, "row": row})
                exported.counts[table] = exported.counts.get(table, 0) + 1
        with _lines(archive, EVENTS) as log:
            for event in _events(root, ids):
                log.write(event)
        files = list(_files(ids))
        hub = models.Event.select(models.Event.hash).where(models.Event.seq == 1).scalar()
        last_seq = models.Event.select(fn.MAX(models.Event.seq)).scalar()
    exported.counts.update(events=log.count, files=len(files))
    exported.size = sum(file.size for file in files)
    _write_files(library, archive, files, exported.size, progress)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "root": asdict(root),
        "exported_at": identities.now(),
        "exported_by": by,
        "hub": hub,
        "last_seq": last_seq,
        "counts": exported.counts,
        "size": exported.size,
        "rows_sha256": rows.sha256,
        "events_sha256": log.sha256,
    }
    archive.writestr(_member(HEADER), json.dumps(header, ensure_ascii=False, indent=2))
    return exported


def _write_files(
    library: Library, archive: zipfile.ZipFile, files: list[_File], total: int, progress: Progress
) -> None:
    refused, done = [], 0

    def tell(size: int) -> None:
        nonlocal done
        done += size
        progress(done, total)

    for file in files:
        member = _member(f"{FILES}{file.artifact_id}")
        try:
            with (
                library.store.reading(file.local_path) as source,
                archive.open(member, "w", force_zip64=file.size >= _ZIP64_FROM) as target,
            ):
                sha256, _ = copy(source, target, tell)
        except TargetFailed:
            raise
        except StoreFailed:
            refused.append(Refused(file.artifact_id, file.filename, "its file is gone or cannot be read"))
            continue
        if sha256 != file.sha256:
            refused.append(Refused(file.artifact_id, file.filename, "its bytes are not those that were recorded"))
    if refused:
        told = "; ".join(f"{one.artifact_id} ({one.filename}): {one.reason}" for one in refused[:5])
        raise Conflict(f"a bundle is complete or it is none, and {len(refused)} file(s) fail: {told}", refused=refused)


class _Lines:
    """A member of JSON lines, hashed as it is written."""

    def __init__(self, target: IO[bytes], name: str) -> None:
        self._target, self._name = target, name
        self._hash = hashlib.sha256()
        self.count = 0

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._target.close()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, value: Row) -> None:
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"
        if len(line) > MAX_LINE:
            raise Conflict(f"{self._name}: one row has {len(line)} bytes as JSON; a bundle takes {MAX_LINE}")
        self._hash.update(line)
        self.count += 1
        with target_errors():
            self._target.write(line)


def _lines(archive: zipfile.ZipFile, name: str) -> _Lines:
    return _Lines(archive.open(_member(name), "w", force_zip64=True), name)


def _member(name: str) -> zipfile.ZipInfo:
    """A member's entry, the same on every system and at every time."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_STORED
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    return info


def _rows(root: Root, workflow_ids: list[str]) -> Iterator[tuple[str, Row]]:
    """Every row, in an order that does not change while the rows do not."""
    own: set[str] = set()
    outside: set[str] = set()
    if root.kind == "chain":
        yield from _of(models.Chain, models.Chain.id, [root.id], models.Chain.id)
    yield from _of(models.Workflow, models.Workflow.id, workflow_ids, models.Workflow.id)
    attempts = []
    for table, row in _of(models.Attempt, models.Attempt.workflow_id, workflow_ids, models.Attempt.id):
        attempts.append(row["id"])
        yield table, row
    for table, row in _of(models.Artifact, models.Artifact.workflow_id, workflow_ids, models.Artifact.id):
        own.add(row["id"])
        outside.update(filter(None, (row["parent_artifact_id"], row["source_artifact_id"])))
        yield table, row
    artifacts = sorted(own)
    yield from _of(models.Tag, models.Tag.artifact_id, artifacts, models.Tag.artifact_id, models.Tag.tag)
    used = models.Lineage
    for table, row in _of(used, used.attempt_id, sorted(attempts), used.attempt_id, used.artifact_id):
        outside.add(row["artifact_id"])
        yield table, row
    yield from _of(models.Transfer, models.Transfer.artifact_id, artifacts, models.Transfer.id)
    for row in _outside(sorted(outside - own)):
        yield EXTERNAL, row


def _of(model: type[models.Row], key: Any, ids: list[str], *order: Any) -> Iterator[tuple[str, Row]]:
    name = model._meta.table_name
    columns = [model._meta.columns[column] for column in COLUMNS[name]]
    for batch in _batches(sorted(ids)):
        query = model.select(*columns).where(key.in_(batch)).order_by(*order)
        for row in query.dicts().iterator():
            yield name, row


def _outside(ids: list[str]) -> Iterator[Row]:
    table, workflow = models.Artifact, models.Workflow
    columns = [table._meta.columns[name] for name in EXTERNAL_COLUMNS if name != "chain_id"]
    for batch in _batches(ids):
        query = table.select(*columns, workflow.chain_id).join(workflow, on=(workflow.id == table.workflow_id))
        yield from all_rows(query.where(table.id.in_(batch)).order_by(table.id))


def _events(root: Root, workflow_ids: list[str]) -> Iterator[Row]:
    """The events of the chain, its workflows and all that is in them, as they are stored."""
    table = models.Event
    seqs = {seq for (seq,) in all_tuples(table.select(table.seq).where(table.entity_id == root.id))}
    for batch in _batches(workflow_ids):
        seqs.update(seq for (seq,) in all_tuples(table.select(table.seq).where(table.workflow_id.in_(batch))))
    for numbers in _batches(sorted(seqs)):
        yield from all_rows(table.select().where(table.seq.in_(numbers)).order_by(table.seq))


def _files(workflow_ids: list[str]) -> Iterator[_File]:
    table = models.Artifact
    for batch in _batches(workflow_ids):
        query = table.select(table.id, table.filename, table.local_path, table.sha256, table.file_size)
        kept = query.where(table.workflow_id.in_(batch) & table.bytes_removed_at.is_null())
        for values in all_tuples(kept.order_by(table.id)):
            yield _File(*values)


def _batches(ids: list[Any]) -> Iterable[list[Any]]:
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
