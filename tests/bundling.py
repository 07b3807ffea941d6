"""A chain with some of everything, exported; and bundles that say something else than they did."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import attempts, bundles, chains, decisions, exporting, runs, trash, workflows
from comfyui_artifact_db.library.opening import Library
from making import Pictures
from reviewing import edit

Members = dict[str, bytes]


class Studio:
    """A chain `film` of two steps with every approval status, a tag, the trash, an input from outside and a receipt."""

    def __init__(self, library: Library, pictures: Pictures) -> None:
        self.library, self.pictures = library, pictures
        self.outside = pictures.one().id
        frame = runs.Run(
            *("gpu-a", "p1", "text-to-image"), chain="film", step="frame", inputs=(self.outside,),
            workflow_definition={"9": {"class_type": "SaveImage", "is_changed": [float("nan")]}}, requested_by="ann",
        )  # fmt: skip
        first = pictures.one(run=frame, tags=("nice", "Übung"))
        self.edited = edit(library, first.id).id
        self.deleted = trash.delete(library, pictures.one(workflow_id=first.workflow_id).id, by="ann").id
        video = runs.Run("gpu-b", "p2", "image-to-video", chain="film", step="video", inputs=(self.edited,))
        second, other, third = pictures.record(
            run=video, keys=("9:images:0", "9:images:1", "12:7:images:0"), status="pending"
        )
        self.approved = decisions.approve(library, second.id, by="ann").id
        self.rejected = decisions.reject(library, other.id, by="bob", reason="zu dunkel\n— 暗い").id
        self.pending = third.id
        attempts.finish(library, server_address="gpu-b", prompt_id="p2", status="completed", error=None, actor="gpu-b")
        chain_id = workflows.get_workflow(library, first.workflow_id).chain_id
        assert chain_id is not None
        self.chain_id = chain_id
        self.workflow_ids = [first.workflow_id, second.workflow_id]
        chains.update_chain(library, chain_id, status="awaiting_approval", actor="runner")
        self._deliver()

    def _deliver(self) -> None:
        """A delivery and its receipt, without a server."""
        transfer_id = "0190a000-0000-7000-8000-000000000001"
        with self.library.writing("ann") as tx:
            models.Transfer.insert(
                id=transfer_id, artifact_id=self.approved, source_workflow_id=self.workflow_ids[1],
                target_workflow_id=None, target_server="gpu-b", target_subfolder="", status="completed",
                uploaded_at=tx.at, created_at=tx.at, updated_at=tx.at, attempts=1, target_filename="a.png",
                receipt_sha256="a" * 64, requested_by="ann",
            ).execute()  # fmt: skip
            after = {"artifact_id": self.approved, "target_server": "gpu-b", "status": "completed",
                     "uploaded_at": tx.at, "target_filename": "a.png", "receipt_sha256": "a" * 64}  # fmt: skip
            tx.log("transfer.created", "transfer", transfer_id, workflow_id=self.workflow_ids[1], after=after)

    def export(self, file: Path) -> Path:
        """The chain as a bundle."""
        root = exporting.find_root(self.library, self.chain_id)
        bundles.export_bundle(self.library, root, file, by="exporter")
        return file


def state(library: Library) -> tuple[list[str], list[str]]:
    """All that an import could have changed."""
    with closing(sqlite3.connect(library.database.path)) as connection:
        dump = list(connection.iterdump())
    root = library.store.root
    return dump, sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def members(bundle: Path) -> Members:
    """What is in a bundle."""
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(members: Members, target: Path) -> Path:
    """A bundle of these members whose header has the right hashes and counts for them."""
    header = json.loads(members["bundle.json"])
    for name in ("rows", "events"):
        header[f"{name}_sha256"] = hashlib.sha256(members[f"{name}.jsonl"]).hexdigest()
    header["counts"] = _counts(members)
    members = {**members, "bundle.json": json.dumps(header).encode()}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def rewritten(bundle: Path, target: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """A bundle whose rows somebody changed, with everything else as it has to be for them."""
    found = members(bundle)
    lines = [json.loads(line) for line in found["rows.jsonl"].splitlines()]
    change(lines)
    found["rows.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return written(found, target)


def _counts(members: Members) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in members["rows.jsonl"].splitlines():
        try:
            table = json.loads(line)["table"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        counts[str(table)] = counts.get(str(table), 0) + 1
    files = sum(name.startswith("files/") for name in members)
    return {**counts, "events": members["events.jsonl"].count(b"\n"), "files": files}
