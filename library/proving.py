"""Owns the proofs of the event chain and of the stored files, a page at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, all_tuples, first_row
from ..errors import StoreFailed
from . import events, findings, replaying
from .findings import Finding, read_json
from .replaying import Advance

if TYPE_CHECKING:
    from .opening import Library

Row = dict[str, Any]

EVENTS = 1000
"""Events in a page."""

FILES, BYTES = 256, 1024**3
"""Files in a page, and the bytes after which it ends before that."""

THREADS = min(8, os.cpu_count() or 1)

_KINDS = {action: kind for kind, actions in replaying.CREATING.items() for action in actions}
_MODELS = {kind.name: kind.model for kind in replaying.KINDS}


def prove_log(library: Library, after: list[Any] | None, advance: Advance) -> tuple[list[Finding], list[Any] | None]:
    """Prove the page of events that follows `after`: numbers, hashes, and that each row they made is there.

    Args:
        after: number and hash of the last proven event; None at the beginning.
        advance: hears how many events there were.
    Returns:
        What is wrong; and number and hash of the page's last event, None where there are no more.
    """
    seq, last_hash = after or (0, events.GENESIS)
    table = models.Event
    found = []
    with library.reading():
        rows = all_rows(table.select().where(table.seq > seq).order_by(table.seq).limit(EVENTS))
        for row in rows:
            found += _prove_event(row, seq, last_hash)
            seq, last_hash = row["seq"], row["hash"]
        found += _missing_rows(rows)
    advance(len(rows))
    return found, [seq, last_hash] if len(rows) == EVENTS else None


def prove_anchor(library: Library, seq: int, digest: str, at: str) -> list[Finding]:
    """Whether an event that was proven before, `at` that time, is still there as it was."""
    with library.reading():
        row = first_row(models.Event.select(models.Event.hash).where(models.Event.seq == seq))
    if row is not None and row["hash"] == digest:
        return []
    what = "it ends before that" if row is None else "it has another hash now"
    message = f"the log was proven up to this event on {at}, and {what}; after restoring a backup, use --restart once"
    return [Finding("log_cut", "event", str(seq), message)]


def _prove_event(row: Row, seq: int, last_hash: str) -> list[Finding]:
    number = row["seq"]
    if number != seq + 1:
        gap = f"event {seq + 1} is" if number == seq + 2 else f"events {seq + 1} to {number - 1} are"
        return [_of_event("event_missing", row, f"{gap} missing before it"), *_prove_hash(row)]
    if row["previous_hash"] != last_hash:
        message = f"it does not follow event {seq} as that stands in the log: that one was replaced, or edited anew"
        return [_of_event("event_changed", row, message), *_prove_hash(row)]
    return _prove_hash(row)


def _prove_hash(row: Row) -> list[Finding]:
    if events.event_hash(row) == row["hash"]:
        return []
    return [_of_event("event_changed", row, f"{row['action']} of {row['at']} was edited: its hash is of another text")]


def _of_event(kind: str, row: Row, message: str) -> Finding:
    what: dict[str, Any] = {"entity_type": "event", "entity_id": str(row["seq"])}
    if row["entity_type"] == "artifact":
        return findings.of_artifact(kind, row["entity_id"], message, **what)
    told = read_json(row["after"]) or {}
    for name in ("artifact_id", "latest_artifact_id"):
        if isinstance(told.get(name), str):
            return findings.of_artifact(kind, told[name], message, **what)
    if row["workflow_id"] is not None:
        return replace(findings.of_workflow(kind, row["workflow_id"], message), **what)
    return Finding(kind, "event", str(row["seq"]), message)


def _missing_rows(rows: list[Row]) -> list[Finding]:
    """Rows that events made, that are not there, and that no deletion took."""
    made = {row["entity_id"]: row for row in rows if row["action"] in _KINDS}
    for kind, model in _MODELS.items():
        ids = [row["entity_id"] for row in made.values() if _KINDS[row["action"]] == kind]
        for (found,) in all_tuples(model.select(model.id).where(model.id.in_(ids))):
            del made[found]
    deleted = _deleted(row["chain_id"] for row in made.values()) | _deleted(made)
    left = [row for row in made.values() if row["chain_id"] not in deleted and row["entity_id"] not in deleted]
    return [_lost(row) for row in left if row["entity_type"] != "transfer" or _must_be_there(row)]


def _deleted(ids: Iterable[str | None]) -> set[str]:
    """Those of some chains and artifacts that are deleted for good."""
    table = models.Event
    wanted = [entity_id for entity_id in set(ids) if entity_id is not None]
    removing = table.action.in_(replaying.REMOVING) | ((table.action == replaying.TRASHED) & table.after.is_null())
    query = table.select(table.entity_id).where(table.entity_id.in_(wanted) & removing)
    return {entity_id for (entity_id,) in all_tuples(query)}


def _must_be_there(row: Row) -> bool:
    """A transfer goes with its artifact, and with the workflow that it was for."""
    told = read_json(row["after"]) or {}
    if "target_workflow_id" not in told:
        return False
    artifact = models.Artifact.select().where(models.Artifact.id == told.get("artifact_id")).exists()
    target = told["target_workflow_id"]
    return bool(artifact and (target is None or models.Workflow.select().where(models.Workflow.id == target).exists()))


def _lost(row: Row) -> Finding:
    message = f"event {row['seq']} ({row['action']} by {row['actor']} on {row['at']}) made it, and its row is gone"
    what = {"entity_type": row["entity_type"], "entity_id": row["entity_id"]}
    return replace(_of_event("row_missing", row, message), **what)


def prove_files(library: Library, after: str | None, advance: Advance) -> tuple[list[Finding], str | None]:
    """Hash the stored files of the page of artifacts whose ids follow `after`, on several threads.

    Args:
        advance: hears the size of each file in bytes, when it is done.
    Returns:
        What is wrong; and the last id of the page, None where there are no more.
    """
    rows, more = _files(library, after)
    found = []
    with ThreadPoolExecutor(THREADS, thread_name_prefix="artifact-db-verify") as pool:
        try:
            for row, finding in zip(rows, pool.map(lambda row: _prove_file(library, row), rows), strict=True):
                found += [finding] if finding is not None else []
                advance(row["file_size"] or 0)
        except BaseException:
            # Whoever interrupts does not wait for all of the page.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found, rows[-1]["id"] if more else None


def _files(library: Library, after: str | None) -> tuple[list[Row], bool]:
    table = models.Artifact
    columns = (table.id, table.local_path, table.sha256, table.file_size, table.bytes_removed_at)
    query = table.select(*columns).order_by(table.id).limit(FILES)
    with library.reading():
        rows = all_rows(query if after is None else query.where(table.id > after))
    page, size = [], 0
    for row in rows:
        page.append(row)
        size += row["file_size"] or 0
        if size >= BYTES:
            break
    return page, len(page) < len(rows) or len(rows) == FILES


def _prove_file(library: Library, row: Row) -> Finding | None:
    if row["bytes_removed_at"] is not None:
        return None
    first = _wrong(library, row)
    if first is None:
        return None
    # What is deleted while this runs is not lost: the row is asked again, and then the file.
    table = models.Artifact
    columns = (table.id, table.local_path, table.sha256, table.file_size, table.bytes_removed_at)
    with library.reading():
        again = first_row(table.select(*columns).where(table.id == row["id"]))
    if again is None or again["bytes_removed_at"] is not None:
        return None
    wrong = _wrong(library, again)
    if wrong is None:
        return None
    with library.reading():
        if not table.select().where(table.id == row["id"]).exists():
            return None
        return findings.of_artifact(wrong[0], row["id"], wrong[1])


def _wrong(library: Library, row: Row) -> tuple[str, str] | None:
    """What is wrong with the file of a row: the kind of finding, and it in words."""
    state = library.store.state(row["local_path"])
    try:
        digest = library.store.digest(row["local_path"])
    except StoreFailed as error:
        return "file_unreadable", str(error)
    if state is None or digest is None:
        return "file_missing", f"its file {row['local_path']} is not in the store"
    if digest == row["sha256"]:
        return None
    size = "" if state.size == row["file_size"] else f" ({state.size} bytes, {row['file_size']} were recorded)"
    told = f"its file {row['local_path']} has other bytes{size}: sha256 {digest}, recorded {row['sha256']}"
    return "file_changed", told
