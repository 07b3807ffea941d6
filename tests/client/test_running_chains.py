"""Pins chains that an engine runs, begun, watched, stopped and repeated by a runner's calls, on a hub and a library."""

from __future__ import annotations

import pytest
from chaining import GRAPH, step
from comfyui_artifact_db.client.problems import Conflict, Invalid
from running import Runner

DECIDING = ("awaiting_approval",)


def test_a_chain_runs_to_its_end(runner: Runner) -> None:
    db = runner.db
    definition = {"steps": [step("first"), step("second", "first", server="gpu-b")], "parameters": {"mood": "dusk"}}
    chain = db.create_chain("film", chain_definition=definition, run=True, parameters={"mood": "dawn"})
    ended = db.wait_for_chain(chain.id, timeout=30, poll=0.05)
    assert (ended.status, [one.status for one in ended.workflows]) == ("completed", ["completed", "completed"])
    assert ended.drive is not None
    assert (ended.drive.parameters, ended.drive.started_by) == ({"mood": "dawn"}, "anna")
    assert db.get_workflow_by_step(chain.id, "second").attempts[0].server_address == "gpu-b"
    last = db.get_latest_artifact(ended.workflows[1].id, usable=True)
    assert [one.relation for one in db.get_artifact_lineage(last.id).ancestors] == ["input"]

    again = db.rerun_chain(chain.id, from_step="second", parameters={"second.7.text": "darker"})
    rerun = db.wait_for_chain(again.id, timeout=30, poll=0.05)
    assert (rerun.status, rerun.drive and rerun.drive.source_chain_id) == ("completed", chain.id)
    first = db.get_latest_artifact(db.get_workflow_by_step(again.id, "first").id, usable=True)
    assert first.source_artifact_id == db.get_latest_artifact(ended.workflows[0].id, usable=True).id


def test_a_chain_is_left_to_the_workers_of_temporal_where_that_is_asked_for(runner: Runner) -> None:
    db = runner.db
    definition = {"steps": [step("first")]}
    chain = db.create_chain("film", chain_definition=definition, run=True, engine="temporal")
    drive = db.get_chain(chain.id).drive
    assert drive is not None
    assert drive.engine == "temporal"
    with pytest.raises(Invalid):
        db.create_chain("film", chain_definition=definition, run=True, engine="temporl")
    assert db.cancel_chain(chain.id).status == "cancelled"
    assert db.get_chain(chain.id).workflows == []


def test_a_rejection_with_parameters_runs_the_step_again(runner: Runner) -> None:
    db = runner.db
    definition = {"steps": [step("first", requires_approval=True), step("second", "first")]}
    chain = db.create_chain("film", chain_definition=definition, run=True)
    waiting = db.wait_for_chain(chain.id, until=DECIDING, timeout=30, poll=0.05)
    assert waiting.status == "awaiting_approval"
    workflow = db.get_workflow_by_step(chain.id, "first")
    first = db.get_latest_artifact(workflow.id)
    assert first is not None
    db.reject_artifact(first.id, "too dark", parameters={"7.text": "brighter"})
    runner.until(lambda: len(list(db.get_artifact_versions(first.id))) == 2)
    second = next(db.get_artifact_versions(first.id))
    assert [one.overrides for one in db.get_workflow(workflow.id).attempts] in (
        [{}, {"7.text": "brighter"}],
        [{"7.text": "brighter"}, {}],
    )
    db.approve_artifact(second.id, approved_by="ada")
    assert db.wait_for_chain(chain.id, timeout=30, poll=0.05).status == "completed"
    with pytest.raises(Conflict):
        db.cancel_chain(chain.id)


def test_a_chain_that_failed_is_resumed_and_a_step_is_retried(runner: Runner) -> None:
    db = runner.db
    runner.comfyui.fails = lambda graph: True
    chain = db.create_chain("film", chain_definition={"steps": [step("first")]}, run=True)
    failed = db.wait_for_chain(chain.id, timeout=30, poll=0.05)
    assert failed.status == "failed"
    assert "no luck" in (failed.workflows[0].error_message or "")
    runner.comfyui.fails = lambda graph: False
    db.resume_chain(chain.id)
    runner.until(lambda: db.get_chain(chain.id).status == "completed")
    retried = db.retry_workflow(failed.workflows[0].id, parameters={"7.seed": 5})
    assert retried.status == "queued"
    runner.until(lambda: len(list(db.list_workflow_artifacts(retried.id))) == 2)
    runner.until(lambda: db.get_chain(chain.id).status == "completed")


def test_a_chain_that_waits_is_cancelled(runner: Runner) -> None:
    db = runner.db
    chain = db.create_chain("film", chain_definition={"steps": [step("first", requires_approval=True)]}, run=True)
    db.wait_for_chain(chain.id, until=DECIDING, timeout=30, poll=0.05)
    with pytest.raises(TimeoutError, match="awaiting_approval"):
        db.wait_for_chain(chain.id, timeout=0.1, poll=0.02)
    assert db.cancel_chain(chain.id).status == "cancelled"
    with pytest.raises(Conflict):
        db.resume_chain(chain.id)


def test_a_definition_that_cannot_run_is_refused_with_all_that_is_wrong(runner: Runner) -> None:
    db = runner.db
    steps = [{"id": "first", "workflow": GRAPH, "depends_on": ["nobody"], "server": "gpu-z"}]
    with pytest.raises(Invalid) as refused:
        db.create_chain("film", chain_definition={"steps": steps}, run=True)
    assert len(refused.value.errors) == 2
    with pytest.raises(Invalid) as refused:
        db.create_chain("film", run=True)
    assert refused.value.field == "chain_definition"
    with pytest.raises(Invalid) as refused:
        db.create_chain("film", chain_definition={"steps": [step("first")]}, run=True, status="failed")
    assert refused.value.field == "status"
    assert not list(db.list_chains())


def test_nobody_is_called_as_an_engine_is(runner: Runner) -> None:
    with pytest.raises(Exception, match="use another name"), runner.open(actor="chain") as db:
        db.create_chain("film")
