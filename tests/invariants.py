"""Asserts what must be true after every transaction, whatever ran before: pointers, versions, files and the log."""

from __future__ import annotations

import hashlib
from typing import Any

from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import events
from comfyui_artifact_db.library.opening import Library

Row = dict[str, Any]


def check(library: Library) -> None:
    """Everything that this module knows."""
    with library.reading():
        workflows = list(models.Workflow.select().dicts())
        artifacts = list(models.Artifact.select().order_by(models.Artifact.version).dicts())
        log = list(models.Event.select().order_by(models.Event.seq).dicts())
    for workflow in workflows:
        _check_pointers(workflow, [row for row in artifacts if row["workflow_id"] == workflow["id"]])
    for row in artifacts:
        _check_decision(row)
        _check_file(library, row)
    check_log(log)


def check_log(log: list[Row]) -> None:
    """The numbers have no gaps, each event carries the hash of the one before, and each hash is right."""
    previous = events.GENESIS
    for number, row in enumerate(log, start=1):
        assert row["seq"] == number
        assert row["previous_hash"] == previous
        assert row["hash"] == events.event_hash(row)
        previous = row["hash"]


def _check_pointers(workflow: Row, rows: list[Row]) -> None:
    there = [row for row in rows if row["deleted_at"] is None]
    current = [row["id"] for row in rows if row["is_latest"]]
    assert len(current) == (1 if there else 0), "one current artifact for each workflow that has artifacts"
    assert workflow["latest_artifact_id"] == (current[0] if current else None), "the pointer and the flag agree"
    for key in {row["output_key"] for row in rows}:
        versions = [row for row in rows if row["output_key"] == key]
        left = [row["id"] for row in versions if row["deleted_at"] is None]
        heads = [row["id"] for row in versions if row["is_head"]]
        assert len(heads) == (1 if left else 0), "one head for each output that has versions"
        assert set(heads) <= set(left), "a head is not in the trash"
        assert [row["version"] for row in versions] == list(range(1, len(versions) + 1)), "versions grow by one"
    assert set(current) <= {row["id"] for row in there}, "a current artifact is not in the trash"


def _check_decision(row: Row) -> None:
    if row["approval_status"] in ("approved", "rejected"):
        assert row["decided_sha256"] == row["sha256"], "a decision stores the bytes it was made on"
        assert row["decided_by"]
        assert row["decided_at"]
    if row["approval_status"] == "approved":
        assert row["approved_by"]
        assert row["approved_at"]
    assert (row["rejection_reason"] is not None) == (row["approval_status"] == "rejected")


def _check_file(library: Library, row: Row) -> None:
    data = (library.store.root / row["local_path"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == row["sha256"]
    assert len(data) == row["file_size"]
