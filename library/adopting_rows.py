"""Owns the rows of files that are adopted from a folder, inside the caller's transaction: what is here, what is added.

Each file becomes an output of a standalone workflow of its own, with the graph that it carries: that this graph made it
is certain; that two files with one graph came of one run is not. The rows have the file's own time, so that lists sort
by when pictures were made; the events have the time of the import, and say so.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from peewee import SQL, fn

from ..db import models
from ..db.querying import all_rows, insert, prepared
from ..errors import Invalid
from ..storage.folders import Found
from ..storage.local import Placement
from . import artifacts, attempts, identities, names, recording, uploads

if TYPE_CHECKING:
    from .opening import Transaction

Row = dict[str, Any]

LABEL = "import"
"""What a workflow and an attempt have as their server where nobody knows it."""

NAMESPACE = uuid.UUID("6a1d6f0e-0d3c-5b8e-9f57-1f0e2c9b7a11")
"""Of the prompt ids that stand for those that nobody knows: the same file, the same id."""

SLACK = 2.0
"""Seconds by which a file's time may be before its prompt's: some file systems keep no finer times."""

_COUNTER = re.compile(r"[_\-. ]*\d{4,}[_\-. ]*\Z")
_WHOLE = ("approved_by", "approved_at", "rejection_reason", "decided_sha256", "decided_by", "decided_at", "deleted_at")


@dataclass(frozen=True)
class Adopted:
    """A file whose bytes are in the store, and what is known of it. `made_at` is its own time.

    `folder` is where it lies on this machine, `subfolder` the same below what is imported. `attempt_id`: the execution
    that is certain to have made it.
    """

    artifact_id: str
    folder: str
    subfolder: str
    name: str
    size: int
    mtime_ns: int
    made_at: str
    file_type: str
    file_format: str
    metadata: Row
    prompt: Row | None = None
    extra_pnginfo: Row | None = None
    attempt_id: str | None = None

    @property
    def filename(self) -> str:
        return names.checked_filename(self.name)

    @property
    def path(self) -> str:
        return f"{self.subfolder}/{self.name}".lstrip("/")


@dataclass(frozen=True)
class Outcome:
    """What became of each file of a group, in its order: `new`, `versions`, `found` (its prompt was) or `known`."""

    words: tuple[str, ...]
    unneeded: tuple[str, ...]
    """Places in the store of what turned out to be here already: no row names them."""


def seen(folder: str, files: Sequence[Found]) -> dict[str, Row]:
    """What earlier imports saw of some files of a folder, sorted by name: their rows by name."""
    if not files:
        return {}
    folder_id = _folder.value(folder)
    rows = _seen_between.rows(folder_id, files[0].name, files[-1].name) if folder_id is not None else []
    return {row["name"]: row for row in rows}


def known(sha256: str, filename: str, subfolder: str) -> str | None:
    """The artifact that has these bytes under this name already, whoever recorded it; what is in the trash too."""
    found: str | None = _same_bytes.value(sha256, filename, subfolder)
    return found


def lost_attempts() -> dict[str, list[Row]]:
    """The attempts of which nobody knows how they ended, by what their graph says."""
    table = models.Attempt
    columns = (table.id, table.workflow_definition, table.queued_at, table.completed_at)
    rows = all_rows(table.select(*columns).where(SQL("status = 'outcome_unknown'")).order_by(table.queued_at))
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["workflow_definition"]:
            found.setdefault(essence(row.pop("workflow_definition")), []).append(row)
    return found


def essence(graph: Row) -> str:
    """What a graph says, without what servers and editors write beside it (`is_changed`, `_meta`)."""
    nodes = {
        node_id: [node.get("class_type"), node.get("inputs")] if isinstance(node, dict) else node
        for node_id, node in graph.items()
    }
    return json.dumps(nodes, sort_keys=True, separators=(",", ":"))


def maker(lost: dict[str, list[Row]], prompt: Row | None, made_at: str) -> str | None:
    """The attempt that is certain to have made a file with this graph: the only one that is lost and ran then."""
    if not lost or prompt is None:
        return None
    able = [
        row
        for row in lost.get(essence(prompt), ())
        if row["queued_at"] <= identities.later(made_at, SLACK)
        and (row["completed_at"] is None or made_at <= identities.later(row["completed_at"], SLACK))
    ]
    return able[0]["id"] if len(able) == 1 else None


def remember(files: Sequence[tuple[str, Found, str, str]]) -> None:
    """Write down what was seen: folder, what `stat` said, hash, and the artifact that has these bytes."""
    for folder, found, sha256, artifact_id in files:
        _remember.run(_folder_id(folder), found.name, found.size, found.mtime_ns, sha256, artifact_id)


def insert_all(
    tx: Transaction, label: str, tags: Sequence[str], files: Sequence[Adopted], placements: Sequence[Placement]
) -> Outcome:
    """Add what is not here yet, each file with its events, and write down that all of them were seen."""
    words, doubtful = [], []
    for file, placement in zip(files, placements, strict=True):
        before = _seen.row(_folder_id(file.folder), file.name)
        if before is not None and before["sha256"] == placement.sha256:
            artifact_id = before["artifact_id"]
            word = "new" if artifact_id == file.artifact_id else "known"  # or an earlier try of this call added it
        elif (there := known(placement.sha256, file.filename, file.subfolder)) is not None:
            word, artifact_id = "known", there
        else:
            word, artifact_id = _insert(tx, label, tags, file, placement, before), file.artifact_id
        if artifact_id != file.artifact_id:
            doubtful.append(placement.local_path)
        words.append(word)
        found = Found(file.name, file.size, file.mtime_ns)
        remember([(file.folder, found, placement.sha256, artifact_id)])
    return Outcome(tuple(words), tuple(artifacts.unnamed(doubtful)))


def _insert(
    tx: Transaction, label: str, tags: Sequence[str], file: Adopted, placement: Placement, before: Row | None
) -> str:
    """Add one file, as what it is: the next version of an output, an output of a lost prompt, or a new one."""
    told = {"from": {"folder": label, "path": file.path}}
    kind = uploads.reported_as(file.file_type)
    if (earlier := _earlier(before)) is not None:
        word, workflow_id, key = "versions", earlier["workflow_id"], earlier["output_key"]
        attempt_id = _add_attempt(tx, workflow_id, label, file, placement, told)
    elif (attempt := _lost(file.attempt_id)) is not None:
        word, workflow_id, attempt_id, key = "found", attempt["workflow_id"], attempt["id"], f"{LABEL}:{kind}:"
    else:
        word, workflow_id, key = "new", identities.new_id(), f"{LABEL}:{kind}:0"
        attempt_id = _add_workflow(tx, workflow_id, label, file, placement, told)
    new = recording.NewArtifact(
        artifact_id=file.artifact_id,
        output_key=key,
        filename=file.filename,
        file_type=file.file_type,
        file_format=file.file_format,
        metadata=file.metadata,
        subfolder=file.subfolder,
        tags=tuple(tags),
        action="artifact.imported",
        made_at=file.made_at,
        told={**dict.fromkeys(_WHOLE), "bytes_removed_at": None, **told},
    )
    recording.insert_artifact(tx, new, placement, workflow_id, attempt_id)
    if word != "new" or tx.library.config.approval.default == "required":
        attempts.follow_current(tx, workflow_id)
    return word


def _add_workflow(tx: Transaction, workflow_id: str, label: str, file: Adopted, placement: Placement, told: Row) -> str:
    row = {
        "id": workflow_id,
        "workflow_name": _workflow_name(file.filename),
        "server_address": LABEL,
        "prompt_id": _prompt_id(label, file, placement),
        "status": "completed",
        "workflow_definition": file.prompt,
        **dict.fromkeys(("queued_at", "completed_at", "created_at"), file.made_at),
        "updated_at": tx.at,
    }
    insert(models.Workflow, row)
    named = ("workflow_name", "server_address", "prompt_id", "status", "created_at")
    after = {"chain_id": None, "step_id": None, "error_message": None, **{name: row[name] for name in named}, **told}
    tx.log("workflow.imported", "workflow", workflow_id, workflow_id=workflow_id, after=after)
    return _add_attempt(tx, workflow_id, label, file, placement, told, number=1)


def _add_attempt(
    tx: Transaction, workflow_id: str, label: str, file: Adopted, placement: Placement, told: Row, number: int = 0
) -> str:
    """A new attempt, which becomes its workflow's newest; `number` where that is known."""
    attempt_id, prompt_id = identities.new_id(), _prompt_id(label, file, placement)
    row = {
        "id": attempt_id,
        "workflow_id": workflow_id,
        "number": number or int(_last_number.value(workflow_id) or 0) + 1,
        "server_address": LABEL,
        "prompt_id": prompt_id,
        "status": "completed",
        "workflow_definition": file.prompt,
        "extra_pnginfo": file.extra_pnginfo,
        **dict.fromkeys(("queued_at", "completed_at", "created_at"), file.made_at),
        "updated_at": tx.at,
    }
    insert(models.Attempt, row)
    named = ("workflow_id", "number", "server_address", "prompt_id", "status", "created_at")
    after = {"error_message": None, **{name: row[name] for name in named}, **told}
    tx.log("attempt.imported", "attempt", attempt_id, workflow_id=workflow_id, after=after)
    if not number:
        _take_prompt(tx, workflow_id, prompt_id)
    return attempt_id


def _take_prompt(tx: Transaction, workflow_id: str, prompt_id: str) -> None:
    """A workflow's prompt is that of its newest attempt."""
    table = models.Workflow
    before = table.select(table.prompt_id).where(table.id == workflow_id).scalar()
    table.update(prompt_id=prompt_id, updated_at=tx.at, revision=table.revision + 1).where(
        table.id == workflow_id
    ).execute()
    tx.log(
        *("workflow.updated", "workflow", workflow_id),
        workflow_id=workflow_id,
        before={"prompt_id": before},
        after={"prompt_id": prompt_id},
    )


def _earlier(before: Row | None) -> Row | None:
    """The output that a changed file is the next version of: one that an import made, and that is still here.

    What other doors recorded is not touched: a file that somebody overwrote must not change what a step offers.
    """
    if before is None:
        return None
    row: Row | None = _output.row(before["artifact_id"])
    return row if row is not None and row["server_address"] == LABEL else None


def _lost(attempt_id: str | None) -> Row | None:
    row: Row | None = _unknown.row(attempt_id, "outcome_unknown") if attempt_id is not None else None
    return row


def _prompt_id(label: str, file: Adopted, placement: Placement) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{placement.sha256}/{label}/{file.path}"))


def _workflow_name(filename: str) -> str:
    """What a file was called before ComfyUI numbered it: of ComfyUI_00012_.png, ComfyUI."""
    name = _COUNTER.sub("", PurePath(filename).stem)
    try:
        return names.checked_name(name, "workflow_name")
    except Invalid:
        return "ComfyUI"


def _folder_id(folder: str) -> int:
    found = _folder.value(folder)
    return int(found if found is not None else models.ImportFolder.insert(path=folder).execute())


@prepared
def _folder(path: Any) -> Any:
    return models.ImportFolder.select(models.ImportFolder.id).where(models.ImportFolder.path == path)


@prepared
def _seen(folder_id: Any, name: Any) -> Any:
    table = models.ImportedFile
    return table.select().where((table.folder_id == folder_id) & (table.name == name))


@prepared
def _seen_between(folder_id: Any, first: Any, last: Any) -> Any:
    table = models.ImportedFile
    return table.select().where((table.folder_id == folder_id) & (table.name >= first) & (table.name <= last))


@prepared
def _remember(folder_id: Any, name: Any, size: Any, mtime_ns: Any, sha256: Any, artifact_id: Any) -> Any:
    values = {"size": size, "mtime_ns": mtime_ns, "sha256": sha256, "artifact_id": artifact_id}
    return models.ImportedFile.insert(folder_id=folder_id, name=name, **values).on_conflict("REPLACE")


@prepared
def _same_bytes(sha256: Any, filename: Any, subfolder: Any) -> Any:
    table = models.Artifact
    same = (table.sha256 == sha256) & (table.filename == filename) & (fn.COALESCE(table.subfolder, "") == subfolder)
    return table.select(table.id).where(same).order_by(table.id).limit(1)


@prepared
def _output(artifact_id: Any) -> Any:
    artifact, workflow = models.Artifact, models.Workflow
    query = artifact.select(artifact.workflow_id, artifact.output_key, workflow.server_address)
    return query.join(workflow, on=(workflow.id == artifact.workflow_id)).where(artifact.id == artifact_id)


@prepared
def _last_number(workflow_id: Any) -> Any:
    table = models.Attempt
    return table.select(fn.MAX(table.number).alias("number")).where(table.workflow_id == workflow_id)


@prepared
def _unknown(attempt_id: Any, status: Any) -> Any:
    table = models.Attempt
    return table.select(table.id, table.workflow_id).where((table.id == attempt_id) & (table.status == status))
