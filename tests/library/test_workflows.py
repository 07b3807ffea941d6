"""Workflows: made once however often they are asked for, changed with their attempts."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.db.statuses import ENDED, WORKFLOW_STATUSES
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound, StaleRevision, UnknownServer
from comfyui_artifact_db.library import attempts, chains, decisions, events, identities, runs, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Workflow


def make(library: Library, **columns: Any) -> tuple[Workflow, bool]:
    return workflows.create_workflow(library, **{"workflow_name": "upscale", "actor": "runner", **columns})


def test_a_workflow_keeps_everything_it_is_given(library: Library) -> None:
    chain, _ = chains.create_chain(library, name="film", actor="runner")
    given: dict[str, Any] = {
        "chain_id": chain.id,
        "step_id": "edit_frame1",
        "prompt_id": "p1",
        "status": "executing",
        "requires_approval": True,
        "workflow_definition": {"1": {"class_type": "LoadImage", "inputs": {"image": "ü.png"}}},
        "parameters": {"1.image": "a.png", "n": [1, 2.5, None, True]},
        "temporal_workflow_id": "t-1",
        "temporal_run_id": "r-1",
    }
    made, new = make(library, server="gpu-b", **given)
    assert new
    assert made == workflows.get_workflow(library, made.id)
    assert {name: getattr(made, name) for name in given} == given
    assert made.server_address == "gpu-b"
    assert made.started_at == made.queued_at == made.created_at == made.updated_at
    assert (made.revision, made.latest_artifact_id, made.completed_at) == (1, None, None)


def test_the_same_call_again_answers_with_the_same_workflow(library: Library) -> None:
    workflow_id = identities.new_id()
    first, new = make(library, id=workflow_id.upper(), prompt_id="p1")
    seq = events.last_seq(library)
    again, made = make(library, id=workflow_id, prompt_id="p1")
    assert (first, new, made) == (again, True, False)
    assert events.last_seq(library) == seq
    assert len(attempts.list_attempts(library, workflow_id)) == 1


def test_a_repeated_call_does_not_set_back_what_has_moved_on(library: Library) -> None:
    first, _ = make(library, id=identities.new_id(), prompt_id="p1")
    workflows.update_workflow(library, first.id, status="completed", actor="runner")
    again, made = make(library, id=first.id, prompt_id="p1")
    assert (again.status, made) == ("completed", False)


@pytest.mark.parametrize("other", [{"workflow_name": "other"}, {"step_id": "other"}, {"requires_approval": True}])
def test_the_same_id_for_another_workflow_is_a_conflict(library: Library, other: dict[str, Any]) -> None:
    first, _ = make(library)
    with pytest.raises(Conflict, match=next(iter(other))) as refused:
        make(library, id=first.id, **other)
    assert refused.value.data["id"] == first.id


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"workflow_name": ""}, "workflow_name"),
        ({"workflow_name": "../secret"}, "workflow_name"),
        ({"workflow_name": "http://evil/"}, "workflow_name"),
        ({"step_id": "a/b"}, "step_id"),
        ({"chain_id": "film"}, "chain_id"),
        ({"id": "7"}, "id"),
        ({"status": "running"}, "status"),
        ({"status": "executing_level_1"}, "status"),
        ({"prompt_id": "a\0b"}, "prompt_id"),
        ({"server_address": "a\nb\0"}, "server_address"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(library: Library, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        make(library, **wrong)
    assert refused.value.field == field
    assert events.last_seq(library) == 0


def test_a_server_is_named_never_introduced(library: Library) -> None:
    with pytest.raises(UnknownServer) as refused:
        make(library, server="http://evil.example:8188")
    assert refused.value.data["servers"] == ["gpu-a", "gpu-b"]
    assert make(library, server_address="http://127.0.0.1:2")[0].server_address == "gpu-b"
    assert make(library, server_address="http://evil.example")[0].server_address == "http://evil.example"


def test_a_chain_that_is_not_there_is_not_found(library: Library) -> None:
    with pytest.raises(NotFound):
        make(library, chain_id=identities.new_id())
    with pytest.raises(NotFound):
        workflows.get_workflow(library, identities.new_id())
    with pytest.raises(NotFound):
        workflows.update_workflow(library, identities.new_id(), status="failed", actor="runner")


@pytest.mark.parametrize("status", WORKFLOW_STATUSES)
def test_a_status_is_the_newest_attempts_too(library: Library, status: str) -> None:
    workflow, _ = make(library, prompt_id="p1")
    changed = workflows.update_workflow(library, workflow.id, status=status, error_message="why", actor="runner")
    (attempt,) = attempts.list_attempts(library, workflow.id)
    assert changed.status == attempt.status == status
    assert (changed.completed_at is not None) == (attempt.completed_at is not None) == (status in ENDED)
    assert (changed.started_at is not None) == (status == "executing")


@pytest.mark.parametrize("status", WORKFLOW_STATUSES)
def test_what_had_ended_before_it_was_told_of_has_an_end(library: Library, status: str) -> None:
    workflow, _ = make(library, prompt_id="p1", status=status)
    (attempt,) = attempts.list_attempts(library, workflow.id)
    end = workflow.created_at if status in ENDED else None
    assert workflow.completed_at == attempt.completed_at == end


def test_a_late_word_on_an_older_attempt_is_not_the_workflows(library: Library, pictures: Any) -> None:
    workflow, _ = make(library, server="gpu-a", prompt_id="p1")
    workflows.update_workflow(library, workflow.id, prompt_id="p2", status="completed", actor="runner")
    pictures.one(run=runs.Run("gpu-a", "p1", "edit"))  # It was announced, and has run after all.
    attempts.finish(library, server_address="gpu-a", prompt_id="p1", status="failed", error="x", actor="gpu-a")
    assert [one.status for one in attempts.list_attempts(library, workflow.id)] == ["completed", "failed"]
    assert workflows.get_workflow(library, workflow.id).status == "completed"


def test_a_workflow_that_is_said_to_be_completed_waits_for_what_is_pending(library: Library, pictures: Any) -> None:
    workflow, _ = make(library, server="gpu-a", prompt_id="p1", status="executing")
    picture = pictures.one(run=runs.Run("gpu-a", "p1", "edit"), status="pending")
    said = workflows.update_workflow(library, workflow.id, status="completed", actor="runner")
    assert (said.status, said.completed_at) == ("awaiting_approval", None)
    decisions.approve(library, picture.id, by="ann")
    assert workflows.get_workflow(library, workflow.id).status == "completed"


def test_a_new_prompt_id_begins_a_new_attempt_and_the_old_one_stays(library: Library) -> None:
    workflow, _ = make(library, server="gpu-a", prompt_id="p1", parameters={"seed": 1}, status="executing")
    changed = workflows.update_workflow(
        library, workflow.id, prompt_id="p2", server="gpu-b", parameters={"seed": 2}, actor="ann"
    )
    assert (changed.prompt_id, changed.server_address, changed.parameters) == ("p2", "gpu-b", {"seed": 2})
    newest, oldest = attempts.list_attempts(library, workflow.id)
    assert (newest.number, newest.prompt_id, newest.server_address) == (2, "p2", "gpu-b")
    assert (newest.parameters, newest.requested_by, newest.status) == ({"seed": 2}, "ann", "executing")
    assert (oldest.number, oldest.prompt_id, oldest.parameters) == (1, "p1", {"seed": 1})


@pytest.mark.parametrize("ended", ["completed", "failed", "cancelled", "awaiting_approval", "outcome_unknown"])
def test_what_has_ended_is_queued_again_by_a_new_prompt_id(library: Library, ended: str) -> None:
    workflow, _ = make(library, server="gpu-a", prompt_id="p1")
    workflows.update_workflow(library, workflow.id, status=ended, error_message="why", actor="runner")
    again = workflows.update_workflow(library, workflow.id, prompt_id="p2", actor="runner")
    assert (again.status, again.completed_at) == ("queued", None)
    newest, oldest = attempts.list_attempts(library, workflow.id)
    assert (newest.status, oldest.status) == ("queued", ended)
    end: dict[str, Any] = {"server_address": "gpu-a", "prompt_id": "p2", "error": None, "actor": "gpu-a"}
    assert attempts.finish(library, status="completed", **end) == 1
    assert workflows.get_workflow(library, workflow.id).status == "completed"


def test_a_change_that_changes_nothing_adds_no_event_and_no_revision(library: Library) -> None:
    workflow, _ = make(library, prompt_id="p1", parameters={"seed": 1})
    seq = events.last_seq(library)
    same = workflows.update_workflow(
        library, workflow.id, status="queued", prompt_id="p1", parameters={"seed": 1}, actor="runner"
    )
    assert same == workflow
    assert events.last_seq(library) == seq


def test_a_change_on_an_older_revision_is_refused(library: Library) -> None:
    workflow, _ = make(library)
    workflows.update_workflow(library, workflow.id, status="executing", actor="runner", revision=1)
    with pytest.raises(StaleRevision) as refused:
        workflows.update_workflow(library, workflow.id, status="failed", actor="runner", revision=1)
    assert refused.value.data["revision"] == 2


@pytest.mark.parametrize("column", ["id", "latest_artifact_id", "chain_id", "created_at", "colour"])
def test_only_what_may_change_can_be_changed(library: Library, column: str) -> None:
    workflow, _ = make(library)
    with pytest.raises(Invalid) as refused:
        workflows.update_workflow(library, workflow.id, actor="runner", **{column: "x"})
    assert refused.value.field == column
    assert workflows.get_workflow(library, workflow.id) == workflow
