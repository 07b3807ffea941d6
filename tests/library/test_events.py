"""Every public function that changes something adds its event in the same transaction, and rolls back with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import Unavailable
from comfyui_artifact_db.library import attempts, chains, decisions, edits, events, runs, trash, workflows
from comfyui_artifact_db.library.opening import Library
from peewee import IntegrityError
from reviewing import edit

Step = Callable[["Scene"], Any]


class Scene:
    """One chain with one workflow of two versions, and what else the steps below ask for."""

    def __init__(self, library: Library, pictures: Any) -> None:
        self.library, self.pictures = library, pictures
        self.chain, _ = chains.create_chain(library, name="film", actor="tester")
        run = runs.Run("gpu-a", "p1", "text-to-image", chain="film", step="a")
        self.first = pictures.one(run=run)
        self.workflow_id = self.first.workflow_id
        self.second = pictures.one(workflow_id=self.workflow_id)
        self.pending = pictures.one(workflow_id=self.workflow_id, status="pending")
        self.deleted = trash.delete(library, pictures.one(workflow_id=self.workflow_id).id, by="tester")
        decisions.tag(library, self.first.id, "old", by="tester")


CHANGES: dict[str, tuple[Step, list[str]]] = {
    "create_chain": (lambda s: chains.create_chain(s.library, name="new", actor="ann"), ["chain.created"]),
    "update_chain": (
        lambda s: chains.update_chain(s.library, s.chain.id, status="completed", actor="ann"), ["chain.updated"],
    ),
    "delete_chain": (lambda s: chains.delete_chain(s.library, s.chain.id, actor="ann"), ["chain.deleted"]),
    "create_workflow": (
        lambda s: workflows.create_workflow(s.library, workflow_name="w", prompt_id="p", actor="ann"),
        ["workflow.created", "attempt.created"],
    ),
    "update_workflow": (
        lambda s: workflows.update_workflow(s.library, s.workflow_id, status="failed", actor="ann"),
        ["workflow.updated", "attempt.updated"],
    ),
    "finish": (
        lambda s: attempts.finish(
            s.library, server_address="gpu-a", prompt_id="p1", status="completed", error=None, actor="ann"
        ),
        ["attempt.updated", "workflow.updated"],
    ),
    "record": (
        lambda s: s.pictures.one(run=runs.Run("gpu-a", "p9", "w", chain="new", step="b"), actor="ann"),
        [
            *("chain.created", "workflow.created", "attempt.created", "artifact.recorded"),
            *("artifact.head_changed", "workflow.current_changed"),
        ],
    ),
    "edit": (
        lambda s: edit(s.library, s.first.id, by="ann"),
        ["artifact.edited", "artifact.head_changed", "workflow.current_changed"],
    ),
    "restore": (
        lambda s: edits.restore(s.library, s.second.id, s.first.id, by="ann"),
        ["artifact.restored", "artifact.head_changed", "workflow.current_changed"],
    ),
    "approve": (
        lambda s: decisions.approve(s.library, s.pending.id, by="ann"),
        ["artifact.approved", "artifact.head_changed", "workflow.current_changed"],
    ),
    "reject": (lambda s: decisions.reject(s.library, s.second.id, by="ann", reason="no"), ["artifact.rejected"]),
    "ask_again": (lambda s: decisions.ask_again(s.library, s.second.id, by="ann"), ["artifact.review_requested"]),
    "select": (
        lambda s: decisions.select(s.library, s.first.id, by="ann"),
        ["artifact.selected", "artifact.head_changed", "workflow.current_changed"],
    ),
    "tag": (lambda s: decisions.tag(s.library, s.first.id, "new", by="ann"), ["artifact.tagged"]),
    "untag": (lambda s: decisions.untag(s.library, s.first.id, "old", by="ann"), ["artifact.untagged"]),
    "delete": (
        lambda s: trash.delete(s.library, s.second.id, by="ann"),
        ["artifact.head_changed", "workflow.current_changed", "artifact.deleted"],
    ),
    "undelete": (
        lambda s: trash.undelete(s.library, s.deleted.id, by="ann"),
        ["artifact.undeleted", "artifact.head_changed", "workflow.current_changed"],
    ),
}  # fmt: skip


def everything(library: Library) -> list[Any]:
    """All rows of all tables."""
    connection = sqlite3.connect(library.database.path)
    try:
        return [connection.execute(f"SELECT * FROM {table._meta.table_name}").fetchall() for table in models.TABLES]
    finally:
        connection.close()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_adds_its_events_with_its_actor(library: Library, pictures: Any, name: str) -> None:
    scene = Scene(library, pictures)
    before = events.last_seq(library)
    change, actions = CHANGES[name]
    change(scene)
    added = events.list_events(library, after=before)
    assert [event.action for event in added] == actions
    assert {event.actor for event in added} == {"ann"}
    assert len({event.at for event in added}) == 1
    assert set(actions) <= set(events.ACTIONS)
    invariants.check(library)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_whose_event_cannot_be_written_is_not_made(library: Library, pictures: Any, name: str) -> None:
    scene = Scene(library, pictures)
    connection = sqlite3.connect(library.database.path)
    # The last event of each change is what fails, after all its rows were written.
    last = CHANGES[name][1][-1]
    connection.execute(
        f"CREATE TRIGGER full BEFORE INSERT ON events WHEN new.action = '{last}' "
        "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
    )
    connection.commit()
    connection.close()
    before = everything(library)
    change, _ = CHANGES[name]
    files = sorted(path.name for path in library.store.root.rglob("*") if path.is_file())
    with pytest.raises(IntegrityError, match="full"):
        change(scene)
    assert everything(library) == before
    assert sorted(path.name for path in library.store.root.rglob("*") if path.is_file()) == files


def test_every_entity_tells_its_history_from_the_first_event_on(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    decisions.approve(library, picture.id, by="ann")
    decisions.reject(library, picture.id, by="bob", reason="no, too dark")
    history = events.history(library, picture.id)
    assert [event.action for event in history] == [
        *("artifact.recorded", "artifact.head_changed", "artifact.approved", "artifact.rejected")
    ]
    approved, rejected = history[2], history[3]
    assert (approved.before or {})["approval_status"] == "pending"
    assert (approved.after or {})["approval_status"] == "approved"
    assert (approved.after or {})["decided_sha256"] == picture.sha256
    assert (rejected.before or {})["decided_by"] == "ann"
    assert (rejected.after or {})["rejection_reason"] == "no, too dark"
    assert {event.workflow_id for event in history} == {picture.workflow_id}


def test_subscribers_hear_of_the_newest_event_after_each_commit(library: Library, pictures: Any) -> None:
    heard: list[tuple[int, str]] = []
    end = library.subscribe(lambda *told: heard.append(told))
    picture = pictures.one()
    assert heard == [(events.last_seq(library), "tester")]
    decisions.tag(library, picture.id, "nice", by="ann")
    decisions.tag(library, picture.id, "nice", by="ann")
    assert heard[1:] == [(events.last_seq(library), "ann")]
    with pytest.raises(RuntimeError), library.writing("ann") as tx:  # noqa: PT012
        tx.log("artifact.tagged", "artifact", picture.id)
        raise RuntimeError("something else failed")
    end()
    decisions.tag(library, picture.id, "nicer", by="ann")
    assert len(heard) == 2


def test_a_page_of_events_begins_after_the_cursor(library: Library, pictures: Any) -> None:
    pictures.record(keys=tuple(f"9:images:{index}" for index in range(3)))
    last = events.last_seq(library)
    assert [event.seq for event in events.list_events(library, after=2, limit=3)] == [3, 4, 5]
    assert events.list_events(library, after=last) == []
    assert len(events.list_events(library, limit=500)) == last


def test_unavailable_is_not_an_event(library: Library) -> None:
    with pytest.raises(Unavailable), library.writing("ann"):
        raise Unavailable("the database went away in between")
    assert events.last_seq(library) == 0
