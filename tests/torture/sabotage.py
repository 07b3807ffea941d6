"""Owns ways to break the program in a process, each of which the checks have to find."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import decisions, events, opening, pointers, recording, recovery, repeats
from comfyui_artifact_db.storage import local, staging
from comfyui_artifact_db.storage.local import Store


def intent_removed_before_the_commit() -> None:
    """A crash between the two loses the record, and leaves a file that nobody knows."""
    complete = recording.complete

    def forgetful(library: Any, intent: Any) -> Any:
        intent.path.unlink()
        return complete(library, intent)

    recording.complete = forgetful


def file_placed_after_the_commit() -> None:
    """A crash between the two leaves a row without its file, where nobody recovers it."""
    place, complete = Store.place, recording.complete

    def late(library: Any, intent: Any) -> Any:
        recorded = complete(library, intent)
        intent.path.unlink()
        place(library.store, intent)
        return recorded

    Store.place = lambda store, intent: None  # type: ignore[method-assign]
    recording.complete = late


def acknowledged_before_the_commit() -> None:
    """The rows are written a while after the answer."""
    record = recording.record

    def hasty(library: Any, outputs: Any, **named: Any) -> Any:
        threading.Timer(0.02, record, (library, outputs), named).start()
        ids = tuple(new.artifact_id for new, _ in outputs)
        return recording.Recorded(named["workflow_id"], ids)

    recording.record = hasty  # type: ignore[assignment]


def nobody_recovers() -> None:
    """What was promised stays undone."""
    recovery.recover_abandoned = lambda library: 0
    opening.recovery.recover_abandoned = recovery.recover_abandoned


def living_processes_are_recovered_too() -> None:
    """A staging folder's lock is taken for free, whoever holds it."""

    class Nobodys(nullcontext):  # type: ignore[type-arg]
        def __init__(self, path: str, **_: Any) -> None:
            super().__init__()
            self.lock_file = path

        def acquire(self, **_: Any) -> None:
            open(self.lock_file, "a").close()

        def release(self) -> None:
            pass

    staging.FileLock = Nobodys  # type: ignore[misc, assignment]


def decision_without_its_event() -> None:
    """An approval changes the row, and the log does not know."""
    update = decisions._update

    def silent(tx: Any, row: Any, action: str, *more: Any, **columns: Any) -> None:
        if action == "artifact.approved":
            tx.log = lambda *_, **__: None
        update(tx, row, action, *more, **columns)

    decisions._update = silent


def event_written_twice() -> None:
    """Every recorded artifact has two events, the chain of hashes intact."""
    append = events.append

    def doubling(previous: Any, **row: Any) -> Any:
        last = append(previous, **row)
        return append(last, **row) if row["action"] == "artifact.recorded" else last

    events.append = doubling


def pointer_moved_after_the_commit() -> None:
    """The workflow's pointer is moved in a transaction of its own, after that of the flags and the event."""
    writing, point = opening.Library.writing, pointers._point

    def late(tx: Any, workflow_id: str, to: Any, source: Any) -> None:
        with connect(tx.library) as connection:
            query = "SELECT latest_artifact_id FROM workflows WHERE id = ?"
            before = connection.execute(query, (workflow_id,)).fetchone()
        point(tx, workflow_id, to, source)
        if before is not None and before != (None,):
            models.Workflow.update(latest_artifact_id=before[0]).where(models.Workflow.id == workflow_id).execute()
            tx.library.__dict__.setdefault("late", []).append((to and to["id"], workflow_id))

    @contextmanager
    def twice(library: Any, actor: str) -> Iterator[Any]:
        with writing(library, actor) as tx:
            yield tx
        for pointer in library.__dict__.pop("late", []):
            time.sleep(0.01)
            with connect(library) as connection:
                connection.execute("UPDATE workflows SET latest_artifact_id = ? WHERE id = ?", pointer)

    @contextmanager
    def connect(library: Any) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(library.database.path, timeout=30)) as connection, connection:
            yield connection

    pointers._point = late
    opening.Library.writing = twice  # type: ignore[method-assign, assignment]


def key_forgotten() -> None:
    """A request that comes again with its key is done again."""
    repeats.claim = lambda tx, entity_type, entity_id: None
    repeats.find = lambda library, request: None


def nothing_synced() -> None:
    """Files, intents and folders are left to the operating system."""
    os.fsync = lambda file: None


def folders_not_synced() -> None:
    """The bytes are on the disk, and perhaps not their names."""
    local.sync_folder = staging.sync_folder = lambda folder: None


WAYS: dict[str, Callable[[], None]] = {
    way.__name__: way
    for way in (
        intent_removed_before_the_commit,
        file_placed_after_the_commit,
        acknowledged_before_the_commit,
        nobody_recovers,
        living_processes_are_recovered_too,
        decision_without_its_event,
        event_written_twice,
        pointer_moved_after_the_commit,
        key_forgotten,
        nothing_synced,
        folders_not_synced,
    )
}


def apply(way: str | None) -> None:
    """Break this process in that way; None leaves it whole."""
    if way is not None:
        WAYS[way]()
