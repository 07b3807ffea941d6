"""Does to a database what nobody should, and undoes it; and everything that people may do, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import deleting
import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import (
    artifacts,
    attempts,
    chains,
    decisions,
    edits,
    emptying,
    events,
    pointing,
    proving,
    replaying,
    runs,
    transfers,
    trash,
    workflows,
)
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from making import Pictures
from reviewing import edit

GUARDS = ("events_refuse_update", "events_refuse_delete", "events_refuse_replace")


def forge(library: Library, statement: str, *values: Any) -> None:
    """Change the database behind the library's back."""
    with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(statement, values)


@contextmanager
def unguarded(library: Library) -> Iterator[None]:
    """Without the triggers that refuse to change the log; they are put back."""
    with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        texts = {name: sql for name, sql in connection.execute(query) if name in GUARDS}
        for name in texts:
            connection.execute(f"DROP TRIGGER {name}")
        try:
            yield
        finally:
            for sql in texts.values():
                connection.execute(sql)


@contextmanager
def cut_log(library: Library, first: int, last: int) -> Iterator[None]:
    """Without some of its events; they are put back."""
    with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
        rows = connection.execute("SELECT * FROM events WHERE seq BETWEEN ? AND ?", (first, last)).fetchall()
        assert rows
        with unguarded(library):
            connection.execute("DELETE FROM events WHERE seq BETWEEN ? AND ?", (first, last))
        yield
        for row in rows:
            connection.execute(f"INSERT INTO events VALUES ({', '.join('?' * len(row))})", row)


def forge_without(library: Library, action: str) -> None:
    """Write the log anew without the events of an action, with numbers and hashes that are right."""
    with library.reading():
        log = [row for row in models.Event.select().order_by(models.Event.seq).dicts() if row["action"] != action]
    previous = events.GENESIS
    with (
        unguarded(library),
        closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection,
    ):
        connection.execute("DELETE FROM events")
        for number, row in enumerate(log, start=1):
            row.update(seq=number, previous_hash=previous)
            previous = row["hash"] = events.event_hash(row)
            connection.execute(f"INSERT INTO events VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def seqs(library: Library, action: str) -> list[int]:
    """The numbers of the events of an action."""
    with library.reading():
        query = models.Event.select(models.Event.seq).where(models.Event.action == action)
        return [seq for (seq,) in query.tuples()]


def pointers(library: Library, workflow_id: str) -> tuple[str | None, dict[str, str]]:
    """A workflow's current artifact, and the head of its first output."""
    current = artifacts.get_latest_artifact(library, workflow_id)
    with library.reading():
        rows = list(models.Artifact.select().where(models.Artifact.workflow_id == workflow_id).dicts())
    heads = {row["output_key"]: row["id"] for row in rows if row["is_head"] and row["output_key"] == "9:images:0"}
    return current.id if current else None, heads


def pages_of(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let the checks read pages of so many rows."""
    monkeypatch.setattr(proving, "EVENTS", count)
    monkeypatch.setattr(proving, "FILES", count)
    monkeypatch.setattr(replaying, "PAGE", count)
    monkeypatch.setattr(pointing, "PAGE", count)


def everything(library: Library, pictures: Pictures) -> None:
    """What people and programs do to artifacts, workflows, chains and transfers, once each."""
    run = runs.Run("gpu-a", f"all-{pictures.made}", "text-to-image", chain="everything", step="a")
    first, second = pictures.record(run=run, keys=("9:images:0", "9:images:1"), status="pending", tags=("a", "b"))
    decisions.approve(library, second.id, by="ann")
    decisions.reject(library, first.id, by="ann", reason="too\ndark")
    edited = edit(library, second.id)
    edit(library, edited.id, status="approved", actor="robot")
    edit(library, edited.id, status="pending")
    edits.restore(library, edited.id, second.id, by="bob")
    decisions.select(library, second.id, by="bob")
    decisions.ask_again(library, edited.id, by="bob")
    decisions.tag(library, first.id, "c", by="bob")
    decisions.untag(library, first.id, "a", by="bob")
    trash.delete(library, second.id, by="bob")
    trash.delete(library, first.id, by="bob")
    trash.undelete(library, second.id, by="bob")
    attempts.finish(library, server_address="gpu-a", prompt_id=run.prompt_id, status="completed", error=None, actor="x")
    workflow = workflows.get_workflow(library, first.workflow_id)
    workflows.update_workflow(library, workflow.id, actor="x", status="failed", error_message="no", parameters={"a": 1})
    workflows.update_workflow(library, workflow.id, actor="x", prompt_id=f"again-{pictures.made}")
    assert workflow.chain_id is not None
    chains.update_chain(library, workflow.chain_id, actor="x", status="failed", error_message="no")
    later, _ = workflows.create_workflow(
        library, workflow_name="w", actor="x", prompt_id=f"later-{pictures.made}", parameters={}, requires_approval=True
    )
    transfer = transfers.create_transfer(library, edits_of(library, first), server="gpu-b", by="x",
                                         target_workflow_id=later.id)  # fmt: skip
    for _ in range(2):
        # Nobody listens there: it fails, and is tried again.
        transfers.deliver(library, transfer.id, by="x")
    chain, _ = chains.create_chain(library, name="gone", actor="x")
    gone = runs.Run("gpu-a", f"gone-{pictures.made}", "w", chain=chain.id, step="a")
    doomed = pictures.one(run=gone)
    transfers.create_transfer(library, doomed.id, server="gpu-b", by="x")
    inner, _ = workflows.create_workflow(library, workflow_name="w", actor="x", chain_id=chain.id)
    transfers.create_transfer(library, edits_of(library, first), server="gpu-b", by="x", target_workflow_id=inner.id)
    deleting.for_good(library, chain.id, by="x")
    _through_the_trash(library, pictures)


def _through_the_trash(library: Library, pictures: Pictures) -> None:
    """A chain that is in it, one that was, and artifacts that went with it, out of the middle of a lineage too."""
    for name in ("trash", "back"):
        run = runs.Run("gpu-a", f"{name}-{pictures.made}", "w", chain=name, step="a")
        first = pictures.one(run=run, tags=("t",))
        trash.delete(library, pictures.one(workflow_id=first.workflow_id).id, by="x")
        chain_id = workflows.get_workflow(library, first.workflow_id).chain_id
        assert chain_id is not None
        chains.delete_chain(library, chain_id, actor="x")
        pictures.one(run=run)
        if name == "back":
            chains.undelete_chain(library, chain_id, actor="x")
    first = pictures.one()
    second = edit(library, first.id)
    third = edit(library, second.id)
    decisions.select(library, first.id, by="x")
    for one in (second, third):
        trash.delete(library, one.id, by="x")
    emptying.empty(library, by="x", ids=[second.id, third.id])
    edit(library, first.id)


def edits_of(library: Library, artifact: Artifact) -> str:
    """A usable artifact of the same workflow."""
    current = artifacts.get_latest_artifact(library, artifact.workflow_id)
    assert current is not None
    return current.id


Change = Callable[[], object]


def _of_pending(do: Callable[[Library, str], object]) -> Callable[[Library, Pictures, Artifact], Change]:
    def prepare(library: Library, pictures: Pictures, _: Artifact) -> Change:
        picture = pictures.one(status="pending")
        return lambda: do(library, picture.id)

    return prepare


def _of_film(do: Callable[[Library, Artifact], object]) -> Callable[[Library, Pictures, Artifact], Change]:
    return lambda library, _, film: lambda: do(library, film)


def _selecting(library: Library, pictures: Pictures, _: Artifact) -> Change:
    _, other = pictures.record(keys=("9:images:0", "9:images:1"))
    return lambda: decisions.select(library, other.id, by="ann")


def _retrying(library: Library, _: Pictures, film: Artifact) -> Change:
    transfer = transfers.create_transfer(library, film.id, server="gpu-b", by="ann")
    return lambda: transfers.deliver(library, transfer.id, by="ann")


def _emptying(library: Library, pictures: Pictures, _: Artifact) -> Change:
    trash.delete(library, pictures.one().id, by="ann")
    return lambda: emptying.empty(library, by="ann")


def _taking_out(library: Library, _: Pictures, film: Artifact) -> Change:
    chain_id = str(workflows.get_workflow(library, film.workflow_id).chain_id)
    chains.delete_chain(library, chain_id, actor="ann")
    return lambda: chains.undelete_chain(library, chain_id, actor="ann")


CHANGES: dict[str, Callable[[Library, Pictures, Artifact], Change]] = {
    "record": lambda library, pictures, film: pictures.one,
    "approve": _of_pending(lambda library, id: decisions.approve(library, id, by="ann")),
    "reject": _of_pending(lambda library, id: decisions.reject(library, id, by="ann", reason="no")),
    "ask again": _of_film(lambda library, film: decisions.ask_again(library, film.id, by="ann")),
    "edit": _of_film(lambda library, film: edit(library, film.id)),
    "restore": _of_film(lambda library, film: edits.restore(library, film.id, film.id, by="ann")),
    "select": _selecting,
    "tag": _of_film(lambda library, film: decisions.tag(library, film.id, "hero", by="ann")),
    "delete": _of_film(lambda library, film: trash.delete(library, film.id, by="ann")),
    "create a chain": _of_film(lambda library, film: chains.create_chain(library, name="c", actor="ann")),
    "create a workflow": _of_film(
        lambda library, film: workflows.create_workflow(library, workflow_name="w", actor="ann", prompt_id="p9")
    ),
    "end a workflow": _of_film(
        lambda library, film: workflows.update_workflow(library, film.workflow_id, actor="ann", status="failed")
    ),
    "create a transfer": _of_film(
        lambda library, film: transfers.create_transfer(library, film.id, server="gpu-b", by="ann")
    ),
    "deliver": _retrying,
    "empty the trash": _emptying,
    "take a chain out": _taking_out,
    "delete a chain": _of_film(
        lambda library, film: chains.delete_chain(
            library, str(workflows.get_workflow(library, film.workflow_id).chain_id), actor="ann"
        )
    ),
}
"""Every kind of change; what its preparation records is not part of it."""
