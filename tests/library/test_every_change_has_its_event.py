"""No function of `library/` changes a row in silence: each is called, and every row compared before and after."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import invariants
import pytest
from calling import BOOKKEEPING, BY, CALLS, Call, Scene
from comfyui_artifact_db import library as floor
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library.opening import Library

Dump = dict[str, list[Any]]

TRASH = ("chain.deleted", "chain.undeleted", "chain.emptied")
TELLING = {
    "chains": ("chain.",),
    "workflows": ("workflow.", *TRASH),
    "attempts": ("attempt.", "chain.emptied"),
    "artifacts": ("artifact.", "workflow.current_changed", *TRASH),
    "artifact_transfers": ("transfer.", "chain.emptied", "artifact.purged"),
    "tags": ("artifact.", "chain.emptied"),
    "lineage": ("attempt.", "artifact.recorded", "transfer.updated", "chain.emptied", "artifact.purged"),
    "purged_versions": ("artifact.purged",),
    "purged_relations": ("artifact.purged", "chain.emptied"),
    "tokens": ("token.",),
    "sessions": ("token.",),
    "drives": ("chain.",),
    "overrides": ("attempt.", "chain.deleted"),
}
"""How the events begin that tell of a change to a table."""

DERIVED = ("artifact_search", "artifact_names", "artifact_filters", "tag_counts")
"""Indexes in tables of their own, which triggers keep."""


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function of the floor that takes a library."""
    found = {}
    for module in pkgutil.iter_modules(floor.__path__):
        loaded = importlib.import_module(f"{floor.__name__}.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if function.__module__ == loaded.__name__ and not name.startswith("_") and takes_a_library(function):
                found[f"{module.name}.{name}"] = function
    return found


def takes_a_library(function: Callable[..., Any]) -> bool:
    return any(parameter.annotation == "Library" for parameter in inspect.signature(function).parameters.values())


MARKS = {"chain_deleted_at"}
"""What changes without the row's revision: a chain in the trash is to come back as it was."""


def dump(library: Library) -> Dump:
    """Every row of every table but the log."""
    with closing(sqlite3.connect(library.database.path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr)
            for name in names
            if name != "events" and not name.startswith(("sqlite_", *DERIVED))
        }


def log(library: Library) -> list[dict[str, Any]]:
    with library.reading():
        return list(models.Event.select().order_by(models.Event.seq).dicts())


def silent(scene: Scene, call: Call) -> list[str]:
    """The tables that a call has changed, and no event of it tells of; nothing where it is as it should be."""
    given = () if call.before is None else (call.before(scene),)
    before, known = dump(scene.library), log(scene.library)
    call.call(scene, *given)
    after, events = dump(scene.library), log(scene.library)
    assert events[: len(known)] == known, "the log only grows"
    added = events[len(known) :]
    changed = {name for name in after if after[name] != before[name]}
    assert bool(changed) == call.changes, f"it changed {sorted(changed) or 'nothing'}"
    if call.told and call.changes:
        assert added
        assert changed & TELLING.keys()
        assert {event["actor"] for event in added} <= {BY, "ann"}, "an event says who did it"
    actions = [event["action"] for event in added]
    told = {name for name in changed if any(action.startswith(TELLING.get(name, ())) for action in actions)}
    return sorted(changed - BOOKKEEPING - told)


def test_every_function_that_takes_a_library_is_called_here() -> None:
    missing = sorted(functions().keys() - CALLS.keys())
    assert missing == [], "a new function of the library belongs into the table in tests/calling.py"
    assert sorted(CALLS.keys() - functions().keys()) == [], "the table in tests/calling.py has what is not there"


def revised(library: Library) -> dict[tuple[str, str], tuple[int, dict[str, Any]]]:
    """The rows that have a revision, by table and id, each with that."""
    tables = (models.Chain, models.Workflow, models.Artifact)
    with library.reading():
        rows = [(table._meta.table_name, row) for table in tables for row in table.select().dicts()]
    return {(name, row["id"]): (row["revision"], row) for name, row in rows}


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.changes])
def test_what_a_function_changes_has_another_revision_and_tells_its_chain(library: Library, name: str) -> None:
    scene, call = Scene(library), CALLS[name]
    given = () if call.before is None else (call.before(scene),)
    before, known = revised(library), len(log(library))
    call.call(scene, *given)
    after = revised(library)
    stale = {
        key: changed
        for key, (revision, row) in after.items()
        if key in before
        and (changed := {column for column in row if row[column] != before[key][1][column]} - MARKS)
        and revision <= before[key][0]
    }
    assert stale == {}
    chain_of = {key[1]: row["chain_id"] for key, (_, row) in after.items() if key[0] == "workflows"}
    added = [event for event in log(library)[known:] if event["workflow_id"] in chain_of]
    assert {event["action"] for event in added if event["chain_id"] != chain_of[event["workflow_id"]]} == set()


@pytest.mark.parametrize("name", CALLS)
def test_what_a_function_changes_is_in_the_log(library: Library, name: str) -> None:
    scene = Scene(library)
    assert silent(scene, CALLS[name]) == []
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)


def test_a_change_in_silence_is_found(library: Library) -> None:
    def hush(scene: Scene) -> None:
        with scene.library.writing(BY):
            models.Artifact.update(approval_status="approved").where(models.Artifact.id == scene.usable.id).execute()

    assert silent(Scene(library), Call(hush, changes=True, told=False)) == ["artifacts"]


def test_a_change_that_another_event_does_not_tell_of_is_found(library: Library) -> None:
    def half(scene: Scene) -> None:
        with scene.library.writing(BY) as tx:
            tx.log("workflow.updated", "workflow", scene.workflow_id, after={"status": "executing"})
            models.Workflow.update(error_message="?").where(models.Workflow.id == scene.workflow_id).execute()
            models.Transfer.update(status="failed").execute()
            models.Token.update(role="admin").execute()

    assert silent(Scene(library), Call(half, changes=True)) == ["artifact_transfers", "tokens"]


def test_a_call_that_changes_nothing_is_no_proof(library: Library) -> None:
    with pytest.raises(AssertionError, match="nothing"):
        silent(Scene(library), Call(lambda scene: None, changes=True))
