"""Owns what is exported: which chain or workflow a word means, and its files in a folder under readable names."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, all_tuples
from ..errors import Invalid, NotFound, StoreFailed
from ..storage.exports import TargetFailed, copy, give_name, holds, is_below, passing, target_errors
from . import chains, identities, pointers, prefixes, workflows
from .templates import DEFAULT, Template, collision_key, numbered, safe_part

if TYPE_CHECKING:
    from .opening import Library

Row = dict[str, Any]

Progress = Callable[[int, int], None]
"""Hears, again and again, how many bytes are done and how many there are in all."""

MANIFEST = "manifest.json"

_DECISION = ("approval_status", "approved_by", "approved_at", "rejection_reason", "decided_by", "decided_at")


@dataclass(frozen=True)
class Root:
    """What is exported as one: a chain with its workflows, or a standalone workflow. `kind` is chain or workflow."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True)
class Refused:
    """A file that was not exported, and why."""

    artifact_id: str
    filename: str
    reason: str


@dataclass
class ExportedFolder:
    """Names are relative to the folder, with forward slashes. `present` was there already, with the same bytes."""

    root: Root
    written: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    manifest: str = ""


def silent(done: int, total: int) -> None:
    """A `Progress` that tells nobody."""


def find_root(library: Library, word: str) -> Root:
    """The chain that a word means, as `prefixes.find_chain` finds it; else the standalone workflow of this id.

    Raises:
        NotFound: there is none. Invalid: it is a step of a chain, which is exported as a whole; or it is a beginning
            of several chains' ids.
    """
    try:
        chain = chains.get_chain(library, prefixes.find_chain(library, word))
    except NotFound:
        if not identities.is_id(word):
            raise
        workflow = workflows.get_workflow(library, word)
        if workflow.chain_id is not None:
            said = f"workflow {workflow.id} is a step of chain {workflow.chain_id}: export the chain"
            raise Invalid(said, field="chain") from None
        return Root("workflow", workflow.id, workflow.workflow_name)
    return Root("chain", chain.id, chain.name)


def workflows_of(root: Root) -> list[Row]:
    """The id, step and name of each workflow of what is exported, oldest first, inside the caller's transaction."""
    table = models.Workflow
    query = table.select(table.id, table.step_id, table.workflow_name).where(
        table.chain_id == root.id if root.kind == "chain" else table.id == root.id
    )
    return all_rows(query.order_by(table.created_at, table.id))


def export_folder(
    library: Library,
    root: Root,
    folder: Path,
    *,
    template: str = DEFAULT,
    all_versions: bool = False,
    progress: Progress = silent,
) -> ExportedFolder:
    """Copy the files of a chain or workflow into a folder, hashed on the way, and write a manifest beside them.

    What is exported is the current artifact and the heads that are usable; with `all_versions` everything that is not
    in the trash. A file whose bytes are not those that were recorded is refused, and the others go on. A file that is
    there already with the same bytes is left alone, and one with other bytes is never overwritten.

    Raises:
        Invalid: the template is wrong; nothing was written. StoreFailed: the folder cannot be written.
    """
    names = Template(template)
    chosen = _chosen(library, root, all_versions)
    exported = ExportedFolder(root)
    with target_errors():
        folder.mkdir(parents=True, exist_ok=True)
    copying = _Copying(library, folder, progress, sum(row["file_size"] for row, _ in chosen))
    items = []
    for row, values in chosen:
        try:
            name, fresh = copying.copy(row, names.fill(values))
        except _NotTheBytes as error:
            exported.refused.append(Refused(row["id"], row["filename"], str(error)))
            continue
        (exported.written if fresh else exported.present).append(name)
        items.append({"file": name, **_described(row, values)})
    manifest = {"root": asdict(root), "files": items, "refused": [asdict(refused) for refused in exported.refused]}
    exported.manifest = copying.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode(), MANIFEST)
    return exported


class _NotTheBytes(Exception):
    """What is in the store is not what was recorded."""


class _Copying:
    """One export into one folder: which names it has given, and how far it is."""

    def __init__(self, library: Library, folder: Path, progress: Progress, total: int) -> None:
        self._library, self._folder = library, folder
        self._progress, self._total, self._done = progress, total, 0
        self._taken: set[str] = {collision_key(PurePosixPath(MANIFEST))}

    def copy(self, row: Row, wanted: PurePosixPath) -> tuple[str, bool]:
        """Copy one artifact's file; returns its name, and whether it was written now."""
        before = self._done
        try:
            parent = self._parent(wanted)
            with target_errors(), passing(parent) as (path, file):
                try:
                    with self._library.store.reading(row["local_path"]) as source:
                        sha256, size = copy(source, file, self._tell)
                except TargetFailed:
                    raise
                except StoreFailed as error:
                    raise _NotTheBytes("its file is gone or cannot be read") from error
                if sha256 != row["sha256"]:
                    raise _NotTheBytes("its bytes are not those that were recorded; nothing approved them")
                file.close()  # A copy is not a promise: no fsync for each of thousands.
                return self._name(path, wanted, sha256, size)
        finally:
            self._tell(before + row["file_size"] - self._done)

    def write(self, data: bytes, name: str) -> str:
        """Write a small file that is not an artifact; returns its name."""
        wanted = PurePosixPath(name)
        self._taken.discard(collision_key(wanted))
        with target_errors(), passing(self._folder) as (path, file):
            file.write(data)
            file.close()
            return self._name(path, wanted, hashlib.sha256(data).hexdigest(), len(data))[0]

    def _name(self, path: Path, wanted: PurePosixPath, sha256: str, size: int) -> tuple[str, bool]:
        number = 0
        while True:
            number += 1
            name = numbered(wanted, number)
            key = collision_key(name)
            if key in self._taken:
                continue
            target = self._folder / name
            try:
                if not os.path.lexists(target):
                    give_name(path, target)
                    self._taken.add(key)
                    return str(name), True
            except FileExistsError:
                pass  # Somebody else took the name in between.
            if holds(target, sha256, size):
                self._taken.add(key)
                return str(name), False

    def _parent(self, wanted: PurePosixPath) -> Path:
        parent = (self._folder / wanted).parent
        with target_errors():
            parent.mkdir(parents=True, exist_ok=True)
        if not is_below(parent, self._folder):
            raise TargetFailed(f"the export cannot be written: {wanted.parent} is a link that leads out of the folder")
        return parent

    def _tell(self, size: int) -> None:
        self._done += size
        self._progress(self._done, self._total)


def _chosen(library: Library, root: Root, all_versions: bool) -> list[tuple[Row, dict[str, str | int]]]:
    """The rows to export, each with what the placeholders stand for, by step, output and version."""
    table = models.Artifact
    with library.reading():
        orders: dict[str, int] = {}
        found = []
        for workflow in workflows_of(root):
            order = orders.setdefault(workflow["step_id"] or workflow["workflow_name"], len(orders) + 1)
            query = table.select().where((table.workflow_id == workflow["id"]) & table.deleted_at.is_null())
            for row in all_rows(query.order_by(table.output_key, table.version)):
                wanted = all_versions or ((row["is_latest"] or row["is_head"]) and pointers.is_usable(row))
                if wanted and row["bytes_removed_at"] is None:
                    row["tags"] = _tags(row["id"])
                    found.append((row, _values(root, workflow, order, row)))
    return found


def _tags(artifact_id: str) -> list[str]:
    query = models.Tag.select(models.Tag.tag).where(models.Tag.artifact_id == artifact_id)
    return [tag for (tag,) in all_tuples(query.order_by(models.Tag.tag))]


def _values(root: Root, workflow: Row, order: int, row: Row) -> dict[str, str | int]:
    filename = PurePosixPath(row["filename"].replace("\\", "/"))
    extension = filename.suffix.removeprefix(".") or row["file_format"] or "bin"
    return {
        "chain": root.name,
        "chain_id": root.id,
        "order": order,
        "step": workflow["step_id"] or workflow["workflow_name"],
        "workflow": workflow["workflow_name"],
        "workflow_id": workflow["id"],
        "output": row["output_key"],
        "node": row["node_id"] or "",
        "filename": safe_part(filename.stem),
        "ext": extension,
        "version": row["version"],
        "status": row["approval_status"],
        "artifact_id": row["id"],
        "sha256": row["sha256"],
        "date": row["created_at"][:10],
    }


def _described(row: Row, values: dict[str, str | int]) -> Row:
    """What the manifest says of a file besides its name."""
    return {
        "artifact_id": row["id"],
        "workflow_id": row["workflow_id"],
        "step": values["step"],
        **{name: row[name] for name in ("output_key", "version", "sha256", "file_type", "file_format", "created_at")},
        "size": row["file_size"],
        "is_current": row["is_latest"],
        "is_head": row["is_head"],
        **{name: row[name] for name in (*_DECISION, "decided_sha256", "parent_artifact_id", "tags")},
    }
