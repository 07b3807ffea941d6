"""Asserts what must be true after every transaction, whatever ran before: pointers, versions, files and the log."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from comfyui_artifact_db.db import fulltext, models
from comfyui_artifact_db.library import events
from comfyui_artifact_db.library.opening import Library

Row = dict[str, Any]


def check(library: Library) -> None:
    """Everything that this module knows."""
    with library.reading():
        chains = {row["id"]: row["deleted_at"] for row in models.Chain.select().dicts()}
        workflows = list(models.Workflow.select().dicts())
        artifacts = list(models.Artifact.select().order_by(models.Artifact.version).dicts())
        log = list(models.Event.select().order_by(models.Event.seq).dicts())
    for workflow in workflows:
        _check_pointers(workflow, [row for row in artifacts if row["workflow_id"] == workflow["id"]])
    for row in artifacts:
        _check_decision(row)
        _check_file(library, row)
    _check_trash(chains, workflows, artifacts)
    check_log(log)
    with library.writing("check"):
        check_index(library.database.engine.execute_sql)


def check_index(execute: Callable[[str], Any]) -> None:
    """The full-text indexes and the counts of tags say what the rows say, no more and no less, and are sound.

    Args:
        execute: runs SQL in a transaction that may write, which is how SQLite is asked whether an index is sound.
    """
    for table in ("artifact_search", "artifact_names"):
        execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
    row = "LEFT JOIN artifact_search_rows AS r ON r.search_row = s.rowid ORDER BY 1"
    indexed = execute(f"SELECT artifact_id, everything FROM artifact_search AS s {row}").fetchall()
    of_names = execute(f"SELECT artifact_id, names FROM artifact_names AS s {row}").fetchall()
    said = [_searched(row) for row in execute(_SEARCHED).fetchall()]
    counts = execute("SELECT tag, count FROM tag_counts ORDER BY tag").fetchall()
    counted = execute(
        "SELECT tag, COUNT(*) FROM tags AS t JOIN artifacts AS a ON a.id = t.artifact_id"
        " WHERE a.deleted_at IS NULL AND a.chain_deleted_at IS NULL GROUP BY tag ORDER BY tag"
    ).fetchall()
    ((rows,),) = execute("SELECT COUNT(*) FROM artifact_search_rows").fetchall()
    assert indexed == [(name, _joined(columns)) for name, *columns in said], "the index says what the rows say"
    assert of_names == [(name, _joined(columns[:3])) for name, *columns in said], "so does the index of names"
    assert rows == len(said), "each artifact has one row in the index"
    assert counts == counted, "tags are counted as they are"


_SEARCHED = """
    SELECT a.id, r.search_row, a.filename,
        (SELECT group_concat(tag, ' ') FROM (SELECT tag FROM tags WHERE artifact_id = a.id ORDER BY tag)),
        w.workflow_name, w.step_id, c.name, a.rejection_reason, a.metadata
    FROM artifacts AS a JOIN workflows AS w ON w.id = a.workflow_id LEFT JOIN chains AS c ON c.id = w.chain_id
    JOIN artifact_search_rows AS r ON r.artifact_id = a.id
    ORDER BY 1
"""


def _joined(columns: list[Any]) -> str:
    row, *texts = columns
    windows = " ".join(f"{chr(fulltext.SIGN + bits)}{row >> bits:x}" for bits in fulltext.WIDTHS)
    return windows + "".join(f" {chr(fulltext.SIGN)} {text or ''}" for text in texts)


def _searched(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What should stand in the index for an artifact, told without SQLite."""
    artifact_id, search_row, filename, tags, workflow, step, chain, reason, text = row
    try:
        metadata = json.loads(text or "{}", parse_constant=lambda _: 1 / 0)
    except (ValueError, ArithmeticError):
        metadata = {}

    def generation(key: str) -> Any:
        value: Any = metadata
        for part in ("generation", key, "value"):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    prompts = [generation(key) for key in ("prompt", "negative_prompt")]
    long, short = (prompt if isinstance(prompt, str) else "" for prompt in prompts)
    names = []
    for key in ("models", "loras"):
        of_key = generation(key)
        listed = of_key[:32] if isinstance(of_key, list) else []
        found = [item["name"][:255] for item in listed if isinstance(item, dict) and isinstance(item.get("name"), str)]
        names.append(" ".join(found))
    told = (workflow, step, chain, " ".join(names), reason, f"{long[:6000]} {short[:2000]}")
    return (
        artifact_id,
        search_row,
        *(
            text if text is None else re.sub(f"[{fulltext.UNDIVIDED}]", r" \g<0> ", text)
            for text in (filename, tags, *told)
        ),
    )


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
        numbers = [row["version"] for row in versions]
        assert numbers == sorted(set(numbers)), "no version number is used twice"
    assert set(current) <= {row["id"] for row in there}, "a current artifact is not in the trash"


def _check_trash(chains: dict[str, str | None], workflows: list[Row], artifacts: list[Row]) -> None:
    deleted = {row["id"]: chains.get(row["chain_id"]) for row in workflows}
    for row in workflows:
        assert row["chain_deleted_at"] == deleted[row["id"]], "a workflow is in the trash with its chain"
    for row in artifacts:
        assert row["chain_deleted_at"] == deleted[row["workflow_id"]], "an artifact is in the trash with its chain"


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


def check_log_tells_the_rows(library: Library) -> None:
    """Read from its beginning, the log comes to what the rows say: no change is without its event, or has it twice."""
    with library.reading():
        tables = {
            "chain": {row["id"]: row["status"] for row in models.Chain.select().dicts()},
            "workflow": {row["id"]: row["status"] for row in models.Workflow.select().dicts()},
            "attempt": {row["id"]: row["status"] for row in models.Attempt.select().dicts()},
            "transfer": {row["id"]: row["status"] for row in models.Transfer.select().dicts()},
        }
        workflows = {row["id"]: row["latest_artifact_id"] for row in models.Workflow.select().dicts()}
        artifacts = list(models.Artifact.select().dicts())
        tags = {(row["artifact_id"], row["tag"]) for row in models.Tag.select().dicts()}
        told = Told()
        for row in models.Event.select().order_by(models.Event.seq).dicts():
            told.hear(row, json.loads(row["after"] or "null") or {}, json.loads(row["before"] or "null") or {})
    for entity, rows in tables.items():
        assert rows == told.statuses[entity], f"the log tells of the status of each {entity}"
    assert workflows == {id: told.current.get(id) for id in workflows}, "the log tells what is current"
    for row in artifacts:
        known = told.artifacts[row["id"]]
        assert {key: row[key] for key in known} == known, "the log tells of each artifact"
    assert {row["id"] for row in artifacts} == set(told.artifacts), "the log tells which artifacts there are"
    heads = {(row["workflow_id"], row["output_key"]): row["id"] for row in artifacts if row["is_head"]}
    assert heads == {key: id for key, id in told.heads.items() if id is not None}, "the log tells of each head"
    assert tags == told.tags, "the log tells of each tag"


class Told:
    """What is known to somebody who reads the log and nothing else."""

    def __init__(self) -> None:
        self.statuses: dict[str, dict[str, str]] = {"chain": {}, "workflow": {}, "attempt": {}, "transfer": {}}
        self.current: dict[str, str | None] = {}
        self.heads: dict[tuple[str, str], str | None] = {}
        self.artifacts: dict[str, Row] = {}
        self.tags: set[tuple[str, str]] = set()
        self._chains: dict[str, str | None] = {}
        self._owners: dict[tuple[str, str], str] = {}
        self._transfers: dict[str, list[str]] = {}

    def hear(self, event: Row, after: Row, before: Row) -> None:
        """Take in the next event."""
        id, action = event["entity_id"], event["action"]
        if event["entity_type"] in self.statuses and "status" in after:
            self.statuses[event["entity_type"]][id] = after["status"]
            self._owners.setdefault((event["entity_type"], id), event["workflow_id"])
        if action in ("workflow.created", "workflow.imported"):
            self._chains[id] = event["chain_id"]
        elif action == "workflow.current_changed":
            self.current[id] = after["latest_artifact_id"]
        elif action == "chain.purged" or (action == "chain.deleted" and event["after"] is None):
            self._forget(id)
        elif action == "transfer.created":
            self._transfers.setdefault(after.get("artifact_id", ""), []).append(id)
        elif event["entity_type"] == "artifact":
            self._hear_of_artifact(id, action, event, after, before)

    def _hear_of_artifact(self, id: str, action: str, event: Row, after: Row, before: Row) -> None:
        if action in ("artifact.recorded", "artifact.edited", "artifact.restored", "artifact.imported"):
            assert id not in self.artifacts, "an artifact is recorded once"
            told = ("output_key", "version", "approval_status", "filename", "file_size", "sha256")
            self.artifacts[id] = {**{key: after[key] for key in told}, "workflow_id": event["workflow_id"]}
            self.tags |= {(id, tag) for tag in after.get("tags", ())}
            return
        if action == "artifact.purged":
            del self.artifacts[id]
            self.tags = {(one, tag) for one, tag in self.tags if one != id}
            for transfer in self._transfers.get(id, ()):
                self.statuses["transfer"].pop(transfer, None)
            return
        known = self.artifacts[id]
        output = (known["workflow_id"], known["output_key"])
        known.update({key: after[key] for key in ("approval_status", "deleted_at", "decided_by") if key in after})
        if action in ("artifact.head_changed", "artifact.deleted"):
            self.heads[output] = after["head_artifact_id"]
        if action == "artifact.tagged":
            self.tags.add((id, after["tag"]))
        elif action == "artifact.untagged":
            self.tags.discard((id, before["tag"]))

    def _forget(self, chain_id: str) -> None:
        """A chain was deleted with all that was in it."""
        del self.statuses["chain"][chain_id]
        gone = {workflow for workflow, chain in self._chains.items() if chain == chain_id}
        for (entity, id), workflow in self._owners.items():
            if workflow in gone or id in gone:
                self.statuses[entity].pop(id, None)
        self.artifacts = {id: row for id, row in self.artifacts.items() if row["workflow_id"] not in gone}
        self.heads = {key: id for key, id in self.heads.items() if key[0] not in gone}
        self.tags = {(id, tag) for id, tag in self.tags if id in self.artifacts}


def stored_files(library: Library) -> set[str]:
    """The files in the store, by their places in it."""
    root = library.store.root
    return {path.relative_to(root).as_posix() for path in (root / "files").rglob("*") if path.is_file()}


def named_files(library: Library) -> set[str]:
    """The files that rows name, by their places in the store."""
    with library.reading():
        return {path for (path,) in models.Artifact.select(models.Artifact.local_path).tuples()}
