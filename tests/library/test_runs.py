"""How an execution finds its chain, its workflow and its attempt, or begins them."""

from __future__ import annotations

from typing import Any

import invariants
import pytest
from comfyui_artifact_db.errors import NotFound
from comfyui_artifact_db.library import artifacts, attempts, chains, identities, lineage, pages, runs, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact, Chain, Workflow


def workflow_of(library: Library, artifact: Artifact) -> Workflow:
    return workflows.get_workflow(library, artifact.workflow_id)


def all_chains(library: Library) -> list[Chain]:
    return chains.list_chains(library, pages.Ask()).items


def test_an_execution_without_a_chain_is_a_standalone_workflow(library: Library, pictures: Any) -> None:
    graph = {"9": {"class_type": "SaveToArtifactDB", "inputs": {}}}
    run = runs.Run("gpu-a", "p1", "text-to-image", workflow_definition=graph, client_id="c", requested_by="ann")
    artifact = pictures.one(run=run)
    workflow = workflow_of(library, artifact)
    assert (workflow.chain_id, workflow.step_id, workflow.prompt_id) == (None, None, "p1")
    assert (workflow.server_address, workflow.workflow_name, workflow.status) == ("gpu-a", "text-to-image", "executing")
    assert workflow.workflow_definition == graph
    (attempt,) = attempts.list_attempts(library, workflow.id)
    assert (attempt.number, attempt.prompt_id, attempt.client_id, attempt.requested_by) == (1, "p1", "c", "ann")
    assert attempt.workflow_definition == graph
    assert artifact.attempt_id == attempt.id
    assert all_chains(library) == []


def test_a_name_begins_a_chain_where_none_is_unfinished(library: Library, pictures: Any) -> None:
    workflow = workflow_of(library, pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="extract")))
    (chain,) = all_chains(library)
    assert (chain.name, chain.status) == ("film", "executing_level_0")
    assert (workflow.chain_id, workflow.step_id) == (chain.id, "extract")


@pytest.mark.parametrize("status", ["initializing", "executing_level_3", "awaiting_approval"])
def test_a_name_joins_the_newest_unfinished_chain_of_that_name(library: Library, pictures: Any, status: str) -> None:
    chains.create_chain(library, name="film", actor="tester")
    newest, _ = chains.create_chain(library, name="film", status=status, actor="tester")
    chains.create_chain(library, name="film", status="completed", actor="tester")
    chains.create_chain(library, name="another film", actor="tester")
    workflow = workflow_of(library, pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a")))
    assert workflow.chain_id == newest.id
    assert len(all_chains(library)) == 4


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_name_of_which_every_run_is_finished_begins_a_new_one(library: Library, pictures: Any, status: str) -> None:
    finished, _ = chains.create_chain(library, name="film", status=status, actor="tester")
    workflow = workflow_of(library, pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a")))
    assert workflow.chain_id not in (None, finished.id)
    assert len(all_chains(library)) == 2


@pytest.mark.parametrize("write", [str.lower, str.upper])
def test_an_id_joins_that_chain_also_a_finished_one(library: Library, pictures: Any, write: Any) -> None:
    chain, _ = chains.create_chain(library, name="film", status="completed", actor="tester")
    chains.create_chain(library, name="film", actor="tester")
    run = runs.Run("gpu-a", "p1", "w", chain=write(chain.id), step="a")
    first = workflow_of(library, pictures.one(run=run))
    assert first.chain_id == chain.id
    assert workflow_of(library, pictures.one(run=run, keys=("10:images:0",))).id == first.id


def test_an_id_of_no_chain_is_not_found_and_nothing_is_recorded(library: Library, pictures: Any) -> None:
    with pytest.raises(NotFound):
        pictures.one(run=runs.Run("gpu-a", "p1", "w", chain=identities.new_id(), step="a"))
    assert artifacts.list_artifacts(library, pages.Ask()).items == []
    assert workflows.list_workflows(library, pages.Ask()).items == []


def test_the_same_prompt_shares_one_workflow_for_each_chain_and_step_it_names(library: Library, pictures: Any) -> None:
    def record(step: str, key: str) -> Workflow:
        run = runs.Run("gpu-a", "p1", "w", chain="film", step=step)
        return workflow_of(library, pictures.one(run=run, keys=(key,)))

    first, again, other = record("a", "9:images:0"), record("a", "12:images:0"), record("b", "15:images:0")
    assert first.id == again.id != other.id
    assert first.chain_id == other.chain_id
    assert len(all_chains(library)) == 1
    assert len(attempts.list_attempts(library, first.id)) == 1
    invariants.check(library)


def test_two_chains_named_by_one_prompt_are_two_workflows(library: Library, pictures: Any) -> None:
    found = {
        workflow_of(library, pictures.one(run=runs.Run("gpu-a", "p1", "w", chain=chain, step="a"))).chain_id
        for chain in ("film", "poster")
    }
    assert len(found) == 2


def test_the_same_prompt_id_on_another_server_is_another_execution(library: Library, pictures: Any) -> None:
    here = pictures.one(run=runs.Run("gpu-a", "p1", "w"))
    there = pictures.one(run=runs.Run("gpu-b", "p1", "w"))
    assert here.workflow_id != there.workflow_id


def test_the_same_step_again_is_a_new_workflow_and_the_newest_is_found_by_its_step(
    library: Library, pictures: Any
) -> None:
    first = workflow_of(library, pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a")))
    second = workflow_of(library, pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="a")))
    assert first.chain_id == second.chain_id
    assert first.id != second.id
    assert second.chain_id is not None
    assert workflows.get_workflow_by_step(library, second.chain_id, "a").id == second.id
    assert workflows.get_workflow_by_step(library, second.chain_id.upper(), "a").id == second.id


def test_one_prompt_is_recorded_once_for_an_attempt_that_was_made_before(library: Library, pictures: Any) -> None:
    chain, _ = chains.create_chain(library, name="film", actor="runner")
    workflow, _ = workflows.create_workflow(
        library, workflow_name="w", chain_id=chain.id, step_id="a", server="gpu-a", prompt_id="p1", actor="runner"
    )
    for run in (
        runs.Run("gpu-a", "p1", "whatever the graph is called"),
        runs.Run("gpu-a", "p1", "w", chain="film"),
        runs.Run("gpu-a", "p1", "w", chain=chain.id, step="a"),
        runs.Run("gpu-a", "p1", "w", step="a"),
    ):
        assert pictures.one(run=run, keys=(f"{len(run.step)}{run.chain}:images:0",)).workflow_id == workflow.id
    assert len(attempts.list_attempts(library, workflow.id)) == 1
    assert len(workflows.list_workflows(library, pages.Ask()).items) == 1


def test_an_attempt_that_was_made_under_the_servers_url_is_found_under_its_name(
    library: Library, pictures: Any
) -> None:
    workflow, _ = workflows.create_workflow(
        library, workflow_name="w", server_address="http://127.0.0.1:1/", prompt_id="p1", actor="runner"
    )
    assert workflow.server_address == "gpu-a"
    assert pictures.one(run=runs.Run("gpu-a", "p1", "w")).workflow_id == workflow.id


def test_a_step_that_runs_again_under_a_new_prompt_is_a_new_attempt_of_the_same_workflow(
    library: Library, pictures: Any
) -> None:
    workflow, _ = workflows.create_workflow(
        library, workflow_name="w", server="gpu-a", prompt_id="p1", actor="runner", status="executing"
    )
    first = pictures.one(run=runs.Run("gpu-a", "p1", "w"))
    workflows.update_workflow(library, workflow.id, prompt_id="p2", actor="runner")
    second = pictures.one(run=runs.Run("gpu-a", "p2", "w"))
    assert (second.workflow_id, second.version) == (workflow.id, 2)
    late = pictures.one(run=runs.Run("gpu-a", "p1", "w"), keys=("12:images:0",))
    newest, oldest = attempts.list_attempts(library, workflow.id)
    assert (newest.number, oldest.number) == (2, 1)
    assert (first.attempt_id, second.attempt_id, late.attempt_id) == (oldest.id, newest.id, oldest.id)
    assert workflows.get_workflow(library, workflow.id).prompt_id == "p2"


def test_what_went_into_an_execution_is_written_down_once(library: Library, pictures: Any) -> None:
    source = pictures.one()
    run = runs.Run("gpu-b", "p1", "upscale", inputs=(source.id, source.id, identities.new_id()))
    made = pictures.one(run=run)
    pictures.one(run=run, keys=("12:images:0",))
    (ancestor,) = lineage.get_lineage(library, made.id).ancestors
    assert (ancestor.artifact.id, ancestor.relation, ancestor.of) == (source.id, "input", made.id)


def test_how_a_prompt_ended_is_told_on_each_open_attempt_of_it(library: Library, pictures: Any) -> None:
    steps = [pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step=step)) for step in "ab"]
    end: dict[str, Any] = {"server_address": "gpu-a", "prompt_id": "p1", "actor": "gpu-a"}
    assert attempts.finish(library, status="failed", error="out of memory", **end) == 2
    for artifact in steps:
        workflow = workflow_of(library, artifact)
        (attempt,) = attempts.list_attempts(library, workflow.id)
        assert (workflow.status, workflow.error_message) == ("failed", "out of memory")
        assert (attempt.status, attempt.error_message) == ("failed", "out of memory")
        assert workflow.completed_at
        assert attempt.completed_at
    assert attempts.finish(library, status="completed", error=None, **end) == 0
    assert workflow_of(library, steps[0]).status == "failed"
