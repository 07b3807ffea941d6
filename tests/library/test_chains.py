"""Chains: made once however often they are asked for, and changed one revision at a time."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.db.statuses import FINISHED_CHAIN
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound, StaleRevision
from comfyui_artifact_db.library import chains, events, identities
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Chain


def make(library: Library, **columns: Any) -> tuple[Chain, bool]:
    return chains.create_chain(library, **{"name": "film", "actor": "runner", **columns})


def test_a_chain_keeps_everything_it_is_given(library: Library) -> None:
    given: dict[str, Any] = {
        "name": "Von Foto zu Film — №1",
        "description": "two\nlines",
        "chain_definition": {"steps": [{"id": "a"}], "ü": None},
        "status": "executing_level_2",
        "current_level": 2,
        "temporal_workflow_id": "t-1",
        "temporal_run_id": "r-1",
    }
    made, new = make(library, **given)
    assert new
    assert made == chains.get_chain(library, made.id) == chains.get_chain(library, made.id.upper())
    assert {name: getattr(made, name) for name in given} == given
    assert made.started_at == made.created_at == made.updated_at
    assert (made.revision, made.completed_at, made.error_message) == (1, None, None)


@pytest.mark.parametrize("status", FINISHED_CHAIN)
def test_a_chain_that_had_ended_before_it_was_told_of_has_an_end(library: Library, status: str) -> None:
    made, _ = make(library, status=status)
    assert made.completed_at == made.started_at


def test_the_same_call_again_answers_with_the_same_chain(library: Library) -> None:
    chain_id = identities.new_id()
    definition = {"steps": [{"id": "a", "depends_on": []}]}
    first, new = make(library, id=chain_id, chain_definition=definition, temporal_workflow_id="t-1")
    chains.update_chain(library, chain_id, status="completed", actor="runner")
    seq = events.last_seq(library)
    again, made = make(library, id=chain_id.upper(), chain_definition=definition, temporal_workflow_id="t-1")
    assert (new, made) == (True, False)
    assert (again.id, again.status) == (first.id, "completed")
    assert events.last_seq(library) == seq


@pytest.mark.parametrize(
    "other", [{"name": "other"}, {"description": "other"}, {"chain_definition": {}}, {"temporal_workflow_id": "other"}]
)
def test_the_same_id_for_another_chain_is_a_conflict(library: Library, other: dict[str, Any]) -> None:
    first, _ = make(library)
    with pytest.raises(Conflict, match=next(iter(other))) as refused:
        make(library, id=first.id, **other)
    assert refused.value.data["id"] == first.id


def test_a_temporal_id_belongs_to_one_chain(library: Library) -> None:
    first, _ = make(library, temporal_workflow_id="t-1")
    second, _ = make(library)
    with pytest.raises(Conflict) as refused:
        make(library, temporal_workflow_id="t-1")
    assert refused.value.data["id"] == first.id
    with pytest.raises(Conflict):
        chains.update_chain(library, second.id, temporal_workflow_id="t-1", actor="runner")
    assert chains.update_chain(library, first.id, temporal_workflow_id="t-1", actor="runner") == first


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a/../b"}, "name"),
        ({"name": "C:film"}, "name"),
        ({"name": 7}, "name"),
        ({"id": "film"}, "id"),
        ({"status": "executing"}, "status"),
        ({"status": "executing_level_"}, "status"),
        ({"status": "executing_level_x"}, "status"),
        ({"status": "executing_level_-1"}, "status"),
        ({"status": "queued"}, "status"),
        ({"status": None}, "status"),
        ({"current_level": -1}, "current_level"),
        ({"current_level": True}, "current_level"),
        ({"current_level": 1.5}, "current_level"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(library: Library, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        make(library, **wrong)
    assert refused.value.field == field
    assert events.last_seq(library) == 0


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_finished_chain_has_a_time_of_completion_until_it_goes_on(library: Library, status: str) -> None:
    chain, _ = make(library)
    finished = chains.update_chain(library, chain.id, status=status, error_message="why", actor="runner")
    assert (finished.status, finished.error_message, finished.revision) == (status, "why", 2)
    assert finished.completed_at == finished.updated_at
    again = chains.update_chain(library, chain.id, status="executing_level_1", current_level=1, actor="runner")
    assert (again.completed_at, again.current_level) == (None, 1)


def test_a_change_that_changes_nothing_adds_no_event_and_no_revision(library: Library) -> None:
    chain, _ = make(library)
    seq = events.last_seq(library)
    assert chains.update_chain(library, chain.id, status="initializing", current_level=0, actor="runner") == chain
    assert events.last_seq(library) == seq


def test_a_change_on_an_older_revision_is_refused(library: Library) -> None:
    chain, _ = make(library)
    chains.update_chain(library, chain.id, status="completed", actor="runner", revision=1)
    for change in (
        lambda: chains.update_chain(library, chain.id, status="failed", actor="runner", revision=1),
        lambda: chains.delete_chain(library, chain.id, actor="runner", revision=1),
    ):
        with pytest.raises(StaleRevision) as refused:
            change()
        assert refused.value.data["revision"] == 2
    assert chains.get_chain(library, chain.id).status == "completed"


@pytest.mark.parametrize("column", ["id", "name", "created_at", "colour"])
def test_only_what_may_change_can_be_changed(library: Library, column: str) -> None:
    chain, _ = make(library)
    with pytest.raises(Invalid) as refused:
        chains.update_chain(library, chain.id, actor="runner", **{column: "x"})
    assert refused.value.field == column
    assert chains.get_chain(library, chain.id) == chain


def test_what_is_not_there_is_not_found(library: Library) -> None:
    nobody = identities.new_id()
    for ask in (
        lambda: chains.get_chain(library, nobody),
        lambda: chains.get_chain(library, "film"),
        lambda: chains.update_chain(library, nobody, status="failed", actor="runner"),
        lambda: chains.delete_chain(library, nobody, actor="runner"),
    ):
        with pytest.raises(NotFound):
            ask()
